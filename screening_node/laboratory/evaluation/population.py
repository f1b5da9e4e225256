"""BMD by age and sex (figure 4), DXA between vertebrae, and each model's errors by age and sex (figure 8).

Wang et al. 2022, sections IV.C and V.E: what DXA says of one vertebra by another is the yardstick for an estimate.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from screening_node.laboratory import metrics, resampling
from screening_node.laboratory.evaluation.study import VERTEBRAE, Study
from screening_node.laboratory.evaluation.table import Column, Table, figure, plain, texts

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: Pairs of vertebrae as columns of (n, 4) arrays.
PAIRS = tuple(combinations(range(len(VERTEBRAE)), 2))
SEXES = (("F", "women"), ("M", "men"))
_BAND = 5
#: A band of fewer films says little; figures leave it out, tables keep it.
LEAST_FILMS = 5
_G_CM2 = "g/cm²"
_BANDS = texts(("sex", "Sex"), ("age", "Age"), ("films", "Films"))
#: Wang et al. 2022, section V.E.
_PAPER_R = {"L1–L2": 0.918, "L1–L3": 0.878, "L1–L4": 0.807}


def pair_name(pair: tuple[int, int]) -> str:
    """Two vertebrae as a table names them."""
    return f"{VERTEBRAE[pair[0]]}–{VERTEBRAE[pair[1]]}"


def bands(study: Study) -> Iterator[tuple[str, int, Bools]]:
    """Sex, first year of the five, and the films (n,) of each band that holds any."""
    sexes = np.array([sex or "" for sex in study.sexes])
    for sex, _ in SEXES:
        for start in range(0, 120, _BAND):
            films = (sexes == sex) & (study.ages >= start) & (study.ages < start + _BAND)
            if films.any():
                yield sex, start, films


def bmd_by_age(study: Study) -> Table:
    """Mean DXA BMD by sex and five years of age (figure 4)."""
    columns = (*_BANDS, *(Column(key=name, title=name, unit=_G_CM2, interval=True) for name in VERTEBRAE))
    rows = [
        _band(sex, start, films) | _means(study, films, study.truth, VERTEBRAE) for sex, start, films in bands(study)
    ]
    note = "DXA. In brackets: 95 % interval, percentile bootstrap over patients."
    return Table(key="figure-4", title="Figure 4 · BMD by age and sex", columns=columns, rows=tuple(rows), note=note)


def errors_by_age(study: Study) -> Table:
    """Mean absolute error of each model beside the mean difference between vertebrae by DXA (figure 8)."""
    names = [pair_name(pair) for pair in PAIRS]
    columns = (
        *texts(("model", "Model")),
        *_BANDS,
        *(Column(key=name, title=name, group="MAE, g/cm²", interval=True) for name in VERTEBRAE),
        *(Column(key=name, title=name, group="DXA difference, g/cm²") for name in names),
    )
    differences = np.stack([np.abs(study.truth[:, i] - study.truth[:, j]) for i, j in PAIRS], axis=1)
    rows: list[dict[str, Any]] = []
    for model, found in study.models.items():
        errors = np.abs(found.bmd - study.truth)
        for sex, start, films in bands(study):
            row = {"model": model} | _band(sex, start, films) | _means(study, films, errors, VERTEBRAE)
            there = np.isfinite(differences[films])
            sums = np.where(there, differences[films], 0.0).sum(axis=0)
            row |= {
                name: plain(total / count) if count else None
                for name, total, count in zip(names, sums, there.sum(axis=0), strict=True)
            }
            rows.append(row)
    note = (
        "Mean absolute error of the estimate, and mean absolute difference between two vertebrae by DXA. "
        "In brackets: 95 % interval, percentile bootstrap over patients."
    )
    return Table(key="figure-8", title="Figure 8 · Errors by age and sex", columns=columns, rows=tuple(rows), note=note)


def between_vertebrae(study: Study) -> Table:
    """How well DXA of one vertebra tells that of another: R and mean absolute difference."""
    columns = (
        *texts(("pair", "DXA of"), ("films", "Films")),
        Column(key="r", title="R", interval=True),
        Column(key="difference", title="Mean difference", unit=_G_CM2, interval=True),
        Column(key="paper", title="R in Wang 2022"),
    )
    rows = []
    for i, j in PAIRS:
        one, other = study.truth[:, [i]], study.truth[:, [j]]
        there = (np.isfinite(one) & np.isfinite(other))[:, 0]
        drawn = resampling.agreement_replicates(one, other, study.positive[:, [i]], study.draws)
        mean = float(np.abs(one - other)[there].mean()) if there.any() else None
        row: dict[str, Any] = {"pair": pair_name((i, j)), "films": int(there.sum())}
        row |= figure("r", metrics.correlation(one[there, 0], other[there, 0]), resampling.interval(drawn["r"][:, 0]))
        row |= figure("difference", mean, resampling.interval(drawn["mae"][:, 0]))
        rows.append(row | {"paper": _PAPER_R.get(pair_name((i, j)))})
    note = "The yardstick: an estimate of L1 as good as DXA of L3 has R 0.88 in the paper's cohort."
    return Table(key="dxa-between", title="DXA between vertebrae", columns=columns, rows=tuple(rows), note=note)


def _band(sex: str, start: int, films: Bools) -> dict[str, Any]:
    return {"sex": sex, "age": f"{start}–{start + _BAND - 1}", "films": int(films.sum())}


def _means(study: Study, films: Bools, values: Floats, keys: tuple[str, ...]) -> dict[str, Any]:
    """Means over a band's films with their intervals."""
    kept = films[:, None] & np.isfinite(values)
    sums, counts = np.where(kept, values, 0.0), kept.astype(float)
    drawn = resampling.ratio_replicates(sums[films], counts[films], study.draws.of_films(films))
    row: dict[str, Any] = {}
    for index, key in enumerate(keys):
        total = counts[:, index].sum()
        between = resampling.interval(drawn[:, index]) if total > 1 else None
        row |= figure(key, float(sums[:, index].sum() / total) if total else None, between)
    return row
