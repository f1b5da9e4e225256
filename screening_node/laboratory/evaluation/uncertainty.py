"""Whether the models know how sure they are: coverage of their intervals, and the line that would correct them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from screening_node.laboratory import metrics, resampling
from screening_node.laboratory.evaluation.study import VERTEBRAE, Study
from screening_node.laboratory.evaluation.table import Column, Table, figure, plain, texts

Floats = npt.NDArray[np.float64]

LEVEL = 0.9
#: Nominal levels of the figure.
LEVELS = tuple(np.round(np.arange(0.05, 1.0, 0.05), 2))


def halves(patients: Sequence[str], seed: int = 0) -> npt.NDArray[np.bool_]:
    """Films (n,) of a random half of the patients."""
    names, codes = np.unique(np.asarray(patients, dtype=object).astype(str), return_inverse=True)
    chosen = np.random.default_rng([seed, 29]).permutation(len(names)) < (len(names) + 1) // 2
    return np.asarray(chosen[codes], bool)


def corrected_factors(study: Study, model: str, index: int, level: float) -> Floats:
    """For each film (n,) the conformal factor of the *other* half of the patients; NaN where that half is too small."""
    found, half = study.models[model], halves(study.patients, study.seed)
    factors = np.full(len(study), np.nan)
    if found.sd is None:
        return factors
    for films in (half, ~half):
        factor = metrics.conformal_factor(
            study.truth[~films, index], found.bmd[~films, index], found.sd[~films, index], level
        )
        factors[films] = np.nan if factor is None else factor
    return factors


def coverage_table(study: Study) -> Table:
    """Coverage of the 90 % interval as the model gives it, and after a split-conformal correction."""
    columns = (
        *texts(("model", "Model"), ("vertebra", "Vertebra"), ("films", "Films")),
        Column(key="sd", title="Mean SD", unit="g/cm²"),
        Column(key="before", title="as given", group="90 % interval covers", unit="%", percent=True, interval=True),
        Column(key="after", title="corrected", group="90 % interval covers", unit="%", percent=True, interval=True),
        Column(key="factor", title="Correction", unit="× SD"),
    )
    rows = [
        _coverage(study, model, index)
        for model, found in study.models.items()
        if found.sd is not None
        for index in range(len(VERTEBRAE))
    ]
    note = (
        "Interval: estimate ∓ 1.645 SD. Correction: split-conformal, the factor of one half of the patients applied to "
        "the other half and the other way round; the factor of all films stands in the last column. 95 % intervals: "
        "bootstrap over patients."
    )
    title = "Coverage of the 90 % interval"
    return Table(key="coverage", title=title, columns=columns, rows=tuple(rows), note=note)


def calibration_table(study: Study) -> Table:
    """DXA = slope x estimate + intercept, by model and vertebra."""
    columns = (
        *texts(("model", "Model"), ("vertebra", "Vertebra"), ("films", "Films")),
        Column(key="slope", title="Slope", interval=True),
        Column(key="intercept", title="Intercept", unit="g/cm²", interval=True),
    )
    rows = []
    for model, measured in study.measured.items():
        for index, vertebra in enumerate(VERTEBRAE):
            line = metrics.calibration_line(study.truth[:, index], study.models[model].bmd[:, index])
            row: dict[str, Any] = {
                "model": model,
                "vertebra": vertebra,
                "films": measured.agreement[index].films,
            }
            for key in ("slope", "intercept"):
                value = None if line is None else getattr(line, key)
                row |= figure(key, value, resampling.interval(measured.replicates[key][:, index]))
            rows.append(row)
    note = "DXA on the estimate, least squares: slope 1 and intercept 0 need no correction. Bootstrap over patients."
    return Table(key="calibration", title="Calibration", columns=columns, rows=tuple(rows), note=note)


def _coverage(study: Study, model: str, index: int) -> dict[str, Any]:
    found = study.models[model]
    assert found.sd is not None  # the caller's filter
    truth, estimate, sd = study.truth[:, index], found.bmd[:, index], found.sd[:, index]
    row: dict[str, Any] = {"model": model, "vertebra": VERTEBRAE[index]}
    there = np.isfinite(truth) & np.isfinite(estimate) & np.isfinite(sd)
    row |= {"films": int(there.sum()), "sd": plain(float(sd[there].mean())) if there.any() else None}
    for key, factor in (("before", np.ones(len(study))), ("after", corrected_factors(study, model, index, LEVEL))):
        known = there & np.isfinite(factor)
        inside = known & (np.abs(truth - estimate) <= metrics.normal_quantile(LEVEL) * factor * sd)
        drawn = resampling.share_replicates(inside[:, None], known[:, None], study.draws)
        share = float(inside.sum() / known.sum()) if known.any() else None
        row |= figure(key, share, resampling.interval(drawn[:, 0]))
    factor_of_all = metrics.conformal_factor(truth, estimate, sd, LEVEL)
    return row | {"factor": None if factor_of_all is None else plain(factor_of_all)}
