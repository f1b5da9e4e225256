"""Fictional patients: age, sex, build and lumbar BMD, drawn from a seed.

The lumbar means, SDs and cross-vertebra correlations are those of Wang et al. 2022 (section IV; those that the
paper does not give are assumed). A skeletal factor G ties the lumbar spine to every other bone, with noise of
its own for each region and bone, so that the film tells much about lumbar BMD but never all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from screening_node.domain.result import Vertebra

#: Mean and SD of BMD in g/cm2 over the cohort, L1..L4.
BMD_MEAN = (0.897, 0.975, 1.045, 1.048)
BMD_SD = (0.138, 0.158, 0.166, 0.170)

FACTOR_CORRELATION = np.array([0.935, 0.945, 0.935, 0.885])
_CROSS_CORRELATION = np.array(
    [
        [1.0, 0.918, 0.878, 0.807],
        [0.918, 1.0, 0.925, 0.865],
        [0.878, 0.925, 1.0, 0.915],
        [0.807, 0.865, 0.915, 1.0],
    ]
)
#: SD of what G has beyond its trend with age and sex.
FACTOR_SPREAD = 0.865
#: How a bone's BMD relative to the cohort mean follows G.
_COUPLING = 0.158
#: How far regions, all bones of the thoracic cage together, and single bones stray from it (SD of the logarithm), and
#: how much of L1's own the lower spine shares. These set the difficulty: chosen so that networks that see one kind of
#: bone only reach the averages of Wang 2021, Table 2 (docs/results.md has the figures), before models were compared.
_REGION_NOISE = {
    "cervical": 0.105,
    "thoracic": 0.105,
    "lower_spine": 0.05,
    "left_ribs": 0.08,
    "right_ribs": 0.08,
    "left_clavicle": 0.14,
    "right_clavicle": 0.14,
}
_CAGE = ("left_ribs", "right_ribs", "left_clavicle", "right_clavicle")
_CAGE_NOISE = 0.08
BONE_NOISE = 0.075
_LOWER_SPINE_COUPLING = 0.8
AGE_RANGE = (40.0, 90.0)


@dataclass(frozen=True, kw_only=True)
class PhantomPatient:
    """A fictional patient.

    ``size`` scales every bone; ``bmi`` in kg/m2; ``bmd`` is the truth in g/cm2; ``factor`` is the skeletal
    factor G in cohort SDs; ``region_log_q`` is the log of each region's BMD over the cohort mean.
    """

    seed: int
    age: int
    sex: str
    bmi: float
    size: float
    factor: float
    bmd: Mapping[Vertebra, float]
    region_log_q: Mapping[str, float]

    def bone_q(self, region: str, rng: np.random.Generator) -> float:
        """One bone's BMD over the cohort mean: its region's, with the bone's own noise."""
        return float(np.exp(self.region_log_q[region] + BONE_NOISE * rng.standard_normal()))


def draw_patient(seed: int, *, bmd_shift: float = 0.0) -> PhantomPatient:
    """The patient of a seed; ``bmd_shift`` moves the skeletal factor by so many cohort SDs."""
    rng = np.random.default_rng([seed, 1])
    sex = "F" if rng.random() < 0.6 else "M"
    age = _draw_age(rng)
    factor = _draw_factor(rng, age, sex) + bmd_shift
    bmi = float(np.clip(24.0 + 3.3 * (0.25 * factor + 0.968 * rng.standard_normal()), 16.0, 38.0))
    size = float((0.925 if sex == "F" else 1.0) * np.exp(0.035 * rng.standard_normal()))
    residual = _draw_residual(rng)
    scores = FACTOR_CORRELATION * factor + residual
    bmd = np.maximum(np.array(BMD_MEAN) + np.array(BMD_SD) * scores, 0.30)
    return PhantomPatient(
        seed=seed,
        age=age,
        sex=sex,
        bmi=bmi,
        size=size,
        factor=factor,
        bmd={vertebra: round(float(value), 4) for vertebra, value in zip(Vertebra, bmd, strict=True)},
        region_log_q=_draw_regions(rng, factor, float(residual[0])),
    )


def _draw_age(rng: np.random.Generator) -> int:
    mean, spread = (56.0, 7.5) if rng.random() < 0.75 else (66.0, 9.0)
    return int(np.clip(rng.normal(mean, spread), *AGE_RANGE))


def _draw_factor(rng: np.random.Generator, age: int, sex: str) -> float:
    return float(0.05 + factor_trend(age, sex == "F") + FACTOR_SPREAD * rng.standard_normal())


def factor_trend(age: npt.ArrayLike, female: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """How G follows age in years and sex: women lose bone around the menopause, men slowly."""
    years = np.asarray(age, dtype=np.float64)
    women = 0.62 - 1.25 / (1 + np.exp(-(years - 53.5) / 3.2)) - 0.020 * np.maximum(years - 57, 0)
    return np.where(female, women, 0.42 - 0.012 * (years - 57))


def _draw_residual(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """What L1..L4 (4,) have beyond G, in cohort SDs, correlated so that the cohort's correlations come out."""
    vectors, values = residual_axes()
    draw: npt.NDArray[np.float64] = vectors @ (np.sqrt(values) * rng.standard_normal(4))
    return draw


def residual_axes() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Axes (4, 4) in columns and variances (4,) of what L1..L4 have beyond G."""
    covariance = _CROSS_CORRELATION - np.outer(FACTOR_CORRELATION, FACTOR_CORRELATION)
    values, vectors = np.linalg.eigh(covariance)
    # The sign of an eigenvector is the library's choice; fixed here, so that a seed gives the same on any machine.
    vectors = vectors * np.where(vectors[np.abs(vectors).argmax(axis=0), range(4)] < 0, -1.0, 1.0)
    return vectors, np.maximum(values, 0.0)


def _draw_regions(rng: np.random.Generator, factor: float, residual: float) -> dict[str, float]:
    base = float(np.log(max(1 + _COUPLING * factor, 0.35)))
    logs = {region: base + spread * float(rng.standard_normal()) for region, spread in _REGION_NOISE.items()}
    cage = _CAGE_NOISE * float(rng.standard_normal())
    for region in _CAGE:
        logs[region] += cage
    # T11..L1 share some of what the lumbar spine has of its own.
    logs["lower_spine"] += _LOWER_SPINE_COUPLING * _COUPLING * residual
    return logs
