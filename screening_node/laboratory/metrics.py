"""The figures of Wang et al. 2022, Tables I to III, and the landmark error, from plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from screening_node.domain.alarm import ThresholdSet
from screening_node.domain.result import LANDMARK_NAMES, Vertebra
from screening_node.domain.tscore import ReferenceTable

Floats = npt.NDArray[np.float64]

#: T-score at and below which a vertebra counts as osteoporotic (WHO).
OSTEOPOROSIS = -2.5
#: Upper end of osteopenia.
OSTEOPENIA = -1.0


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How estimates agree with the truth for one vertebra; RMSE, MAE, bias and SD of the errors in g/cm2.

    ``auc`` is for T <= -2.5; None where all films are on one side. ``r`` is None where a side does not vary.
    """

    films: int
    r: float | None
    rmse: float
    mae: float
    bias: float
    error_sd: float
    auc: float | None


@dataclass(frozen=True, kw_only=True)
class Detection:
    """Sensitivity and specificity of a threshold, with the counts they come from; None where there is no case."""

    positives: int
    negatives: int
    sensitivity: float | None
    specificity: float | None


def agreement(truth: Floats, estimate: Floats, positive: npt.NDArray[np.bool_]) -> Agreement:
    """Compare ``estimate`` (n,) with ``truth`` (n,), both g/cm2; ``positive`` (n,) marks T <= -2.5 by truth."""
    error = estimate - truth
    return Agreement(
        films=len(truth),
        r=correlation(truth, estimate),
        rmse=float(np.sqrt(np.mean(error**2))),
        mae=float(np.mean(np.abs(error))),
        bias=float(np.mean(error)),
        error_sd=float(np.std(error, ddof=1)) if len(error) > 1 else 0.0,
        auc=area_under_curve(-estimate, positive),
    )


def correlation(one: Floats, other: Floats) -> float | None:
    """Pearson's R; None where it is not defined."""
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(np.corrcoef(one, other)[0, 1])


def area_under_curve(score: Floats, positive: npt.NDArray[np.bool_]) -> float | None:
    """Area under the ROC curve by ranks (Mann-Whitney), ties counted half; None without both kinds."""
    cases, others = int(positive.sum()), int((~positive).sum())
    if cases == 0 or others == 0:
        return None
    ranks = stats.rankdata(score)
    return float((ranks[positive].sum() - cases * (cases + 1) / 2) / (cases * others))


def detection(called: npt.NDArray[np.bool_], positive: npt.NDArray[np.bool_]) -> Detection:
    """How ``called`` (n,) meets ``positive`` (n,)."""
    positives, negatives = int(positive.sum()), int((~positive).sum())
    return Detection(
        positives=positives,
        negatives=negatives,
        sensitivity=float((called & positive).sum() / positives) if positives else None,
        specificity=float((~called & ~positive).sum() / negatives) if negatives else None,
    )


def t_scores(bmd: Floats, reference: ReferenceTable, sexes: Sequence[str]) -> Floats:
    """T-scores (n, 4) of BMD (n, 4) in g/cm2, L1..L4."""
    return np.array(
        [
            [reference.t_score(float(value), vertebra, sex) for value, vertebra in zip(row, Vertebra, strict=True)]
            for row, sex in zip(bmd, sexes, strict=True)
        ]
    ).reshape(len(bmd), len(Vertebra))


def bone_figures(
    truth: Floats, estimate: Floats, *, reference: ReferenceTable, thresholds: ThresholdSet, sexes: Sequence[str]
) -> dict[str, Any]:
    """Every figure about BMD (n, 4), ready for JSON: by vertebra (Tables I, II) and by patient (Table III)."""
    true_t, estimated_t = t_scores(truth, reference, sexes), t_scores(estimate, reference, sexes)
    limits = np.array([thresholds.by_vertebra[vertebra] for vertebra in Vertebra])
    below = estimated_t < limits
    vertebrae = {
        vertebra.value: asdict(agreement(truth[:, i], estimate[:, i], true_t[:, i] <= OSTEOPOROSIS))
        | {thresholds.name: asdict(detection(below[:, i], true_t[:, i] <= OSTEOPOROSIS))}
        for i, vertebra in enumerate(Vertebra)
    }
    lowest = true_t.min(axis=1)
    patient = {
        "osteoporosis": asdict(detection(np.asarray(below.any(axis=1)), lowest <= OSTEOPOROSIS)),
        "osteopenia_or_worse": asdict(detection(np.asarray(below.any(axis=1)), lowest < OSTEOPENIA)),
    }
    return {"vertebrae": vertebrae, "patient": patient, "thresholds": thresholds.name, "reference": reference.name}


def landmark_figures(error_mm: Floats) -> dict[str, Any]:
    """Mean radial error in mm of (n, 16) distances: over all, the 95th percentile, and by kind of landmark."""
    kinds = {kind: [i for i, name in enumerate(LANDMARK_NAMES) if kind in name] for kind in _KINDS}
    return {
        "mean_mm": float(error_mm.mean()),
        "p95_mm": float(np.percentile(error_mm, 95)),
        "by_kind_mm": {kind: float(error_mm[:, columns].mean()) for kind, columns in kinds.items()},
    }


_KINDS = ("clavicle", "rib", "c7", "t12")


def radial_error(found: Floats, true: Floats, spacing_mm: float | tuple[float, float]) -> Floats:
    """Distances in mm (n, 16) between points (n, 16, 2) in pixels; ``spacing_mm`` one number or (row, column)."""
    row, column = (spacing_mm, spacing_mm) if isinstance(spacing_mm, float | int) else spacing_mm
    distance: Floats = np.linalg.norm((found - true) * (column, row), axis=-1)
    return distance
