"""A cohort's films as the networks see them: cut once, by the node's own code, and kept as memory-mapped arrays.

Decoding, pyramid, ROIs, resampling and normalisation are those of the pathway, so that a network is trained on the
very inputs that it will get in the node.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from screening_node.errors import Misconfigured
from screening_node.imaging.pixels import decode, read
from screening_node.imaging.pyramid import Pyramid, build_pyramid
from screening_node.laboratory.folder import Cohort, CohortFilm
from screening_node.laboratory.progress import Progress, Report, silent
from screening_node.networks.normalise import Normalisation, normalise
from screening_node.pathways.chest_film import regions
from screening_node.pathways.chest_film.architecture import DetectorArchitecture, EstimatorArchitecture
from screening_node.pathways.chest_film.landmarks import film_transform
from screening_node.pathways.chest_film.sampling import Corners, sample

Half = npt.NDArray[np.float16]
Spacing = tuple[float, float] | None
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

#: How far a training view of the film as a whole is off: SD of its shift and of the logarithm of its scale (shares of
#: the side), and of its rotation (radian).
_WOBBLE_SHIFT, _WOBBLE_SCALE, _WOBBLE_TURN = 0.015, 0.02, 0.02
#: Where a film has no spacing, a landmark's jitter takes a film's long side for so many mm.
_USUAL_SIDE_MM = 400.0


class Order(Protocol):
    """One kind of input: what is cut from each film."""

    def describe(self) -> dict[str, Any]:
        """All that decides the outcome, ready for JSON."""
        ...

    def cut(self, film: CohortFilm, pyramid: Pyramid, spacing: Spacing, index: int) -> Half:
        """One film's entry, always of the same shape."""
        ...


@dataclass(frozen=True, kw_only=True)
class DetectorImages:
    """What a landmark detector sees of each film: float16 (C, S, S), the letterboxed film."""

    size: int
    normalisation: Normalisation

    @classmethod
    def of(cls, architecture: DetectorArchitecture) -> DetectorImages:
        """The images that a detector wants."""
        return cls(size=architecture.size, normalisation=architecture.normalisation)

    def describe(self) -> dict[str, Any]:
        """All that decides the images."""
        return {"images": asdict(self)}

    def cut(self, film: CohortFilm, pyramid: Pyramid, spacing: Spacing, index: int) -> Half:
        """The film as one normalised square."""
        view = film_transform(pyramid.shape)
        squares = sample(pyramid, [view.corners], self.size)
        return normalise(torch.from_numpy(squares), self.normalisation)[0].numpy().astype(np.float16)


@dataclass(frozen=True, kw_only=True)
class Crops:
    """What an estimator sees of each film: float16 (views, inputs, C, S, S).

    ``views`` beyond one, or any ``jitter_mm`` (SD), are for training: each view is cut from landmarks moved as a
    detector would miss them, and from a film frame that is a little off.
    """

    layout: str
    size: int
    roi_scale: float
    normalisation: Normalisation
    views: int = 1
    jitter_mm: float = 0.0

    @classmethod
    def of(cls, architecture: EstimatorArchitecture, *, views: int = 1, jitter_mm: float = 0.0) -> Crops:
        """The crops that an estimator wants; all inputs of its layout, whichever it uses."""
        return cls(
            layout=architecture.layout,
            size=architecture.size,
            roi_scale=architecture.roi_scale,
            normalisation=architecture.normalisation,
            views=views,
            jitter_mm=jitter_mm,
        )

    def describe(self) -> dict[str, Any]:
        """All that decides the crops."""
        return {"crops": asdict(self)}

    def cut(self, film: CohortFilm, pyramid: Pyramid, spacing: Spacing, index: int) -> Half:
        """Every view of one film; ``index`` seeds its jitter."""
        if film.landmarks is None or not np.isfinite(film.landmarks).all():
            raise Misconfigured(f"Row {film.row} has no landmarks to cut from.", fix="Let a detector find them first.")
        rng = np.random.default_rng([index, 11])
        cut = [self._view(film.landmarks, pyramid, spacing, rng) for _ in range(self.views)]
        return normalise(torch.from_numpy(np.stack(cut)), self.normalisation).numpy().astype(np.float16)

    def _view(
        self, landmarks: npt.NDArray[np.float64], pyramid: Pyramid, spacing: Spacing, rng: np.random.Generator
    ) -> npt.NDArray[np.float32]:
        points, wobble = landmarks, np.eye(2, 3)
        if self.jitter_mm > 0:
            points = jittered(landmarks, self.jitter_mm / pixel_mm(spacing, pyramid.shape), rng)
            wobble = draw_wobble(rng)
        outlines = regions.rectangles(self.layout, points, pyramid.shape, spacing, self.roi_scale)
        names = regions.input_names(self.layout)
        moved = [_wobbled(o, wobble, pyramid.shape) if _framed(n) else o for n, o in zip(names, outlines, strict=True)]
        return sample(pyramid, moved, self.size)


def jittered(landmarks: npt.NDArray[np.float64], sd: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Landmarks (16, 2) moved as a detector would miss them, ``sd`` in pixels: half of the variance is common."""
    common, own = rng.standard_normal((1, 2)), rng.standard_normal(landmarks.shape)
    moved: npt.NDArray[np.float64] = landmarks + sd / np.sqrt(2) * (common + own)
    return moved


def draw_wobble(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """A small similarity (2, 3) about the film's centre, its shift in shares of the long side."""
    scale, turn = np.exp(_WOBBLE_SCALE * rng.standard_normal()), _WOBBLE_TURN * rng.standard_normal()
    shift = _WOBBLE_SHIFT * rng.standard_normal(2)
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    return np.array([[cos, -sin, shift[0]], [sin, cos, shift[1]]])


def pixel_mm(spacing: Spacing, shape: tuple[int, int]) -> float:
    """A pixel's side in mm, the mean of both; a guess from the film's long side where the header says nothing."""
    return float(np.mean(spacing)) if spacing else _USUAL_SIDE_MM / max(shape)


def inputs_path(cohort: Cohort, order: Order, cache: Path) -> Path:
    """Where ``prepare`` puts the array (n, ...) of an order; open it with ``open_inputs``."""
    return _place(cohort, order, cache) / "array.npy"


def open_inputs(path: Path) -> Half:
    """An array that ``prepare`` made, memory-mapped; Misconfigured where it is not there or not whole."""
    if not (path.parent / "complete").exists():
        raise Misconfigured(f"There are no inputs in {path.parent}.", fix="Give the same command again: it cuts them.")
    array: Half = np.load(path, mmap_mode="r")
    return array


def prepare(
    cohort: Cohort, orders: Iterable[Order], cache: Path, *, processes: int = 0, report: Report = silent
) -> None:
    """Cut what is not in the cache yet; every film is decoded once for all orders. ``processes``: 0 for one a core."""
    missing = [order for order in orders if not (_place(cohort, order, cache) / "complete").exists()]
    if not missing or not cohort.films:
        return
    places = [_place(cohort, order, cache) for order in missing]
    first = _entries(cohort.films[0], 0, missing)
    for place, entry in zip(places, first, strict=True):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        np.lib.format.open_memmap(
            place / "array.npy", mode="w+", dtype=entry.dtype, shape=(len(cohort.films), *entry.shape)
        ).flush()
    work = partial(_cut_into, orders=missing, places=places)
    for done, _ in enumerate(each(work, list(enumerate(cohort.films)), processes), start=1):
        report(Progress(stage=f"inputs {cohort.name}", done=done, total=len(cohort.films)))
    for place in places:
        (place / "complete").touch()


def points(cohort: Cohort) -> npt.NDArray[np.float32]:
    """The cohort's landmarks (n, 16, 2) in the coordinates of the detector's square; NaN where unknown."""
    return np.stack([_normalised(film) for film in cohort.films]).astype(np.float32)


def each(work: Callable[[_Item], _Result], items: Sequence[_Item], processes: int) -> Iterator[_Result]:
    """``work`` of every item, in order, on so many processes (0: one a core), each with one thread."""
    count = processes or os.cpu_count() or 1
    if count == 1 or len(items) < 8:
        yield from map(work, items)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield from pool.map(work, items, chunksize=4)


def film_pyramid(film: CohortFilm) -> tuple[Pyramid, Spacing]:
    """The film decoded as the node decodes it, and its pixel spacing (row, column) in mm."""
    decoded = decode(read(film.path))
    return build_pyramid(decoded.pixels), decoded.spacing_mm


def _entries(film: CohortFilm, index: int, orders: Sequence[Order]) -> list[Half]:
    pyramid, spacing = film_pyramid(film)
    return [order.cut(film, pyramid, spacing, index) for order in orders]


def _cut_into(item: tuple[int, CohortFilm], orders: Sequence[Order], places: Sequence[Path]) -> None:
    index, film = item
    for place, entry in zip(places, _entries(film, index, orders), strict=True):
        array = np.load(place / "array.npy", mmap_mode="r+")
        array[index] = entry
        array.flush()


def _place(cohort: Cohort, order: Order, cache: Path) -> Path:
    films = hashlib.sha256()
    for film in cohort.films:
        films.update(f"{film.film} {film.sha256 or film.path.stat().st_mtime_ns}".encode())
        if isinstance(order, Crops) and film.landmarks is not None:
            films.update(np.ascontiguousarray(film.landmarks).tobytes())
    what = json.dumps(order.describe(), sort_keys=True).encode()
    return cache / f"{hashlib.sha256(what + films.digest()).hexdigest()[:20]}"


def _normalised(film: CohortFilm) -> npt.NDArray[np.float64]:
    if film.landmarks is None:
        return np.full((16, 2), np.nan)
    dataset = read(film.path)
    return film_transform((int(dataset.Rows), int(dataset.Columns))).to_normalised(film.landmarks)


def _framed(name: str) -> bool:
    """Whether an input is a part of the film's frame, not of a bone."""
    return name == "whole" or name.startswith("patch")


def _wobbled(corners: Corners, wobble: npt.NDArray[np.float64], shape: tuple[int, int]) -> Corners:
    centre, side = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2]), max(shape)
    moved: Corners = centre + (corners - centre) @ wobble[:, :2].T + wobble[:, 2] * side
    return moved
