"""Many fictional patients at once, without films: what a cohort's statistics will be.

The same formulas as cohort.draw_patient, over arrays; the draws themselves are others.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from screening_node.phantom.cohort import (
    AGE_RANGE,
    BMD_MEAN,
    BMD_SD,
    FACTOR_CORRELATION,
    FACTOR_SPREAD,
    factor_trend,
    residual_axes,
)

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Population:
    """n patients: ``age`` in years (n,), ``female`` (n,), ``bmi`` in kg/m2 (n,), ``bmd`` of L1..L4 in g/cm2 (n, 4)."""

    age: npt.NDArray[np.int64] = field(repr=False)
    female: npt.NDArray[np.bool_] = field(repr=False)
    bmi: Array = field(repr=False)
    bmd: Array = field(repr=False)


def draw_population(count: int, seed: int) -> Population:
    """So many patients of a seed."""
    rng = np.random.default_rng([seed, 3])
    female = rng.random(count) < 0.6
    old = rng.random(count) >= 0.75
    years = np.where(old, rng.normal(66.0, 9.0, count), rng.normal(56.0, 7.5, count))
    age = np.clip(years, *AGE_RANGE).astype(np.int64)
    factor = 0.05 + factor_trend(age, female) + FACTOR_SPREAD * rng.standard_normal(count)
    vectors, values = residual_axes()
    residual = (rng.standard_normal((count, 4)) * np.sqrt(values)) @ vectors.T
    scores = factor[:, None] * FACTOR_CORRELATION + residual
    return Population(
        age=age,
        female=female,
        bmi=np.clip(24.0 + 3.3 * (0.25 * factor + 0.968 * rng.standard_normal(count)), 16.0, 38.0),
        bmd=np.maximum(np.array(BMD_MEAN) + np.array(BMD_SD) * scores, 0.30),
    )
