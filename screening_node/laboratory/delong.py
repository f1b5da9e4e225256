"""The variance of areas under ROC curves, and the test between two curves over the same films.

DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988) 837-845, with the mid-ranks of Sun and Xu, IEEE Signal
Processing Letters 21 (2014) 1389-1393. Films count as independent: with several films a patient the variance comes out
too small, and the bootstrap by patient (``resampling``) is what to believe.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Areas:
    """Areas (k,) of k models over the same films, and their covariance (k, k)."""

    auc: Floats
    covariance: Floats


@dataclass(frozen=True, kw_only=True)
class AreaTest:
    """Difference of two areas, its z and two-sided p."""

    difference: float
    z: float
    p: float


def areas(scores: Floats, positive: npt.NDArray[np.bool_]) -> Areas | None:
    """Areas of ``scores`` (k, n), higher for cases, against ``positive`` (n,); None with fewer than two of a kind."""
    cases, others = scores[:, positive], scores[:, ~positive]
    m, n = cases.shape[1], others.shape[1]
    if m < 2 or n < 2:
        return None
    together = _ranks(np.concatenate([cases, others], axis=1))
    # Sun and Xu, equations 13 to 15: how many of the others each case beats, and the other way round
    of_cases = (together[:, :m] - _ranks(cases)) / n
    of_others = 1.0 - (together[:, m:] - _ranks(others)) / m
    covariance = np.atleast_2d(np.cov(of_cases)) / m + np.atleast_2d(np.cov(of_others)) / n
    return Areas(auc=of_cases.mean(axis=1), covariance=covariance)


def paired_test(one: Floats, other: Floats, positive: npt.NDArray[np.bool_]) -> AreaTest | None:
    """Whether the areas of two models' scores (n,) over the same films differ (DeLong 1988, equation 4)."""
    found = areas(np.stack([one, other]), positive)
    if found is None:
        return None
    difference = float(found.auc[0] - found.auc[1])
    variance = float(found.covariance[0, 0] + found.covariance[1, 1] - 2 * found.covariance[0, 1])
    if variance <= 1e-18:  # the two rank every case and every other film alike, or are both perfect
        return AreaTest(difference=difference, z=0.0, p=1.0)
    z = difference / math.sqrt(variance)
    return AreaTest(difference=difference, z=z, p=float(2 * stats.norm.sf(abs(z))))


def _ranks(scores: Floats) -> Floats:
    """Mid-ranks along the films."""
    ranks: Floats = stats.rankdata(scores, axis=1)
    return ranks
