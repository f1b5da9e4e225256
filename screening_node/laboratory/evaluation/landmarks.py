"""How far the found landmarks lie from the true ones, in mm, by kind; rib points also from the true margin.

A rib point's level along the margin cannot be told on a real film, its distance to the margin can: the margin is the
polyline through the four true points of that side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.errors import InvalidDicomError

from screening_node.domain.result import LANDMARK_NAMES
from screening_node.imaging.pixels import spacing_mm
from screening_node.imaging.quiet import quietly
from screening_node.laboratory import metrics, resampling
from screening_node.laboratory.evaluation.study import Study
from screening_node.laboratory.evaluation.table import Column, Row, Table, figure, plain, texts
from screening_node.laboratory.folder import Cohort

Floats = npt.NDArray[np.float64]

WITHIN_MM = (10.0, 20.0)
MARGIN = "rib, to the margin"
TITLES = {"clavicle": "clavicle", "rib": "rib, point to point", "c7": "C7", "t12": "T12"}
_SIDES = tuple(
    [i for i, name in enumerate(LANDMARK_NAMES) if name.startswith(f"{side}_rib")] for side in ("left", "right")
)
_SPACING_TAGS = [
    "ImagerPixelSpacing",
    "PixelSpacing",
    "NominalScannedPixelSpacing",
    "EstimatedRadiographicMagnificationFactor",
]


@dataclass(frozen=True, kw_only=True)
class Errors:
    """Distances in mm, NaN where a point or the film's spacing is unknown: ``points`` (n, 16), ``margin`` (n, 8)."""

    points: Floats
    margin: Floats

    @property
    def of_film(self) -> Floats:
        """Each film's mean over its points (n,)."""
        there = np.isfinite(self.points)
        sums, counts = np.where(there, self.points, 0.0).sum(axis=1), there.sum(axis=1)
        return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)

    def of_kind(self, kind: str) -> Floats:
        """Distances (n, k) of a kind of landmark; "all", MARGIN, or one of metrics.KINDS."""
        if kind == MARGIN:
            return self.margin
        return self.points if kind == "all" else self.points[:, metrics.landmarks_of(kind)]


KINDS = ("all", "clavicle", "rib", MARGIN, "c7", "t12")


def spacings(cohort: Cohort) -> Floats:
    """(n, 2) row and column spacing in mm as the headers say; NaN where they do not."""
    found = np.full((len(cohort.films), 2), np.nan)
    for index, film in enumerate(cohort.films):
        try:
            with quietly():
                header = pydicom.dcmread(film.path, stop_before_pixels=True, specific_tags=list(_SPACING_TAGS))
        except (OSError, InvalidDicomError):
            continue
        spacing = spacing_mm(header)
        if spacing is not None:
            found[index] = spacing
    return found


def true_points(cohort: Cohort) -> Floats:
    """(n, 16, 2) stored pixels, NaN where unknown."""
    nothing = np.full((len(LANDMARK_NAMES), 2), np.nan)
    points = [nothing if film.landmarks is None else film.landmarks for film in cohort.films]
    return np.array(points, np.float64).reshape(-1, len(LANDMARK_NAMES), 2)


def errors(study: Study, spacing: Floats) -> dict[str, Errors]:
    """Each model's landmark errors, where it looks for landmarks and the cohort knows any; ``spacing`` (n, 2) mm."""
    true = true_points(study.cohort)
    if np.isnan(true).all():
        return {}
    scale = spacing[:, None, ::-1]  # to (x, y)
    return {
        name: _errors(found.landmarks * scale, true * scale)
        for name, found in study.models.items()
        if found.landmarks is not None
    }


def _errors(found: Floats, true: Floats) -> Errors:
    points = np.linalg.norm(found - true, axis=-1)
    margin = np.full((len(found), sum(map(len, _SIDES))), np.nan)
    for film in range(len(found)):
        for side, columns in enumerate(_SIDES):
            line = true[film, columns]
            if np.isfinite(line).all() and np.isfinite(found[film, columns]).all():
                width = len(columns)
                margin[film, side * width : (side + 1) * width] = metrics.distance_to_polyline(
                    found[film, columns], line
                )
    return Errors(points=points, margin=margin)


def table(study: Study, found: dict[str, Errors]) -> Table:
    """Mean radial error and shares within 10 and 20 mm, by model and kind of landmark."""
    rows = []
    for model, own in found.items():
        rows += [_row(study, model, kind, own.of_kind(kind)) for kind in KINDS]
    return Table(
        key="landmarks",
        title="Landmarks",
        columns=_columns("kind", "Landmarks"),
        rows=tuple(rows),
        note="Every film whose landmarks were looked for, refused ones too. 95 % intervals: bootstrap over patients.",
    )


def table_by_name(study: Study, found: dict[str, Errors]) -> Table:
    """The same for each of the 16 points."""
    rows = [
        _row(study, model, name.replace("_", " "), own.points[:, [index]])
        for model, own in found.items()
        for index, name in enumerate(LANDMARK_NAMES)
    ]
    columns = _columns("kind", "Landmark")
    return Table(key="landmarks-by-name", title="Landmarks one by one", columns=columns, rows=tuple(rows))


def _columns(key: str, title: str) -> tuple[Column, ...]:
    return (
        *texts(("model", "Model"), (key, title), ("points", "Points")),
        Column(key="mean_mm", title="MRE", unit="mm", digits=2, interval=True),
        Column(key="median_mm", title="Median", unit="mm", digits=2),
        Column(key="p95_mm", title="95th percentile", unit="mm", digits=2),
        *(
            Column(key=f"within_{limit:g}mm", title=f"within {limit:g} mm", unit="%", percent=True, interval=True)
            for limit in WITHIN_MM
        ),
    )


def _row(study: Study, model: str, kind: str, distances: Floats) -> Row:
    there = np.isfinite(distances)
    values = distances[there]
    row: dict[str, Any] = {"model": model, "kind": TITLES.get(kind, kind), "points": len(values)}
    counts = there.sum(axis=1, keepdims=True).astype(float)
    parts = {"mean_mm": np.where(there, distances, 0.0)}
    parts |= {f"within_{limit:g}mm": (there & (np.nan_to_num(distances, nan=np.inf) <= limit)) for limit in WITHIN_MM}
    sums = np.stack([part.sum(axis=1) for part in parts.values()], axis=1).astype(float)
    drawn = resampling.ratio_replicates(sums, counts, study.draws)
    for index, key in enumerate(parts):
        value = float(sums[:, index].sum() / counts.sum()) if len(values) else None
        row |= figure(key, value, resampling.interval(drawn[:, index]))
    if len(values):
        median, high = np.percentile(values, [50, 95])
        row |= {"median_mm": plain(median), "p95_mm": plain(high)}
    return row
