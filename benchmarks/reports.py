"""How long the objects about one film take to build, on one core.

    python benchmarks/reports.py [--rounds N] [--json]

For each kind, and for the whole set: median milliseconds of wall clock and of CPU, with the film decoded already, as
the node has it. The film's header is read from disk each time. The first round, which loads fonts, is not counted.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1] / "tests"), str(Path(__file__).parents[1] / "tests" / "unit")]
from unit.reporting import cases  # noqa: E402

from screening_node.reporting.kinds import Kind, ObjectSet  # noqa: E402
from screening_node.reporting.reporter import Reporter  # noqa: E402


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        film = cases.film_file(Path(folder) / "film.dcm")
        sets = {kind.value: (kind,) for kind in Kind} | {"all": tuple(Kind)}
        measured = {name: median_ms(maker(film, kinds), arguments.rounds) for name, kinds in sets.items()}
    if arguments.json:
        print(json.dumps(measured))
        return
    for name, figures in measured.items():
        print(f"{name:5} {figures['wall_ms']:7.1f} ms, {figures['cpu_ms']:7.1f} ms of CPU")


def maker(film: Path, kinds: tuple[Kind, ...]) -> Callable[[], None]:
    """What builds these kinds of objects about a film with an alarm."""
    reporter = Reporter(cases.TABLE, software_version="0.1.0", zone=dt.UTC)
    wanted = list(ObjectSet(kinds=kinds).wanted(None))
    picture = np.random.default_rng(1).integers(0, 255, (700, 560), dtype=np.uint8)

    def make() -> None:
        reporter.reports(film, cases.result(), cases.RAISED, cases.AT, 1, wanted, lambda: picture)

    return make


def median_ms(make: Callable[[], None], rounds: int) -> dict[str, float]:
    """Medians over some rounds after one to warm up."""
    make()
    wall, cpu = [], []
    for _ in range(rounds):
        began, worked = time.perf_counter(), time.process_time()
        make()
        wall.append(1000 * (time.perf_counter() - began))
        cpu.append(1000 * (time.process_time() - worked))
    return {"wall_ms": round(statistics.median(wall), 1), "cpu_ms": round(statistics.median(cpu), 1)}


if __name__ == "__main__":
    main()
