"""How fast films are taken in, durably, beside DCMTK's storescp and Orthanc, in one run on one machine.

    python benchmarks/ingest.py [--quick] [--json] [--folder DIR]

Sender: DCMTK's storescu as shipped, as a modality would be; films of 13 MB and of 2 MB; 1, 4 and 8 associations.
Receivers in turn, medians over several rounds: the node's intake (which has fsynced each film and committed its row
and job before it answers), storescp and Orthanc as shipped and as fast as they can be made, neither of which is
durable. For each: MB/s, the peak memory of the receiving processes, their CPU seconds for a GB. The latency of
acknowledgements is taken by senders of this file, from a film's last byte to its answer.

Figures of one machine cannot be compared with another's; the ratios can. ``ratio_to_storescp`` and
``ratio_to_orthanc`` are against both as shipped, with one association and films of 13 MB.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from pydicom.uid import generate_uid

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from factory import make_dx, to_bytes
from integration import peers
from integration.modality import command_bytes, p_data, raw_association, receive_pdu
from receivers import OURS, PDU, RECEIVERS, Receiver

ASSOCIATIONS = (1, 4, 8)
#: Film name, columns and rows of 16 bits: 13.5 MB and 2.1 MB.
SIZES = {"13MB": 2600, "2MB": 1024}
_UID_PAD = 56
#: Status (0000,0900) with two bytes of value, 0x0000.
_SUCCESS = struct.pack("<HHLH", 0x0000, 0x0900, 2, 0x0000)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is sent: films in all for each size, rounds, and what each latency sender sends."""

    films: dict[str, int]
    rounds: int
    parallel_rounds: int
    latency_films: int


FULL = Plan(films={"13MB": 64, "2MB": 320}, rounds=5, parallel_rounds=5, latency_films=200)
QUICK = Plan(films={"13MB": 16, "2MB": 48}, rounds=3, parallel_rounds=1, latency_films=25)


@dataclass(frozen=True, kw_only=True)
class Round:
    """What one round measured."""

    mb_per_s: float
    cpu_s_per_gb: float
    peak_mb: float
    peak_process_mb: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer films and rounds: about a minute and a half")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--folder", type=Path, help="where receivers store (default: the system's temporary folder)")
    parser.add_argument("--processes", type=int, default=1, help="receiving processes of the node's intake")
    parser.add_argument("--only", choices=tuple(RECEIVERS), action="append", help="measure these receivers only")
    parser.add_argument("--associations", type=int, action="append", help="measure these numbers only")
    options = parser.parse_args()
    plan = QUICK if options.quick else FULL
    names = options.only or list(RECEIVERS)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder, _films(plan) as films:
        bench = Bench(Path(folder), films, plan, options.processes)
        figures = bench.run(names, options.associations or ASSOCIATIONS)
    print(json.dumps(figures, indent=2) if options.json else _table(figures))


@contextlib.contextmanager
def _films(plan: Plan) -> Iterator[dict[str, list[Path]]]:
    """Films to send, in memory where there is room: the sender's disk is not what is measured."""
    memory = Path("/dev/shm")
    need = sum(count * 2 * SIZES[name] ** 2 for name, count in plan.films.items())
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2 * need
    with tempfile.TemporaryDirectory(dir=memory if roomy else None) as folder:
        yield {name: _make(Path(folder), name, count) for name, count in plan.films.items()}


def _make(folder: Path, name: str, count: int) -> list[Path]:
    film = make_dx(rows=SIZES[name], columns=SIZES[name], SOPInstanceUID=_new_uid())
    data = to_bytes(film)
    paths = [folder / f"{name}-{number}.dcm" for number in range(count)]
    for path in paths:
        path.write_bytes(data)
    return paths


def _new_uid() -> str:
    """A UID of fixed length, so that another can be written over it."""
    return (generate_uid() + "1" * 64)[:_UID_PAD]


def _renew(path: Path) -> None:
    """Give a film another SOP Instance UID in its file (meta header and data set): a film sent twice is a duplicate."""
    uid = _new_uid().encode()
    with path.open("r+b") as file:
        head = file.read(4096)
        old = head[head.index(b"\x02\x00\x03\x00UI") + 8 :][:_UID_PAD]
        start = head.find(old)
        while start >= 0:
            file.seek(start)
            file.write(uid)
            start = head.find(old, start + 1)


# Measuring


class Bench:
    """All rounds of one run."""

    def __init__(self, folder: Path, films: dict[str, list[Path]], plan: Plan, processes: int) -> None:
        self._processes = processes
        self._folder = folder
        self._films = films
        self._plan = plan
        self._count = 0

    def run(self, names: Sequence[str], associations: Sequence[int]) -> dict[str, Any]:
        """Every figure."""
        began, load = time.monotonic(), os.getloadavg()[0]
        cases = [(size, number) for number in associations for size in self._films]
        measured = {f"{size}_x{number}": self._medians(names, size, number) for size, number in cases}
        receivers = {name: {case: rows[name] for case, rows in measured.items()} for name in names}
        figures: dict[str, Any] = {
            "machine": {"cpus": os.cpu_count(), "load_before": round(load, 2), "load_after": os.getloadavg()[0]},
            "receivers": receivers,
            "latency": {name: self._latency(name) for name in names if name in (OURS, "storescp_best")},
        }
        figures |= _ratios(receivers)
        figures["seconds"] = round(time.monotonic() - began)
        return figures

    def _medians(self, names: Sequence[str], size: str, associations: int) -> dict[str, dict[str, float]]:
        """The receivers take turns, so that whatever else the machine does meets all of them."""
        repeats = self._plan.rounds if associations == 1 else self._plan.parallel_rounds
        rounds = [{name: self._round(name, size, associations) for name in names} for _ in range(repeats)]
        return {name: _median([each[name] for each in rounds]) for name in names}

    @contextlib.contextmanager
    def _receiver(self, name: str) -> Iterator[Receiver]:
        """A fresh one; what the one before left unwritten is written first, so that it costs this one nothing."""
        self._count += 1
        folder = self._folder / f"{name}-{self._count}"
        folder.mkdir()
        try:
            with RECEIVERS[name](folder, self._processes) as receiver:
                _warm(receiver.port)
                os.sync()
                yield receiver
        finally:
            shutil.rmtree(folder)

    def _round(self, name: str, size: str, associations: int) -> Round:
        films = self._films[size]
        for film in films:
            _renew(film)
        with self._receiver(name) as receiver, _Watch(receiver.process) as watch:
            seconds = _send(receiver.port, [films[first::associations] for first in range(associations)])
        megabytes = sum(film.stat().st_size for film in films) / 1e6
        return Round(
            mb_per_s=megabytes / seconds,
            cpu_s_per_gb=watch.cpu_seconds / megabytes * 1000,
            peak_mb=watch.peak / 1e6,
            peak_process_mb=watch.peak_process / 1e6,
        )

    def _latency(self, name: str) -> dict[str, float]:
        """Milliseconds from a film's last byte to its answer, 2 MB films, one sender and eight."""
        figures: dict[str, float] = {}
        with self._receiver(name) as receiver:
            for senders in (1, 8):
                times = _acknowledgements(receiver.port, senders, self._plan.latency_films)
                hundredths = statistics.quantiles(times, n=100)
                figures[f"p50_ms_x{senders}"] = round(hundredths[49] * 1000, 2)
                figures[f"p99_ms_x{senders}"] = round(hundredths[98] * 1000, 2)
        figures["p99_to_p50_x8"] = round(figures["p99_ms_x8"] / figures["p50_ms_x8"], 2)
        return figures


def _warm(port: int) -> None:
    """One association and one small film: what is loaded once is loaded."""
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.dcm"
        film.write_bytes(to_bytes(make_dx()))
        _send(port, [[film]])


def _send(port: int, films: Sequence[Sequence[Path]]) -> float:
    """Seconds until storescu processes, one for each list, have sent their films."""
    program, null = peers.require("storescu", "dcmtk"), subprocess.DEVNULL
    commands = [[program, "127.0.0.1", str(port), *map(str, some)] for some in films if some]
    began = time.perf_counter()
    senders = [subprocess.Popen(command, stdin=null, stdout=null, stderr=null) for command in commands]
    statuses = [sender.wait() for sender in senders]
    seconds = time.perf_counter() - began
    if any(statuses):
        raise RuntimeError(f"a sender failed: {statuses}")
    return seconds


class _Watch:
    """Memory and CPU of a process and its children while the context is open."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.peak = self.peak_process = 0
        self.cpu_seconds = 0.0

    def __enter__(self) -> _Watch:
        self._before = self._cpu()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.cpu_seconds = self._cpu() - self._before

    def _cpu(self) -> float:
        total = 0.0
        for process in (self._process, *self._process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
                if process.pid == self._process.pid:
                    total += times.children_user + times.children_system
        return total

    def _look(self) -> None:
        while True:
            sizes = []
            for process in (self._process, *self._process.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    sizes.append(process.memory_info().rss)
            self.peak = max(self.peak, sum(sizes))
            self.peak_process = max(self.peak_process, *sizes, 0)
            if self._over.wait(0.2):  # looking through all processes costs what is measured
                return


# Latency


def _acknowledgements(port: int, senders: int, films: int) -> list[float]:
    """Seconds from last byte to answer of every film that ``senders`` processes send."""
    with multiprocessing.get_context("spawn").Pool(senders) as pool:
        pool.map(_ready, range(senders))  # all have started
        return [each for some in pool.starmap(_send_raw, [(port, films)] * senders, chunksize=1) for each in some]


def _ready(_: int) -> None:
    time.sleep(0.2)


def _send_raw(port: int, films: int) -> list[float]:
    """Send films of 2 MB over one association, as bytes that were made before."""
    film = make_dx(rows=SIZES["2MB"], columns=SIZES["2MB"], SOPInstanceUID=_new_uid())
    data = to_bytes(film)
    old = str(film.SOPInstanceUID).encode()
    start = 144 + struct.unpack("<L", data[140:144])[0]  # after preamble, prefix and meta header (its length is known)
    head, pixels = data[start : start + 4096], data[start + 4096 :]
    times = []
    with raw_association(port) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.settimeout(60)
        for _ in range(films):
            uid = _new_uid().encode()
            body = head.replace(old, uid) + pixels
            step = PDU - 6
            pieces = [body[at : at + step] for at in range(0, len(body), step)]
            pdus = [p_data(piece, 2 if number == len(pieces) else 0) for number, piece in enumerate(pieces, 1)]
            peer.sendall(p_data(command_bytes(sop_instance_uid=uid.decode()), 0x03))
            peer.sendall(b"".join(pdus))
            sent = time.perf_counter()
            answer = receive_pdu(peer)
            times.append(time.perf_counter() - sent)
            if _SUCCESS not in answer:
                raise RuntimeError("a film was not acknowledged")
    return times


# Figures


def _median(rounds: Sequence[Round]) -> dict[str, float]:
    fields = ("mb_per_s", "cpu_s_per_gb", "peak_mb", "peak_process_mb")
    return {field: round(statistics.median(getattr(each, field) for each in rounds), 2) for field in fields}


def _ratios(receivers: dict[str, dict[str, dict[str, float]]]) -> dict[str, float]:
    mine = receivers.get(OURS, {})
    figures: dict[str, float] = {}
    for name in receivers:
        for case, measured in receivers[name].items():
            if name != OURS and case in mine:
                figures[f"ratio_to_{name}_{case}"] = round(mine[case]["mb_per_s"] / measured["mb_per_s"], 2)
    for name in ("storescp", "orthanc"):
        if f"ratio_to_{name}_13MB_x1" in figures:
            figures[f"ratio_to_{name}"] = figures[f"ratio_to_{name}_13MB_x1"]
    return figures


def _table(figures: dict[str, Any]) -> str:
    lines = [f"{'receiver':16}{'case':10}{'MB/s':>8}{'CPU s/GB':>10}{'MB':>8}{'MB/process':>12}"]
    for name, cases in figures["receivers"].items():
        for case, row in cases.items():
            lines.append(
                f"{name:16}{case:10}{row['mb_per_s']:8.0f}{row['cpu_s_per_gb']:10.2f}"
                f"{row['peak_mb']:8.0f}{row['peak_process_mb']:12.0f}"
            )
    lines += [f"{key:36} {value}" for key, value in figures.items() if key.startswith("ratio_")]
    lines += [f"latency of {name}: {values}" for name, values in figures["latency"].items()]
    lines.append(f"{figures['machine']}, {figures['seconds']} s")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
