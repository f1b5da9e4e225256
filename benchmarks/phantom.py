"""How many synthetic films a second are drawn, by size, and what a second process adds.

    python benchmarks/phantom.py [--films 5] [--sizes 512 1024 2048] [--processes 1 2] [--json]

Films are drawn in this process, on one thread; CPU time is counted, so that a busy machine changes little. The first
film of each size is drawn before the clock starts. `again` is a further film of the same patient from maps that are
kept (anatomical.take).

Scaling is wall time over as many films for each process as `--films` says, drawn by one process and by several that
are already running; the ratio is what counts, and it is only worth something on a machine with idle cores.

Everything runs on the CPU: meshes, soft tissue and processing are NumPy and SciPy, one film to a process. No part of
the phantom uses a GPU. Films for training are drawn once, kept as a cohort, and go to the device as crops.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from screening_node.phantom import anatomical

_FIRST, _AGAIN = "first", "again"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=5, help="films of each size")
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024, 2048], help="long sides in pixels")
    parser.add_argument("--processes", type=int, nargs="*", default=[1, 2], help="numbers of processes to compare")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    rows = [row for size in options.sizes for row in measure(size, options.films)]
    scaling = [row for size in options.sizes for row in scale(size, options.films, options.processes)]
    if options.json:
        machine = platform.processor() or platform.machine()
        print(json.dumps({"machine": machine, "rows": rows, "scaling": scaling}, indent=2))
        return
    for row in rows:
        print(
            f"{row['size']:5} px  {row['film']:6} {row['seconds']:6.2f} s CPU a film  "
            f"{row['films_per_second']:6.2f} films/s  {row['ratio']:5.2f} x the first"
        )
    for row in scaling:
        print(
            f"{row['size']:5} px  {row['processes']:2} processes  {row['films_per_second']:6.2f} films/s by the wall "
            f"clock  {row['ratio']:5.2f} x the first"
        )


def measure(size: int, films: int) -> list[dict[str, Any]]:
    """Median CPU seconds of a patient's first film, and of a further one, at one size."""
    anatomical.render(999, long_side=size)
    first = [timed(partial(anatomical.render, seed, long_side=size)) for seed in range(films)]
    seconds = {_FIRST: statistics.median(first)}
    exam = anatomical.draw_exam(0, long_side=size)
    seconds[_AGAIN] = statistics.median(timed(partial(anatomical.take, exam, n)) for n in range(1, films + 1))
    return [
        {
            "size": size,
            "film": name,
            "seconds": round(value, 3),
            "films_per_second": round(1 / value, 3),
            "ratio": round(value / seconds[_FIRST], 2),
        }
        for name, value in seconds.items()
    ]


def timed(work: Callable[[], object]) -> float:
    """CPU seconds of one piece of work."""
    start = time.process_time()
    work()
    return time.process_time() - start


def scale(size: int, films: int, counts: list[int]) -> list[dict[str, Any]]:
    """Films a second by the wall clock with each number of processes."""
    rates = {count: rate(size, films, count) for count in counts}
    return [
        {
            "size": size,
            "processes": count,
            "films_per_second": round(value, 3),
            "ratio": round(value / rates[counts[0]], 2),
        }
        for count, value in rates.items()
    ]


def rate(size: int, films: int, processes: int) -> float:
    """Films a second of so many processes, each of which has drawn a film before the clock starts."""
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(partial(one_film, size), range(900, 900 + 2 * processes)))
        start = time.perf_counter()
        list(pool.map(partial(one_film, size), range(films * processes)))
        return films * processes / (time.perf_counter() - start)


def one_film(size: int, seed: int) -> None:
    """A film is drawn and forgotten."""
    anatomical.render(seed, long_side=size)


if __name__ == "__main__":
    main()
