"""The figures of Wang et al. 2022, Tables I to III and figure 5, the landmark error, and what an interval covers.

Everything takes plain arrays. NaN stands for "not measured" or "refused": such films are left out of a figure, and the
figure says how many were in it. Intervals over resampled patients are in ``resampling``, tests of AUCs in ``delong``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats
from sklearn.metrics import roc_auc_score

from screening_node.domain.alarm import ThresholdSet
from screening_node.domain.result import LANDMARK_NAMES, Vertebra
from screening_node.domain.tscore import ReferenceTable

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: T-score at and below which a vertebra counts as osteoporotic (WHO).
OSTEOPOROSIS = -2.5
#: Upper end of osteopenia.
OSTEOPENIA = -1.0


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How estimates agree with the truth for one vertebra; RMSE, MAE, bias and SD of the errors in g/cm2.

    ``auc`` is for T <= -2.5; None where all films are on one side. ``r`` is None where a side does not vary; ``r2`` is
    the coefficient of determination of the linear fit (figure 5), hence R squared. All are None without films.
    """

    films: int
    r: float | None
    r2: float | None
    rmse: float | None
    mae: float | None
    bias: float | None
    error_sd: float | None
    auc: float | None


@dataclass(frozen=True, kw_only=True)
class Detection:
    """Sensitivity and specificity of a threshold, with the counts they come from; None where there is no case."""

    positives: int
    negatives: int
    sensitivity: float | None
    specificity: float | None


@dataclass(frozen=True, kw_only=True)
class Line:
    """y = slope x + intercept by least squares, and the share of the variance that it explains."""

    slope: float
    intercept: float
    r2: float


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bland-Altman: mean difference (estimate - truth) and the limits of agreement, bias -+ 1.96 SD; g/cm2."""

    bias: float
    sd: float
    low: float
    high: float


def agreement(truth: Floats, estimate: Floats, positive: Bools) -> Agreement:
    """Compare ``estimate`` (n,) with ``truth`` (n,), both g/cm2; ``positive`` (n,) marks T <= -2.5 by truth."""
    kept = np.isfinite(truth) & np.isfinite(estimate)
    truth, estimate, positive = truth[kept], estimate[kept], positive[kept]
    error = estimate - truth
    r = correlation(truth, estimate)
    some = len(error) > 0
    return Agreement(
        films=len(truth),
        r=r,
        r2=None if r is None else r * r,
        rmse=float(np.sqrt(np.mean(error**2))) if some else None,
        mae=float(np.mean(np.abs(error))) if some else None,
        bias=float(np.mean(error)) if some else None,
        error_sd=float(np.std(error, ddof=1)) if len(error) > 1 else 0.0 if some else None,
        auc=area_under_curve(-estimate, positive),
    )


def correlation(one: Floats, other: Floats) -> float | None:
    """Pearson's R; None where it is not defined."""
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(stats.pearsonr(one, other).statistic)


def area_under_curve(score: Floats, positive: Bools) -> float | None:
    """Area under the ROC curve, ties counted half; None without both kinds."""
    if len(positive) == 0 or positive.all() or not positive.any():
        return None
    return float(roc_auc_score(positive, score))


def detection(called: Bools, positive: Bools) -> Detection:
    """How ``called`` (n,) meets ``positive`` (n,)."""
    positives, negatives = int(positive.sum()), int((~positive).sum())
    return Detection(
        positives=positives,
        negatives=negatives,
        sensitivity=float((called & positive).sum() / positives) if positives else None,
        specificity=float((~called & ~positive).sum() / negatives) if negatives else None,
    )


def wilson(hits: int, of: int, level: float = 0.95) -> tuple[float, float] | None:
    """Wilson's score interval of a share of independent cases; None without cases."""
    if of == 0:
        return None
    found = stats.binomtest(hits, of).proportion_ci(level, method="wilson")
    return float(found.low), float(found.high)


def linear_fit(x: Floats, y: Floats) -> Line | None:
    """Least squares of ``y`` on ``x`` over the films that have both; None where x does not vary."""
    kept = np.isfinite(x) & np.isfinite(y)
    if kept.sum() < 2 or np.ptp(x[kept]) == 0:
        return None
    found = stats.linregress(x[kept], y[kept])
    return Line(slope=float(found.slope), intercept=float(found.intercept), r2=float(found.rvalue) ** 2)


def calibration_line(truth: Floats, estimate: Floats) -> Line | None:
    """The truth on the estimate: slope 1 and intercept 0 where estimates need no correction."""
    return linear_fit(estimate, truth)


def bland_altman(truth: Floats, estimate: Floats) -> Limits | None:
    """Bias and limits of agreement; None with fewer than two films."""
    error = (estimate - truth)[np.isfinite(estimate - truth)]
    if len(error) < 2:
        return None
    bias, sd = float(error.mean()), float(error.std(ddof=1))
    return Limits(bias=bias, sd=sd, low=bias - 1.96 * sd, high=bias + 1.96 * sd)


def normal_quantile(level: float) -> float:
    """Half width, in SDs, of the interval that holds ``level`` of a normal distribution: 1.645 for 0.9."""
    return float(stats.norm.ppf((1 + level) / 2))


def coverage(truth: Floats, estimate: Floats, sd: Floats, level: float, factor: float | Floats = 1.0) -> float | None:
    """Share of truths within the ``level`` interval estimate -+ z x factor x SD of a normal error; None without any.

    ``factor`` is one number, or one for each film: the correction of ``conformal_factor``.
    """
    score = np.abs(truth - estimate) / (sd * factor)
    score = score[np.isfinite(score)]
    return float(np.mean(score <= normal_quantile(level))) if len(score) else None


def conformal_factor(truth: Floats, estimate: Floats, sd: Floats, level: float) -> float | None:
    """What the SD must be multiplied by, so that the ``level`` interval covers ``level`` of new patients.

    Split conformal prediction with the score |error| / SD (Lei et al., JASA 2018, section 2.2 and 5.2): its
    ceil((n + 1) level)-th smallest value over a calibration part, over the normal quantile. None where the part is too
    small to promise that level.
    """
    score = np.abs(truth - estimate) / sd
    score = np.sort(score[np.isfinite(score)])
    rank = math.ceil((len(score) + 1) * level)
    if rank > len(score) or rank < 1:
        return None
    return float(score[rank - 1]) / normal_quantile(level)


def t_scores(bmd: Floats, reference: ReferenceTable, sexes: Sequence[str | None]) -> Floats:
    """T-scores (n, 4) of BMD (n, 4) in g/cm2, L1..L4; NaN where the table has no row for the patient."""
    scores = np.full((len(bmd), len(Vertebra)), np.nan)
    for sex in set(sexes):
        rows = np.array([each == sex for each in sexes], bool)
        for column, vertebra in enumerate(Vertebra):
            row = reference.row(vertebra, sex)
            if row is not None:
                scores[rows, column] = (bmd[rows, column] - row.mean) / row.sd
    return scores


def limits_of(thresholds: ThresholdSet) -> Floats:
    """The set's T-scores (4,), L1..L4."""
    return np.array([thresholds.by_vertebra[vertebra] for vertebra in Vertebra])


#: Kinds of landmark: a word that their names share.
KINDS = ("clavicle", "rib", "c7", "t12")


def landmarks_of(kind: str) -> list[int]:
    """The columns of a kind of landmark."""
    return [column for column, name in enumerate(LANDMARK_NAMES) if kind in name]


def distance_to_polyline(points: Floats, line: Floats) -> Floats:
    """Distances (n,) of ``points`` (n, 2) to the nearest place on the polyline through ``line`` (m, 2), same unit."""
    starts, steps = line[:-1], np.diff(line, axis=0)
    along = ((points[:, None] - starts) * steps).sum(-1) / np.maximum((steps**2).sum(-1), 1e-12)
    nearest = starts + np.clip(along, 0, 1)[..., None] * steps  # (n, m - 1, 2)
    distance: Floats = np.linalg.norm(points[:, None] - nearest, axis=-1).min(axis=1)
    return distance
