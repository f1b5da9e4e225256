"""Percentile bootstrap over *patients*: a patient is drawn with all of their films, or not at all.

A resample is a row of weights (how often each film was drawn), so that every figure of all resamples is a matrix
product, and the AUC a cumulative sum over the films in the order of their scores. The same seed draws the same patients
whatever is computed, so that figures of two models over the same films are paired by construction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

RESAMPLES = 2000
#: Weights that are held at once: 32 MB.
_AT_ONCE = 4_000_000
#: Fewer resamples than this share that give a figure, and there is no interval.
_LEAST_DEFINED = 0.9
#: Share of the largest squared deviation below which a variance is nothing but rounding.
_ROUNDING = 1e-10


@dataclass(frozen=True, kw_only=True)
class Draws:
    """Resamples of a cohort's patients: ``times`` uint8 (resamples, n), how often each film was drawn."""

    times: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, patients: Sequence[str], resamples: int = RESAMPLES, seed: int = 0) -> Draws:
        """The same patients, one identifier a film, in the same order give the same draws."""
        names, codes = np.unique(np.asarray(patients, dtype=object).astype(str), return_inverse=True)
        rng, count = np.random.default_rng([seed, 83]), len(names)
        times = np.empty((resamples, len(patients)), np.uint8)
        for row in range(resamples if count else 0):
            drawn = np.bincount(rng.integers(0, count, size=count), minlength=count)
            times[row] = np.minimum(drawn, 255)[codes]
        return cls(times=times)

    def of_films(self, films: Bools) -> Draws:
        """The same draws, seen from some of the films (n,) only."""
        return Draws(times=self.times[:, films])

    def weights(self) -> Iterator[Floats]:
        """The draws as numbers to multiply with, (b, n) at a time."""
        rows = max(1, _AT_ONCE // max(1, self.times.shape[1]))
        for start in range(0, len(self.times), rows):
            yield self.times[start : start + rows].astype(np.float64)


def agreement_replicates(
    truth: Floats,
    estimate: Floats,
    positive: Bools,
    draws: Draws,
    *,
    called: Bools | None = None,
) -> dict[str, Floats]:
    """Every figure of agreement in every resample, (resamples, v), by name.

    ``truth`` and ``estimate`` (n, v) in g/cm2, NaN left out; ``positive`` (n, v) by truth; ``called`` (n, v) by
    estimate adds sensitivity and specificity. NaN where a resample does not define a figure.
    """
    parts: list[dict[str, Floats]] = []
    for weights in draws.weights():
        columns = [
            _column(
                weights,
                truth[:, column],
                estimate[:, column],
                positive[:, column],
                None if called is None else called[:, column],
            )
            for column in range(truth.shape[1])
        ]
        parts.append({name: np.stack([column[name] for column in columns], axis=1) for name in columns[0]})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def share_replicates(hits: Bools, of: Bools, draws: Draws) -> Floats:
    """Share of ``hits`` (n, v) among ``of`` (n, v) in every resample, (resamples, v)."""
    return ratio_replicates((hits & of).astype(float), of.astype(float), draws)


def mean_replicates(values: Floats, draws: Draws) -> Floats:
    """Mean of ``values`` (n, v), NaN left out, in every resample, (resamples, v)."""
    there = np.isfinite(values)
    return ratio_replicates(np.where(there, values, 0.0), there.astype(float), draws)


def ratio_replicates(sums: Floats, counts: Floats, draws: Draws) -> Floats:
    """Sum of ``sums`` (n, v) over the sum of ``counts`` (n, v) in every resample, (resamples, v)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.concatenate([(w @ sums) / (w @ counts) for w in draws.weights()])


def averaged(replicates: Floats) -> Floats:
    """Mean over the vertebrae that were measured at all, (resamples,) from (resamples, v)."""
    used = replicates[:, ~np.isnan(replicates).all(axis=0)]
    return used.mean(axis=1) if used.shape[1] else np.full(len(replicates), np.nan)


def interval(replicates: Floats, level: float = 0.95) -> tuple[float, float] | None:
    """Percentile interval of a figure's replicates (resamples,); None where too many resamples do not define it."""
    defined = replicates[np.isfinite(replicates)]
    if len(defined) < max(2, _LEAST_DEFINED * len(replicates)):
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def p_value(differences: Floats) -> float | None:
    """Two-sided p of a paired difference from its replicates (resamples,): how often it changes sides."""
    defined = differences[np.isfinite(differences)]
    if len(defined) < 2:
        return None
    below, above = int((defined <= 0).sum()), int((defined >= 0).sum())
    return min(1.0, 2 * (min(below, above) + 1) / (len(defined) + 1))


def _column(
    weights: Floats, truth: Floats, estimate: Floats, positive: Bools, called: Bools | None
) -> dict[str, Floats]:
    """One vertebra's figures for (b, n) weights, each (b,)."""
    kept = np.isfinite(truth) & np.isfinite(estimate)
    weights, positive = weights[:, kept], positive[kept]
    with np.errstate(invalid="ignore", divide="ignore"):
        found = _moments(weights, truth[kept], estimate[kept])
        found["auc"] = _areas(weights, -estimate[kept], positive)
        if called is not None:
            found |= _shares(weights, called[kept], positive)
    return found


def _moments(weights: Floats, truth: Floats, estimate: Floats) -> dict[str, Floats]:
    # centred, so that the differences of sums below keep their digits
    middle = (truth.mean(), estimate.mean()) if len(truth) else (0.0, 0.0)
    t, e, error = truth - middle[0], estimate - middle[1], estimate - truth
    sums = weights @ np.stack([np.ones_like(t), t, e, t * t, e * e, t * e, error, error**2, np.abs(error)], axis=1)
    count, st, se, stt, see, ste, sd, sdd, sa = sums.T
    mean_t, mean_e = st / count, se / count
    var_t, var_e, cov = stt / count - mean_t**2, see / count - mean_e**2, ste / count - mean_t * mean_e
    var_t, var_e = _spread(var_t, t), _spread(var_e, e)
    r = np.clip(cov / np.sqrt(var_t * var_e), -1.0, 1.0)
    slope = cov / var_e  # of the truth on the estimate
    return {
        "r": r,
        "r2": r * r,
        "rmse": np.sqrt(sdd / count),
        "mae": sa / count,
        "bias": sd / count,
        "error_sd": np.sqrt(np.maximum(sdd - sd**2 / count, 0.0) / (count - 1)),
        "slope": slope,
        "intercept": (mean_t + middle[0]) - slope * (mean_e + middle[1]),
    }


def _spread(variance: Floats, centred: Floats) -> Floats:
    """Variances (b,), NaN where a resample holds one value only: what is left there is rounding."""
    least = _ROUNDING * (centred**2).max(initial=0.0)
    return np.where(variance > least, variance, np.nan)


def _areas(weights: Floats, score: Floats, positive: Bools) -> Floats:
    """Area under the ROC curve of weighted films: cases beat others of lower score, and half of those of the same."""
    order = np.argsort(score, kind="stable")
    weights, positive, score = weights[:, order], positive[order], score[order]
    starts = np.flatnonzero(np.r_[True, np.diff(score) != 0]) if len(score) else np.zeros(0, int)
    if len(starts) == 0:
        return np.full(len(weights), np.nan)
    cases = np.add.reduceat(weights * positive, starts, axis=1)  # (b, different scores)
    others = np.add.reduceat(weights * ~positive, starts, axis=1)
    beaten = np.cumsum(others, axis=1) - 0.5 * others
    area: Floats = (cases * beaten).sum(axis=1) / (cases.sum(axis=1) * others.sum(axis=1))
    return area


def _shares(weights: Floats, called: Bools, positive: Bools) -> dict[str, Floats]:
    kinds = np.stack([called & positive, positive, ~called & ~positive, ~positive], axis=1).astype(float)
    hits, cases, cleared, others = (weights @ kinds).T
    return {"sensitivity": hits / cases, "specificity": cleared / others}
