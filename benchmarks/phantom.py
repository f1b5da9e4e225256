"""How many synthetic films a second one core draws, by size, and how that compares with the simple generator.

    python benchmarks/phantom.py [--films 5] [--sizes 512 1024 2048] [--json]

Both generators draw the same seeds in turn, in this process, on one thread; CPU time is counted, so that a busy
machine changes little. The first film of each size is drawn before the clock starts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from screening_node.phantom.generators import GENERATORS, draw


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=5, help="films of each generator and size")
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024, 2048], help="long sides in pixels")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    rows = [row for size in options.sizes for row in measure(size, options.films)]
    if options.json:
        print(json.dumps({"machine": platform.processor() or platform.machine(), "rows": rows}, indent=2))
        return
    for row in rows:
        print(
            f"{row['size']:5} px  {row['generator']:11} {row['seconds']:6.2f} s CPU a film  "
            f"{row['films_per_second']:6.2f} films/s  {row['ratio']:5.2f} x simple"
        )


def measure(size: int, films: int) -> list[dict[str, Any]]:
    """Median CPU seconds a film of each generator at one size."""
    seconds = {}
    for name in GENERATORS:
        draw(name, 999, long_side=size)
        seconds[name] = statistics.median(timed(name, seed, size) for seed in range(films))
    return [
        {
            "size": size,
            "generator": name,
            "seconds": round(value, 3),
            "films_per_second": round(1 / value, 3),
            "ratio": round(value / seconds["simple"], 2),
        }
        for name, value in seconds.items()
    ]


def timed(generator: str, seed: int, size: int) -> float:
    """CPU seconds of one film."""
    start = time.process_time()
    draw(generator, seed, long_side=size)
    return time.process_time() - start


if __name__ == "__main__":
    main()
