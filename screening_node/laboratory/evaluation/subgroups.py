"""The same figures for parts of the cohort: sex, age, scanner, what the film shows, how well landmarks were found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from screening_node.laboratory import metrics
from screening_node.laboratory.evaluation.patients import gather
from screening_node.laboratory.evaluation.study import Study
from screening_node.laboratory.evaluation.table import Column, Table, figure, texts

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: Edges of the bands of a film's mean landmark error, mm.
_ERROR_EDGES = (0.0, 3.0, 6.0, 10.0, np.inf)
_SEX = {"F": "women", "M": "men", "O": "other", None: "unknown"}
_G_CM2 = "g/cm²"
_COLUMNS = (
    *texts(("model", "Model"), ("by", "By"), ("group", "Group"), ("films", "Films"), ("refused", "Refused")),
    Column(key="r", title="R", interval=True),
    Column(key="rmse", title="RMSE", unit=_G_CM2, interval=True),
    Column(key="bias", title="Bias", unit=_G_CM2, interval=True),
    Column(key="auc", title="AUC", interval=True),
    Column(key="sensitivity", title="Sens.", group="by patient", unit="%", percent=True, interval=True),
    Column(key="specificity", title="Spec.", group="by patient", unit="%", percent=True, interval=True),
)


def subgroups(study: Study, landmark_error: Mapping[str, Floats]) -> Table:
    """Every model in every part. ``landmark_error``: mean error in mm of each film (n,) by model, NaN where unknown."""
    common = list(_groups(study))
    rows = []
    for model in study.models:
        one = study.of([model])
        bands = _error_bands(landmark_error[model]) if model in landmark_error else ()
        for by, group, films in (*common, *bands):
            rows.append({"model": model, "by": by, "group": group} | _figures(one.subset(films), model))
    note = (
        "R, RMSE, bias and AUC: means over L1..L4 with 95 % intervals of the bootstrap over patients. Patients: "
        f"“{study.thresholds.name}” thresholds, Wilson's intervals. Small groups have wide intervals; none was "
        "corrected for there being many."
    )
    return Table(key="subgroups", title="Subgroups", columns=_COLUMNS, rows=tuple(rows), note=note)


def _groups(study: Study) -> Iterator[tuple[str, str, Bools]]:
    """Parts of the cohort by what is known of its films; a heading with one part only is left out."""
    yield "all", "all films", np.ones(len(study), bool)
    headings = {
        "sex": [_SEX.get(sex, "other") for sex in study.sexes],
        "age": [_decade(age) for age in study.ages],
        "scanner": [film.scanner or film.equipment or "unknown" for film in study.cohort.films],
    }
    for by, labels in headings.items():
        for label in sorted(set(labels)):
            if len(set(labels)) > 1:
                yield by, label, np.array([each == label for each in labels], bool)
    yield from _shown(study)


def _shown(study: Study) -> Iterator[tuple[str, str, Bools]]:
    """Films by what the manifest says that they show; a film may show several things."""
    findings = [set(film.findings) for film in study.cohort.films]
    kinds = sorted(set().union(*findings)) if findings else []
    if kinds:
        yield "finding", "none", np.array([not each for each in findings], bool)
    for kind in kinds:
        yield "finding", kind, np.array([kind in each for each in findings], bool)


def _error_bands(error: Floats) -> Iterator[tuple[str, str, Bools]]:
    for low, high in pairwise(_ERROR_EDGES):
        films = (error >= low) & (error < high)
        if films.any():
            label = f"above {low:g} mm" if np.isinf(high) else f"{low:g} to {high:g} mm"
            yield "landmark error", label, films


def _decade(age: float) -> str:
    if np.isnan(age):
        return "unknown"
    start = int(age) // 10 * 10
    return f"{start}–{start + 9}"


def _figures(part: Study, model: str) -> dict[str, Any]:
    measured = part.measured[model]
    row: dict[str, Any] = {"films": len(part), "refused": int((~part.judged(model)).sum())}
    for key in ("r", "rmse", "bias", "auc"):
        row |= figure(key, measured.value(key, None), measured.interval(key, None))
    people = gather(part, model)
    used = people.judged & np.isfinite(people.lowest)
    positive, called = people.lowest[used] <= metrics.OSTEOPOROSIS, people.called[used]
    found = metrics.detection(called, positive)
    row |= figure("sensitivity", found.sensitivity, metrics.wilson(int((called & positive).sum()), found.positives))
    cleared = int((~called & ~positive).sum())
    return row | figure("specificity", found.specificity, metrics.wilson(cleared, found.negatives))
