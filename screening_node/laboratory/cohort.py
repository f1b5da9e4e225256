"""Synthetic films as the networks see them, rendered once and kept on disk as memory-mapped arrays.

Every film is a patient of its own, so that a split by seed is a split by patient.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from screening_node.domain.result import LANDMARK_NAMES, Vertebra
from screening_node.imaging.pyramid import build_pyramid
from screening_node.laboratory.config import TrainConfig
from screening_node.laboratory.progress import Progress, Report
from screening_node.networks.normalise import normalise
from screening_node.pathways.chest_film import regions
from screening_node.pathways.chest_film.landmarks import detector_input
from screening_node.pathways.chest_film.sampling import sample
from screening_node.phantom.film import SyntheticFilm, render

TRAIN = "train"
VALIDATION = "validation"

#: Seeds of the validation part start so far after the training part's.
VALIDATION_OFFSET = 1_000_000
_ARRAYS = ("images", "points", "crops", "bmd")


@dataclass(frozen=True, kw_only=True)
class Part:
    """One split, memory-mapped; n films.

    ``images`` float16 (n, C, S, S), the detector's input; ``points`` float32 (n, 16, 2), normalised to its square;
    ``crops`` float16 (n, views, 15, C, S, S), normalised; ``bmd`` float32 (n, 4) in g/cm2.
    """

    seeds: tuple[int, ...]
    images: npt.NDArray[np.float16]
    points: npt.NDArray[np.float32]
    crops: npt.NDArray[np.float16]
    bmd: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.seeds)


def seeds_of(config: TrainConfig, part: str) -> tuple[int, ...]:
    """The seeds of a split; the two never meet."""
    if part == TRAIN:
        return tuple(range(config.cohort.seed, config.cohort.seed + config.cohort.train))
    first = config.cohort.seed + VALIDATION_OFFSET
    return tuple(range(first, first + config.cohort.validation))


def open_part(config: TrainConfig, part: str, folder: Path, report: Report) -> Part:
    """The split from the cache under ``folder``, rendered first where it is not there."""
    place = folder / f"{part}-{config.cohort_key}"
    seeds = seeds_of(config, part)
    if not (place / "complete.json").exists():
        _render_part(config, part, seeds, place, report)
    arrays = {name: np.load(place / f"{name}.npy", mmap_mode="r") for name in _ARRAYS}
    return Part(seeds=seeds, **arrays)


def bone_bright(film: SyntheticFilm) -> npt.NDArray[np.float32]:
    """The film's pixels as float32 with bone bright, as a decoder gives them."""
    pixels = film.pixels.astype(np.float32)
    return 2**film.bits - 1 - pixels if film.monochrome1 else pixels


def film_inputs(seed: int, config: TrainConfig, views: int) -> dict[str, npt.NDArray[Any]]:
    """One film's entries in every array."""
    film = render(seed)
    pyramid = build_pyramid(bone_bright(film))
    image, transform = detector_input(pyramid, config.detector)
    rng = np.random.default_rng([seed, 11])
    crops = [
        sample(
            pyramid,
            regions.rectangles(config.estimator.layout, points, pyramid.shape, None, config.estimator.roi_scale),
            config.estimator.size,
        )
        for points in _jittered(film, config.cohort.landmark_jitter_mm, views, rng)
    ]
    normalised = normalise(torch.from_numpy(np.stack(crops)), config.estimator.normalisation)
    return {
        "images": image.astype(np.float16),
        "points": transform.to_normalised(film.landmarks).astype(np.float32),
        "crops": normalised.numpy().astype(np.float16),
        "bmd": np.array([film.patient.bmd[vertebra] for vertebra in Vertebra], np.float32),
    }


def in_processes(work: Callable[[int], Any], seeds: Sequence[int], processes: int) -> Iterator[Any]:
    """``work`` of every seed, in order, on so many processes (0: one a core)."""
    count = processes or os.cpu_count() or 1
    if count == 1 or len(seeds) < 8:
        yield from map(work, seeds)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield from pool.map(work, seeds, chunksize=4)


def _render_part(config: TrainConfig, part: str, seeds: Sequence[int], place: Path, report: Report) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    work = partial(film_inputs, config=config, views=config.cohort.views if part == TRAIN else 1)
    arrays: dict[str, npt.NDArray[Any]] = {}
    for index, entries in enumerate(in_processes(work, seeds, config.cohort.processes)):
        for name, value in entries.items():
            if index == 0:
                arrays[name] = np.lib.format.open_memmap(
                    place / f"{name}.npy", mode="w+", dtype=value.dtype, shape=(len(seeds), *value.shape)
                )
            arrays[name][index] = value
        report(Progress(stage=f"render {part}", done=index + 1, total=len(seeds)))
    for array in arrays.values():
        array.flush()  # type: ignore[attr-defined]
    (place / "complete.json").write_text(json.dumps({"films": len(seeds), "first_seed": seeds[0]}), encoding="utf-8")


def _jittered(
    film: SyntheticFilm, jitter_mm: float, views: int, rng: np.random.Generator
) -> Iterator[npt.NDArray[np.float64]]:
    """Landmarks moved as a detector would miss them: half of the variance is common to all points."""
    sd = jitter_mm / film.spacing / np.sqrt(2)
    for _ in range(views):
        common, own = rng.standard_normal((1, 2)), rng.standard_normal((len(LANDMARK_NAMES), 2))
        yield film.landmarks + sd * (common + own)
