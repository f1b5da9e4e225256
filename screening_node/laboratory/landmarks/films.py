"""Films with known landmarks as arrays, phantom or real: what landmark detectors are trained and scored on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from screening_node.errors import Misconfigured
from screening_node.imaging.pyramid import Pyramid
from screening_node.laboratory.folder import Cohort, CohortFilm
from screening_node.laboratory.inputs import each, film_pyramid
from screening_node.laboratory.progress import Progress, Report, silent
from screening_node.pathways.chest_film.architecture import DetectorArchitecture
from screening_node.pathways.chest_film.landmarks import film_transform, view_inputs, views_of
from screening_node.pathways.chest_film.sampling import sample

Half = npt.NDArray[np.float16]
Floats = npt.NDArray[np.float64]

#: The group of a cohort's films.
PHANTOM = "phantom"
#: Percentiles of a film that become 0 and 1.
_DARK, _BRIGHT = 0.5, 99.5
#: Where a film has no spacing, its long side is taken for so many mm.
_USUAL_SIDE_MM = 400.0


@dataclass(frozen=True, kw_only=True)
class LandmarkFilms:
    """n films in the detector's frame: the letterboxed square, coordinates 0..1 in it, isotropic in mm.

    ``squares``: float16 (n, R, R), grey 0 to 1, for training. ``views``: float16 (n, V, C, S, S), what the pathway
    shows a detector of one architecture, for scoring; V is 0 where that is not wanted. ``points``: (n, 16, 2), NaN
    where nobody could see one. ``side_mm``: (n,) length of the square's side. ``groups``: how each is reported.
    """

    names: tuple[str, ...]
    patients: tuple[str, ...]
    squares: Half
    views: Half
    points: npt.NDArray[np.float32]
    side_mm: Floats
    groups: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def subset(self, indices: Sequence[int] | npt.NDArray[np.int64]) -> LandmarkFilms:
        """The films of these indices, in their order."""
        chosen = [int(index) for index in indices]
        return replace(
            self,
            names=tuple(self.names[index] for index in chosen),
            patients=tuple(self.patients[index] for index in chosen),
            squares=self.squares[chosen],
            views=self.views[chosen],
            points=self.points[chosen],
            side_mm=self.side_mm[chosen],
            groups=tuple(self.groups[index] for index in chosen),
        )


@dataclass(frozen=True, kw_only=True)
class FilmArrays:
    """One film's share of LandmarkFilms: (R, R), (V, C, S, S), (16, 2), and the side in mm."""

    square: Half
    views: Half
    points: npt.NDArray[np.float32]
    side_mm: float


class Seen(Protocol):
    """What is known of a film beside its arrays."""

    @property
    def name(self) -> str:
        """Its file."""
        ...

    @property
    def patient_id(self) -> str:
        """Its patient."""
        ...

    @property
    def group(self) -> str:
        """How it is reported."""
        ...


def film_arrays(
    pyramid: Pyramid,
    landmarks: Floats,
    pixel_mm: float,
    architecture: DetectorArchitecture,
    *,
    square: int,
    views: bool = True,
) -> FilmArrays:
    """A film and its landmarks (16, 2) in stored pixels as arrays."""
    frame = film_transform(pyramid.shape)
    seen = views_of(pyramid.shape) if views else ()
    channels = architecture.normalisation.channels
    return FilmArrays(
        square=raw_square(pyramid, square),
        views=view_inputs(pyramid, seen, architecture).astype(np.float16)
        if seen
        else np.empty((0, channels, architecture.size, architecture.size), np.float16),
        points=frame.to_normalised(landmarks).astype(np.float32),
        side_mm=frame.side * pixel_mm,
    )


def raw_square(pyramid: Pyramid, size: int) -> Half:
    """A letterboxed film (size, size) with its percentiles 0.5 and 99.5 at 0 and 1."""
    square = sample(pyramid, [film_transform(pyramid.shape).corners], size)[0]
    low, high = np.percentile(square, [_DARK, _BRIGHT])
    scaled: Half = ((square - low) / max(float(high - low), 1e-6)).astype(np.float16)
    return scaled


def stacked(arrays: Sequence[FilmArrays], films: Sequence[Seen]) -> LandmarkFilms:
    """Films and their arrays, in the same order, as one."""
    return LandmarkFilms(
        names=tuple(film.name for film in films),
        patients=tuple(film.patient_id for film in films),
        squares=np.stack([one.square for one in arrays]),
        views=np.stack([one.views for one in arrays]),
        points=np.stack([one.points for one in arrays]),
        side_mm=np.array([one.side_mm for one in arrays]),
        groups=tuple(film.group for film in films),
    )


def cohort_films(
    cohort: Cohort,
    architecture: DetectorArchitecture,
    *,
    square: int,
    views: bool,
    processes: int = 1,
    report: Report = silent,
) -> LandmarkFilms:
    """A cohort's films as arrays; Misconfigured where a film has no landmarks."""
    work = partial(_cohort_arrays, architecture=architecture, square=square, views=views)
    arrays = []
    for one in each(work, cohort.films, processes):
        arrays.append(one)
        report(Progress(stage=f"films {cohort.name}", done=len(arrays), total=len(cohort.films)))
    return stacked(arrays, [_CohortSeen(film) for film in cohort.films])


def seen_views(network: torch.nn.Module, views: Half, *, batch: int = 8) -> Floats:
    """Where a detector sees the landmarks in each view (n, V, C, S, S) that the pathway shows it.

    -> (n, V, 16, 2), coordinates of the letterboxed square. The pathway's answer is their mean over V.
    """
    transforms = views_of((1, 1))[: views.shape[1]]  # normalised coordinates do not depend on the film's shape
    network.eval()
    found = []
    for start in range(0, len(views), batch):
        chunk = torch.from_numpy(views[start : start + batch]).float()
        with torch.inference_mode():
            answers = network(chunk.flatten(0, 1))[-1].float().cpu().numpy().reshape(*chunk.shape[:2], -1, 2)
        placed = [transforms[0].to_normalised(t.to_pixels(answers[:, i])) for i, t in enumerate(transforms)]
        found.append(np.stack(placed, axis=1))
    return np.concatenate(found)


class _CohortSeen:
    """A cohort's film as ``stacked`` wants to know it."""

    def __init__(self, film: CohortFilm) -> None:
        self.name, self.patient_id, self.group = film.film, film.patient_id, PHANTOM


def _cohort_arrays(film: CohortFilm, architecture: DetectorArchitecture, square: int, views: bool) -> FilmArrays:
    if film.landmarks is None:
        raise Misconfigured(
            f"Row {film.row} ({film.film}) has no landmarks.", fix="Give a cohort whose landmarks.csv has every film."
        )
    pyramid, spacing = film_pyramid(film)
    pixel_mm = float(np.mean(spacing)) if spacing else _USUAL_SIDE_MM / max(pyramid.shape)
    return film_arrays(pyramid, film.landmarks, pixel_mm, architecture, square=square, views=views)
