"""``screening-node demo``: sample films through a real node into a PACS, on loopback, in a folder of its own.

this process            a PACS that writes into a folder; watches; prints
  |- screening-node serve      the node, with a configuration written for the occasion
  `- screening-node send       the modality
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from screening_node import assembly
from screening_node.admin import listings
from screening_node.admin.film_table import FilmLine, film_table
from screening_node.delivery.folder_pacs import FolderPacs
from screening_node.delivery.sender import echo
from screening_node.errors import Misconfigured, Permanent, ScreeningNodeError, Transient
from screening_node.phantom.samples import Sample, iter_samples
from screening_node.settings import Settings, load_settings
from screening_node.store.session import Store

_HOST = "127.0.0.1"
_PACS_AE = "DEMO_PACS"
_NODE_AE = "SCREENING_NODE"
_MARK = ".screening-node-demo"
_POLL_SECONDS = 0.1
_START_SECONDS = 60.0
_SETTLED = ("judged", "refused", "failed", "cancelled")


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where things of the demo lie."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "node.toml"

    @property
    def films(self) -> Path:
        return self.folder / "films"

    @property
    def pacs(self) -> Path:
        return self.folder / "pacs"

    @property
    def log(self) -> Path:
        return self.folder / "node.log"


def run(folder: Path, *, keep: bool, seconds: float, console: Console) -> None:
    """The whole demo. Raises Misconfigured where the folder is not the demo's, Transient where it takes too long."""
    place = _Place(folder=_emptied(folder.absolute()))
    with FolderPacs(place.pacs, ae_title=_PACS_AE, host=_HOST) as pacs, _progress(console) as progress:
        settings = _configured(place, pacs.port)
        samples = _written(place, progress)
        with _node(place, settings, progress) as node:
            _send(samples, place)
            _wait(settings, len({_uid_of(sample.path) for sample in samples}), node, seconds, place, progress)
            progress.stop()
            _show(settings, samples, place, console)
            if keep:
                _keep(settings, node, place, console)


def _emptied(folder: Path) -> Path:
    """The demo's folder, without what an earlier demo left; never empties a folder that is not a demo's."""
    if folder.exists() and any(folder.iterdir()) and not (folder / _MARK).exists():
        raise Misconfigured(f"{folder} holds other things.", fix="Name an empty folder with --folder.")
    if (folder / "node.toml").exists() and _runs_already(load_settings(folder / "node.toml")):
        raise Misconfigured(f"A demo runs in {folder} already.", fix="End it, or name another folder with --folder.")
    try:
        shutil.rmtree(folder, ignore_errors=False) if folder.exists() else None
        folder.mkdir(parents=True)
        (folder / _MARK).touch()
    except OSError as error:
        raise Misconfigured(
            f"{folder} cannot be emptied or made: {error.strerror}.", fix="Name another folder with --folder."
        ) from error
    return folder


def _runs_already(settings: Settings) -> bool:
    try:
        echo(assembly.this_node(settings), calling_ae=_PACS_AE, timeouts=assembly.timeouts(2.0))
    except ScreeningNodeError:
        return False
    return True


@contextmanager
def _progress(console: Console) -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        yield progress


def _configured(place: _Place, pacs_port: int) -> Settings:
    """The shipped configuration's pathway, with a store, a port and a destination of the demo's own."""
    shipped = load_settings().pathways.chest_film
    place.config.write_text(
        f"""\
# Written by `screening-node demo`; paths are relative to this file's folder.
[node]
ae_title = "{_NODE_AE}"
host = "{_HOST}"
port = {_free_port()}

[[destinations]]
name = "demo-pacs"
ae_title = "{_PACS_AE}"
host = "{_HOST}"
port = {pacs_port}

[store]
url = "sqlite:///node.sqlite"
archive = "archive"

[pathways.chest_film]
bundle = {_quoted(shipped.bundle)}
reference = {_quoted(shipped.reference)}
thresholds = {_quoted(shipped.thresholds)}
age_range = {list(shipped.age_range)}

[intake]
min_free_mib = 64

[admin]
port = {_free_port()}
""",
        encoding="utf-8",
    )
    return load_settings(place.config)


def _quoted(path: Path) -> str:
    """A path as a TOML basic string."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


def _written(place: _Place, progress: Progress) -> list[Sample]:
    task = progress.add_task("Drawing sample films", total=None)
    samples = []
    for sample in iter_samples(place.films):
        samples.append(sample)
        progress.update(task, advance=1)
    progress.update(task, total=len(samples))
    return samples


@contextmanager
def _node(place: _Place, settings: Settings, progress: Progress) -> Iterator[subprocess.Popen[bytes]]:
    """``screening-node serve``, from the first answered C-ECHO on; stopped on leaving."""
    task = progress.add_task("Starting the node", total=1)
    with place.log.open("wb") as log:
        node = subprocess.Popen(
            _command("serve", "--config", place.config),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_environment(),
            start_new_session=True,  # Ctrl-C is the demo's to handle
        )
    try:
        _until(lambda: _runs_already(settings), node, _START_SECONDS, place, "start")
        progress.update(task, advance=1)
        yield node
    finally:
        _stop(node)


def _stop(node: subprocess.Popen[bytes]) -> None:
    node.send_signal(signal.SIGTERM)
    try:
        node.wait(30)
    except subprocess.TimeoutExpired:
        node.kill()
        node.wait()


def _command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "screening_node", *map(str, arguments)]


def _environment() -> dict[str, str]:
    """Without overrides meant for another node."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith("SCREENING_NODE__")}


def _send(samples: Sequence[Sample], place: _Place) -> None:
    done = subprocess.run(
        _command("send", "--config", place.config, *(sample.path for sample in samples)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=_environment(),
        check=False,
    )
    if done.returncode != 0:
        raise Transient(f"Not every film was taken: {(done.stdout + done.stderr).strip()}", fix=f"See {place.log}.")


def _wait(
    settings: Settings, films: int, node: subprocess.Popen[bytes], seconds: float, place: _Place, progress: Progress
) -> None:
    """Until every film has an outcome and every report owed has arrived."""
    judged = progress.add_task("Judging films", total=films)
    delivered = progress.add_task("Delivering reports", total=films)
    store = Store(settings.store.url.get_secret_value())

    def settled() -> bool:
        exams = [exam for exam in listings.exams(store, limit=None) if exam["state"] in _SETTLED]
        owed = listings.deliveries(store, limit=None)
        arrived = [row for row in owed if row["state"] == "delivered"]
        progress.update(judged, completed=len(exams))
        progress.update(delivered, completed=len(arrived), total=len(owed))
        return len(exams) == films and len(arrived) == len(owed)

    try:
        _until(settled, node, seconds, place, "report on every film")
    finally:
        store.close()


def _until(
    happened: Callable[[], bool], node: subprocess.Popen[bytes], seconds: float, place: _Place, what: str
) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        if node.poll() is not None:
            said = place.log.read_text(errors="replace").strip().splitlines()
            raise Transient(f"The node ended: {' '.join(said[-3:])}", fix=f"See {place.log}.")
        if time.monotonic() > deadline:
            raise Transient(f"The node did not {what} within {seconds:.0f} s.", fix=f"See {place.log}.")
        time.sleep(_POLL_SECONDS)


def _show(settings: Settings, samples: Sequence[Sample], place: _Place, console: Console) -> None:
    """The films and what became of them, the alert log, and what the weights are not."""
    store = Store(settings.store.url.get_secret_value())
    try:
        exams = [listings.exam(store, row["id"]) for row in listings.exams(store, limit=None)]
        alerts = listings.alerts(store)
    finally:
        store.close()
    failed = [exam for exam in exams if exam["state"] not in ("judged", "refused")]
    by_uid = {instance["sop_instance_uid"]: exam for exam in exams for instance in exam["instances"]}
    reports = {_uid_of(path): path for path in place.pacs.glob("*.dcm")}
    console.print(film_table(_line(sample, by_uid.get(_uid_of(sample.path)), reports) for sample in samples))
    console.print(_alert_table(alerts))
    limits = {exam["limits_of_use"] for exam in exams if exam["limits_of_use"]}
    for sentence in sorted(limits):
        console.print(sentence, style="yellow")
    if failed:
        raise Permanent(f"The node failed on {len(failed)} of the films.", fix=f"See {place.log}.")


def _uid_of(path: Path) -> str:
    return str(pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SOPInstanceUID"]).SOPInstanceUID)


def _line(sample: Sample, exam: Mapping[str, Any] | None, reports: Mapping[str, Path]) -> FilmLine:
    title = f"{sample.path.name}\n({sample.title})"
    if exam is None:
        return FilmLine(title=title, trouble="not received")
    arrived = [reports[row["sop_instance_uid"]] for row in exam["deliveries"] if row["sop_instance_uid"] in reports]
    refusal = None if exam["refusal"] is None else f"refused ({exam['refusal']}): {exam['refusal_text']}"
    return FilmLine(
        title=title,
        estimates=exam["estimates"],
        category=exam["category"],
        alarm=None if exam["refusal"] is not None else exam["alarm_status"],
        trouble=refusal if exam["error"] is None else f"failed: {exam['error']}",
        report=", ".join(_shortest(path) for path in arrived) or None,
    )


def _shortest(path: Path) -> str:
    """Relative to the current folder where it lies below it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _alert_table(alerts: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title="Alert log", header_style="bold", title_justify="left")
    for heading in ("No.", "State", "Patient ID", "Category", "Lowest T", "Newest film"):
        table.add_column(heading)
    for alert in alerts:
        lowest = f"{alert['lowest_vertebra']} {alert['lowest_t_score']:+.1f}"
        table.add_row(
            str(alert["number"]), alert["state"], alert["patient_id"], alert["category"], lowest, alert["study_date"]
        )
    return table


def _keep(settings: Settings, node: subprocess.Popen[bytes], place: _Place, console: Console) -> None:
    """Say how to send films and where to look, and wait for Ctrl-C or SIGTERM."""
    port, config = settings.node.port, _shortest(place.config)
    program = _shortest(Path(sys.executable).parent / "screening-node")
    lines = (
        f"\nThe node listens as {_NODE_AE} on {_HOST}:{port}; its PACS writes into {_shortest(place.pacs)}.",
        "Send it a film:",
        f"  storescu -aec {_NODE_AE} {_HOST} {port} FILM.dcm",
        f"  {program} send --config {config} FILM.dcm",
        f"  {program} phantom film --seed 7 --out film.dcm",
        f"See what became of it on the admin's page: {assembly.admin_page(settings)}",
        "or here:",
        f"  {program} exams list --config {config}",
        f"  {program} alerts list --config {config}",
        "Ctrl-C ends it.",
    )
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        node.wait()
        raise Transient("The node ended by itself.", fix=f"See {place.log}.")
    except KeyboardInterrupt:
        console.print("Ending.")
    finally:
        signal.signal(signal.SIGTERM, before)
