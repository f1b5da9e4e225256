"""Model against model over the films that both judged: paired bootstrap over patients, DeLong's test of the AUCs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from screening_node.laboratory import delong, resampling
from screening_node.laboratory.evaluation.study import AVERAGE, VERTEBRAE, Measured, Study
from screening_node.laboratory.evaluation.table import Column, Row, Table, figure, plain, texts

_FIGURES = ("r", "rmse", "auc")
_COLUMNS = (
    *texts(("one", "Model"), ("other", "minus"), ("vertebra", "Vertebra"), ("films", "Films")),
    *(
        column
        for key, title in zip(_FIGURES, ("R", "RMSE", "AUC"), strict=True)
        for column in (
            Column(key=key, title=f"Δ {title}", group=title, interval=True, digits=4),
            Column(key=f"{key}_p", title="p", group=title),
        )
    ),
    Column(key="delong_p", title="p by DeLong", group="AUC"),
)
_NOTE = (
    "Differences over the films that both models judged. In brackets: 95 % interval of the paired bootstrap over "
    "patients; p: how often the difference changes sides, two-sided. DeLong's test takes films for independent. No "
    "p is corrected for there being many."
)


def table(study: Study, pairs: Iterable[tuple[str, str]] | None = None) -> Table:
    """Every pair of models, or the pairs given."""
    wanted = list(combinations(study.models, 2)) if pairs is None else list(pairs)
    rows = [row for one, other in wanted for row in differences(study, one, other)]
    return Table(key="comparison", title="Model against model", columns=_COLUMNS, rows=tuple(rows), note=_NOTE)


def cost_of_landmarks(study: Study, pairs: Sequence[tuple[str, str]]) -> Table:
    """What found landmarks cost: (model, the same with true landmarks) pairs."""
    rows = [row for one, other in pairs for row in differences(study, one, other)]
    note = (
        "The same networks with the ROIs where the detector put them, minus with the ROIs at the true landmarks. "
        "The bar: R no more than 0.02 lower. " + _NOTE
    )
    title = "What the detector's errors cost"
    return Table(key="true-landmarks", title=title, columns=_COLUMNS, rows=tuple(rows), note=note)


def differences(study: Study, one: str, other: str) -> Iterator[Row]:
    """One pair's rows: L1..L4 and their mean."""
    both = study.judged(one) & study.judged(other)
    same = np.array_equal(study.judged(one), study.judged(other))
    part = study if same else study.of([one, other]).subset(both)
    first, second = part.measured[one], part.measured[other]
    for index, vertebra in enumerate(VERTEBRAE):
        there = np.isfinite(part.truth[:, index]) & part.judged(one) & part.judged(other)
        row = {"one": one, "other": other, "vertebra": vertebra, "films": int(there.sum())}
        yield row | _differences(first, second, index) | {"delong_p": _delong(part, one, other, index)}
    yield {"one": one, "other": other, "vertebra": AVERAGE, "films": int(both.sum())} | _differences(
        first, second, None
    )


def _differences(first: Measured, second: Measured, index: int | None) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for key in _FIGURES:
        drawn = first.replicates[key] - second.replicates[key]
        own = resampling.averaged(drawn) if index is None else drawn[:, index]
        one, other = first.value(key, index), second.value(key, index)
        value = None if one is None or other is None else one - other
        p = resampling.p_value(own)
        row |= figure(key, value, resampling.interval(own)) | {f"{key}_p": None if p is None else plain(p)}
    return row


def _delong(part: Study, one: str, other: str, index: int) -> float | None:
    scores = [-part.models[name].bmd[:, index] for name in (one, other)]
    there = np.isfinite(part.truth[:, index]) & np.isfinite(scores[0]) & np.isfinite(scores[1])
    test = delong.paired_test(scores[0][there], scores[1][there], part.positive[there, index])
    return None if test is None else plain(test.p)
