"""How fast an estimator is trained and asked, and how much of the time its device waits for data.

    python benchmarks/training.py [--films 96] [--epochs 3] [--device auto] [--config FILE] [--json]

Crops of the shape that the configuration asks for are written to a cache and read as in a run. `without reading ahead`
is the same training with the next batch fetched only when it is wanted: the baseline that the loader has to beat.
`fp32` is the same in single precision. Ratios are within this run.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from screening_node.laboratory import stage
from screening_node.laboratory.config import TrainConfig, load
from screening_node.laboratory.inputs import Half
from screening_node.laboratory.jobs import pick_devices
from screening_node.laboratory.progress import silent
from screening_node.laboratory.runs import EstimatorTask, Question, ask_network, train_network
from screening_node.pathways.chest_film.regions import input_names


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=96)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--config", type=Path, default=Path(__file__).parents[1] / "config" / "pathways" / "compact.toml"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    rows = measure(load(options.config), options.films, options.epochs, pick_devices(options.device, 1)[0])
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        waited = "" if row["waited"] is None else f"  waits {100 * row['waited']:4.1f} % of the time"
        print(f"{row['what']:<22} {row['films_per_second']:8.1f} films/s  {row['ratio']:5.2f} x{waited}")


def measure(config: TrainConfig, films: int, epochs: int, device: str) -> list[dict[str, Any]]:
    """Training as it is, its two baselines, and asking; the first epoch warms up and does not count."""
    import torch

    with tempfile.TemporaryDirectory() as name:
        task = _task(config, films, epochs, Path(name))
        chosen = torch.device(device)
        rows = [_trained("training", task, chosen)]
        with mock.patch.object(stage, "ThreadPoolExecutor", _WhenWanted):
            rows.append(_trained("without reading ahead", replace(task, name="late"), chosen))
        single = replace(task, name="fp32", stage=replace(task.stage, precision="fp32"))
        rows.append(_trained("fp32", single, chosen))
        began = time.perf_counter()
        ask_network(Question(network=task, crops=task.crops), chosen, silent)
        speed = films / (time.perf_counter() - began)
        rows.append({"what": "asking", "films_per_second": speed, "waited": None})
    return [row | {"ratio": row["films_per_second"] / rows[0]["films_per_second"]} for row in rows]


class _WhenWanted(ThreadPoolExecutor):
    """Does its work when the result is asked for, in the asker's own thread."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        future: Future[Any] = Future()
        future.result = lambda timeout=None: fn(*args, **kwargs)  # type: ignore[method-assign]
        return future


def _trained(what: str, task: EstimatorTask, device: Any) -> dict[str, Any]:
    train_network(task, device, silent)
    with (task.folder / f"{task.name}.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[1:]
    means = {key: float(np.mean([float(row[key]) for row in rows])) for key in ("films_per_second", "waited")}
    return {"what": what} | means


def _task(config: TrainConfig, films: int, epochs: int, folder: Path) -> EstimatorTask:
    how = config.estimator
    shape = (films, config.inputs.views, len(input_names(how.layout)), how.normalisation.channels, how.size, how.size)
    rng = np.random.default_rng(1)
    place = folder / "crops" / "array.npy"
    place.parent.mkdir()
    crops: Half = rng.standard_normal(shape, dtype=np.float32).astype(np.float16)
    np.save(place, crops)
    (place.parent / "complete").touch()
    return EstimatorTask(
        name="bench",
        architecture=how,
        stage=replace(config.estimator_stage, epochs=epochs),
        crops=place,
        bmd=1 + 0.15 * rng.standard_normal((films, 4)),
        train=np.arange(films),
        held_out=np.arange(films)[:32],
        folder=folder / "runs",
    )


if __name__ == "__main__":
    main()
