"""How long a film takes from acknowledgement to delivered report, and how much memory the node needs.

    python benchmarks/node.py [--films 20] [--burst 200] [--size 2100] [--json]

Runs what users run: `screening-node serve` with the shipped configuration, DCMTK's storescu as modality and DCMTK's
storescp as PACS, all on loopback. Prints, beside the figures, the same film judged without a node (pathway alone) in
the same run: the ratio says what queue, store, report and delivery cost.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from acceptance.node import Node, another_film, running_node
from integration import peers

from screening_node import assembly
from screening_node.domain.exam import ExamFiles
from screening_node.pathways.judgement import answers_of
from screening_node.phantom.dicom_film import write_film
from screening_node.settings import load_settings


def main() -> None:
    """Run both measurements and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=20, help="films sent one after the other")
    parser.add_argument("--burst", type=int, default=200, help="films queued at once")
    parser.add_argument("--size", type=int, default=2100, help="long side of a film in pixels")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), options.films, options.burst, options.size)
    print(json.dumps(figures, indent=2) if options.json else "\n".join(f"{k:34} {v}" for k, v in figures.items()))


def measure(folder: Path, films: int, burst: int, size: int) -> dict[str, Any]:
    """All figures of one run on this machine."""
    original = folder / "film.dcm"
    write_film(7, original, size=size)
    alone = median_alone(original, repeats=max(5, films // 2))
    with (
        peers.storescp(folder / "pacs") as pacs,
        running_node(folder / "node", ("pacs", pacs.ae_title, pacs.port)) as node,
    ):
        send_one(node, original, folder)  # the first film waits for the weights to be loaded
        latencies = [send_one(node, original, folder) for _ in range(films)]
        peak, seconds = send_burst(node, original, folder, burst)
    median = statistics.median(latencies)
    return {
        "film_megabytes": round(original.stat().st_size / 1e6, 1),
        "films": films,
        "median_seconds_ack_to_delivered": round(median, 3),
        "p95_seconds_ack_to_delivered": round(statistics.quantiles(latencies, n=20)[-1], 3),
        "median_seconds_pathway_alone": round(alone, 3),
        "ratio_to_pathway_alone": round(median / alone, 2),
        "burst_films": burst,
        "burst_films_per_second": round(burst / seconds, 2),
        "burst_peak_memory_gib": round(peak / 2**30, 3),
    }


def median_alone(film: Path, repeats: int) -> float:
    """Seconds to judge the film in this process, files to estimate, without store, report and network."""
    pathway = assembly.chest_film_pathway(load_settings(None))
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        exam = ExamFiles(files=(film,), requested_at=datetime.now(UTC))
        (answer,) = answers_of(pathway, [pathway.prepare(exam)])
        assert not isinstance(answer, Exception), answer
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def send_one(node: Node, original: Path, folder: Path) -> float:
    """Seconds from storescu's return, when the film is acknowledged, to the report's delivery."""
    film = another_film(original, folder)
    before = node.one("select count(*) from exams") if node.database.exists() else 0
    assert peers.storescu(node.port, film).returncode == 0
    acknowledged = datetime.now(UTC)
    film.unlink()
    node.settle(before + 1)
    delivered = node.one("select max(delivered_at) from outbox")
    at = datetime.fromisoformat(delivered)
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - acknowledged).total_seconds()


def send_burst(node: Node, original: Path, folder: Path, films: int) -> tuple[float, float]:
    """Peak memory of all the node's processes in bytes (proportional set size), and seconds until all are delivered."""
    queued = [another_film(original, folder) for _ in range(films)]
    before = node.one("select count(*) from exams")
    peak = 0.0
    over = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not over.wait(0.1):
            peak = max(peak, memory_of(node))

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    try:
        assert peers.storescu(node.port, *queued).returncode == 0
        node.settle(before + films, 1800)
    finally:
        over.set()
        watcher.join()
    return peak, time.perf_counter() - start


def memory_of(node: Node) -> float:
    """Proportional set size of the node's process tree: shared pages count once."""
    assert node.process is not None
    total = 0.0
    parent = psutil.Process(node.process.pid)
    for process in [parent, *parent.children(recursive=True)]:
        try:
            total += process.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total


if __name__ == "__main__":
    main()
