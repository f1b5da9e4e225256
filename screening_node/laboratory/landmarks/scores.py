"""How well landmarks are found, in mm: by kind, with bootstrap intervals, and rib points against their margin.

On a real film the level of a rib along the margin of the rib cage is hardly identifiable, so rib points are scored
there by their distance to the polyline through the four annotated points of their side, besides the plain error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from screening_node.laboratory.landmarks.loss import MARGINS, margin_distance

Floats = npt.NDArray[np.float64]

#: Columns of each kind of landmark, in the order of domain.result.LANDMARK_NAMES.
KINDS: Mapping[str, tuple[int, ...]] = {
    "clavicle": (0, 1, 2, 3, 4, 5),
    "clavicle, medial": (0, 3),
    "clavicle, middle": (1, 4),
    "clavicle, lateral": (2, 5),
    "C7": (14,),
    "ribs": (6, 7, 8, 9, 10, 11, 12, 13),
    "T12": (15,),
}
#: What a rib point's distance to its margin is called: to the polyline as annotated, and prolonged beyond its ends.
MARGIN, ACROSS = "ribs, to the margin", "ribs, across the margin"
ALL = "all 16"
_WITHIN_MM = (10.0, 20.0)
_DRAWS = 2000


def errors_mm(found: Floats, true: npt.NDArray[np.floating], side_mm: Floats) -> Floats:
    """Distances (n, 16) in mm between points (n, 16, 2) in coordinates of a square of ``side_mm`` (n,)."""
    distances: Floats = np.linalg.norm(found - true, axis=-1) * side_mm[:, None]
    return distances


def margin_errors_mm(found: Floats, true: npt.NDArray[np.floating], side_mm: Floats, *, prolonged: bool) -> Floats:
    """Distances (n, 8) in mm of the rib points from the annotated margin of their side; NaN without a whole margin."""
    sides = []
    for columns in MARGINS:
        chosen = list(columns)
        points, margin = torch.from_numpy(found[:, chosen]), torch.from_numpy(np.asarray(true[:, chosen], dtype=float))
        sides.append(margin_distance(points, margin, prolonged=prolonged).numpy())
    distances: Floats = np.concatenate(sides, axis=1) * side_mm[:, None]
    return distances


def scores(found: Floats, true: npt.NDArray[np.floating], side_mm: Floats, *, seed: int = 0) -> dict[str, Any]:
    """The figures of a set of films, ready for JSON; see ``figures`` for each row."""
    plain = errors_mm(found, true, side_mm)
    rows = {ALL: plain} | {kind: plain[:, list(columns)] for kind, columns in KINDS.items()}
    rows[MARGIN] = margin_errors_mm(found, true, side_mm, prolonged=False)
    rows[ACROSS] = margin_errors_mm(found, true, side_mm, prolonged=True)
    return {"films": len(found)} | {kind: figures(errors, seed=seed) for kind, errors in rows.items()}


def figures(errors: Floats, *, seed: int = 0) -> dict[str, Any]:
    """Mean and median in mm over known points (n, k), the mean's 95 % interval (films drawn anew), shares within.

    Films are what is drawn, because the points of a film go wrong together.
    """
    known = np.isfinite(errors)
    if not known.any():
        return {"points": 0}
    sums, counts = np.where(known, errors, 0.0).sum(axis=1), known.sum(axis=1)
    drawn = np.random.default_rng(seed).integers(0, len(errors), (_DRAWS, len(errors)))
    means = sums[drawn].sum(axis=1) / np.maximum(counts[drawn].sum(axis=1), 1)
    low, high = np.percentile(means, [2.5, 97.5])
    values = errors[known]
    return {
        "points": int(known.sum()),
        "mean_mm": float(values.mean()),
        "interval_mm": [float(low), float(high)],
        "median_mm": float(np.median(values)),
        **{f"within_{limit:.0f}_mm": float((values <= limit).mean()) for limit in _WITHIN_MM},
    }


def film_errors_mm(found: Floats, true: npt.NDArray[np.floating], side_mm: Floats, kinds: Sequence[str]) -> Floats:
    """One error (n,) in mm for each film: the mean of its means over these kinds; NaN where no point is known."""
    plain = errors_mm(found, true, side_mm)
    across = margin_errors_mm(found, true, side_mm, prolonged=True)
    parts = [across if kind == ACROSS else plain[:, list(KINDS[kind])] for kind in kinds]
    means = np.stack([np.ma.masked_invalid(part).mean(axis=1).filled(np.nan) for part in parts])
    errors: Floats = np.ma.masked_invalid(means).mean(axis=0).filled(np.nan)
    return errors


def not_worse(errors: Floats, best: Floats, *, seed: int = 0) -> bool:
    """Whether errors (n,) of the same films may be as low as ``best``: the mean difference's 95 % interval has zero."""
    differences = (errors - best)[np.isfinite(errors - best)]
    drawn = np.random.default_rng(seed).integers(0, len(differences), (_DRAWS, len(differences)))
    return bool(np.percentile(differences[drawn].mean(axis=1), 2.5) <= 0)


def by_group(
    found: Floats, true: npt.NDArray[np.floating], side_mm: Floats, groups: Sequence[str], *, seed: int = 0
) -> dict[str, Any]:
    """``scores`` of all films, and of each group."""
    kinds = np.array(groups)
    return {"all": scores(found, true, side_mm, seed=seed)} | {
        name: scores(found[kinds == name], true[kinds == name], side_mm[kinds == name], seed=seed)
        for name in sorted(set(groups))
    }
