"""Tables I to III of Wang et al. 2022, figure 7 in numbers, an overview, and what was refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from screening_node.domain.alarm import ThresholdSet
from screening_node.laboratory import metrics, resampling
from screening_node.laboratory.evaluation import paper
from screening_node.laboratory.evaluation.patients import Patients, gather
from screening_node.laboratory.evaluation.study import AVERAGE, VERTEBRAE, Measured, Study
from screening_node.laboratory.evaluation.table import Column, Row, Table, figure, texts

_BOOTSTRAP = "In brackets: 95 % interval, percentile bootstrap over patients."
_WILSON = "In brackets: 95 % interval by Wilson's score."
_G_CM2 = "g/cm²"
_PLACES: tuple[tuple[str, int | None], ...] = (
    *((name, index) for index, name in enumerate(VERTEBRAE)),
    (AVERAGE, None),
)


def overview(study: Study) -> Table:
    """Each model in one row: means over L1..L4, the patient level, and how many films it refused."""
    columns = (
        *texts(("model", "Model"), ("films", "Films"), ("refused", "Refused")),
        Column(key="r", title="R", interval=True),
        Column(key="rmse", title="RMSE", unit=_G_CM2, interval=True),
        Column(key="auc", title="AUC", interval=True),
        Column(key="sensitivity", title="Sensitivity", unit="%", group="by patient", percent=True, interval=True),
        Column(key="specificity", title="Specificity", unit="%", group="by patient", percent=True, interval=True),
    )
    rows = []
    for name, measured in study.measured.items():
        refused = int((~study.judged(name)).sum())
        row: dict[str, Any] = {"model": name, "films": len(study), "refused": refused}
        for key in ("r", "rmse", "auc"):
            row |= _measured(key, key, measured, None)
        rows.append(row | _patient_row(gather(study, name), metrics.OSTEOPOROSIS, ""))
    note = (
        f"R, RMSE and AUC (T ≤ −2.5) are means over L1..L4. Patients: any vertebra below its "
        f"“{study.thresholds.name}” threshold. {_BOOTSTRAP}"
    )
    return Table(key="overview", title="Overview", columns=columns, rows=tuple(rows), note=note)


def table_one(study: Study) -> Table:
    """R, RMSE and AUC by vertebra and on average, models as rows (Table I)."""
    columns = [*texts(("model", "Model"))]
    for place, _ in _PLACES:
        columns += [
            Column(key=f"{place}_r", title="R", group=place, interval=True),
            Column(key=f"{place}_rmse", title="RMSE", group=place, interval=True),
            Column(key=f"{place}_auc", title="AUC", group=place, interval=True),
        ]
    rows = [
        {"model": name}
        | {
            key: value
            for place, index in _PLACES
            for figure_name in ("r", "rmse", "auc")
            for key, value in _measured(f"{place}_{figure_name}", figure_name, measured, index).items()
        }
        for name, measured in study.measured.items()
    ]
    note = f"RMSE in {_G_CM2}; AUC for T ≤ −2.5 by DXA. {_BOOTSTRAP} {paper.NOTE}"
    return Table(
        key="table-1",
        title="Table I · Models compared",
        columns=tuple(columns),
        rows=tuple(rows),
        note=note,
        beside=paper.table_one(),
    )


def details(study: Study) -> Table:
    """All figures of agreement and of the study's thresholds, a row for each model and vertebra."""
    columns = (
        *texts(("model", "Model"), ("vertebra", "Vertebra"), ("films", "Films"), ("positives", "T ≤ −2.5")),
        Column(key="r", title="R", interval=True),
        Column(key="r2", title="R²", interval=True),
        Column(key="rmse", title="RMSE", unit=_G_CM2, interval=True),
        Column(key="mae", title="MAE", unit=_G_CM2, interval=True),
        Column(key="bias", title="Bias", unit=_G_CM2, interval=True),
        Column(key="error_sd", title="SD of errors", unit=_G_CM2, interval=True),
        Column(key="auc", title="AUC", interval=True),
        Column(key="sensitivity", title="Sens.", unit="%", group=study.thresholds.name, percent=True, interval=True),
        Column(key="specificity", title="Spec.", unit="%", group=study.thresholds.name, percent=True, interval=True),
    )
    keys = [column.key for column in columns if column.interval]
    rows = [
        _detail(name, measured, place, index, keys)
        for name, measured in study.measured.items()
        for place, index in _PLACES
    ]
    note = f"R² is that of the linear fit (figure 5). Bias: estimate − DXA. {_BOOTSTRAP}"
    return Table(key="by-vertebra", title="By vertebra", columns=columns, rows=tuple(rows), note=note)


def _detail(name: str, measured: Measured, place: str, index: int | None, keys: Sequence[str]) -> Row:
    row: dict[str, Any] = {"model": name, "vertebra": place}
    if index is not None:
        row |= {"films": measured.agreement[index].films, "positives": measured.detection[index].positives}
    for key in keys:
        row |= _measured(key, key, measured, index)
    return row


def table_two(study: Study) -> Table:
    """Sensitivity and specificity by vertebra, for each set of thresholds (Table II)."""
    columns = [*texts(("model", "Model"), ("thresholds", "T-score thresholds"))]
    for place, _ in _PLACES:
        columns += [
            Column(key=f"{place}_sensitivity", title="Sens.", unit="%", group=place, percent=True, interval=True),
            Column(key=f"{place}_specificity", title="Spec.", unit="%", group=place, percent=True, interval=True),
        ]
    rows = [
        {"model": name, "thresholds": each.name} | _by_vertebra(study, name, each)
        for name in study.models
        for each in study.threshold_sets
    ]
    note = f"Truth: T ≤ −2.5 by DXA; called: the estimate's T below the threshold. {_BOOTSTRAP} {paper.NOTE}"
    return Table(
        key="table-2",
        title="Table II · Thresholds by vertebra",
        columns=tuple(columns),
        rows=tuple(rows),
        note=note,
        beside=paper.table_two(),
    )


def table_three(study: Study) -> Table:
    """Sensitivity and specificity by patient, for osteoporosis and for osteopenia or worse (Table III)."""
    columns = (
        *texts(("model", "Model"), ("thresholds", "T-score thresholds")),
        *(
            Column(key=f"{key}{what}", title=title, unit="%", group=group, percent=True, interval=True)
            for key, group in (("", "osteoporosis"), ("osteopenia_", "osteopenia or worse"))
            for what, title in (("sensitivity", "Sens."), ("specificity", "Spec."))
        ),
        Column(
            key="sensitivity_of_all",
            title="Sens. of all",
            unit="%",
            group="refused = missed",
            percent=True,
            interval=True,
        ),
        *texts(("positives", "Patients with"), ("negatives", "without"), ("refused", "refused")),
    )
    rows = []
    for name in study.models:
        for each in study.threshold_sets:
            people = gather(study, name, each)
            row = {"model": name, "thresholds": each.name} | _patient_row(people, metrics.OSTEOPOROSIS, "")
            rows.append(row | _patient_row(people, metrics.OSTEOPENIA, "osteopenia_") | _with_refused(people))
    note = (
        "A patient is called when any vertebra of any film lies below its threshold; osteoporosis: any T ≤ −2.5 by "
        f"DXA, osteopenia or worse: any T < −1. Patients without a judged film stand under “refused”. {_WILSON} "
        + paper.NOTE
    )
    return Table(
        key="table-3",
        title="Table III · Patients",
        columns=columns,
        rows=tuple(rows),
        note=note,
        beside=paper.table_three(),
    )


def by_count(study: Study) -> Table:
    """Patients by how many of their vertebrae are osteoporotic, and how many of them get an alarm (figure 7)."""
    columns = (
        *texts(("model", "Model"), ("group", "Osteoporotic vertebrae"), ("patients", "Patients"), ("alarms", "Alarms")),
        Column(key="share", title="Share", unit="%", percent=True, interval=True),
    )
    rows = []
    for name in study.models:
        people = gather(study, name)
        for label, wanted in _GROUPS:
            members = people.judged & np.isin(people.osteoporotic, wanted)
            hits, of = int((people.called & members).sum()), int(members.sum())
            share = figure("share", hits / of if of else None, metrics.wilson(hits, of))
            rows.append({"model": name, "group": label, "patients": of, "alarms": hits} | share)
    note = f"Judged patients whose four vertebrae were all measured; thresholds “{study.thresholds.name}”. {_WILSON}"
    return Table(
        key="figure-7", title="Figure 7 · Alarms by number of vertebrae", columns=columns, rows=tuple(rows), note=note
    )


#: Figure 7's bars: none, any, and 1 to 4 of L1..L4.
_GROUPS: tuple[tuple[str, list[int]], ...] = (
    ("none", [0]),
    ("any", [1, 2, 3, 4]),
    *((str(count), [count]) for count in (1, 2, 3, 4)),
)


def refusals(study: Study) -> Table:
    """What each model refused, by reason."""
    columns = (
        *texts(("model", "Model"), ("reason", "Reason"), ("films", "Films")),
        Column(key="share", title="Share", unit="%", percent=True, interval=True),
    )
    rows = []
    for name, found in study.models.items():
        counted = Counter(code for code in found.refusals if code is not None)
        for reason, films in [*sorted(counted.items(), key=lambda item: (-item[1], item[0])), ("judged", None)]:
            hits = int(study.judged(name).sum()) if films is None else films
            share = figure("share", hits / len(study) if len(study) else None, metrics.wilson(hits, len(study)))
            rows.append({"model": name, "reason": reason, "films": hits} | share)
    return Table(key="refusals", title="Refused films", columns=columns, rows=tuple(rows), note=_WILSON)


def _measured(key: str, name: str, measured: Measured, index: int | None) -> dict[str, Any]:
    return figure(key, measured.value(name, index), measured.interval(name, index))


def _by_vertebra(study: Study, model: str, thresholds: ThresholdSet) -> dict[str, Any]:
    """Table II's cells of one row."""
    called, positive = study.called(model, thresholds), study.positive
    both = np.isfinite(study.truth) & np.isfinite(study.models[model].bmd)
    row: dict[str, Any] = {}
    for name, hits, of in (
        ("sensitivity", called, positive & both),
        ("specificity", ~called, ~positive & both),
    ):
        drawn = resampling.share_replicates(hits, of, study.draws)
        counts, totals = (hits & of).sum(axis=0), of.sum(axis=0)
        shares = [int(count) / int(total) if total else None for count, total in zip(counts, totals, strict=True)]
        for index, place in enumerate(VERTEBRAE):
            row |= figure(f"{place}_{name}", shares[index], resampling.interval(drawn[:, index]))
        there = [share for share in shares if share is not None]
        mean = sum(there) / len(there) if there else None
        row |= figure(f"{AVERAGE}_{name}", mean, resampling.interval(resampling.averaged(drawn)))
    return row


def _patient_row(people: Patients, limit: float, prefix: str) -> dict[str, Any]:
    used = people.judged & np.isfinite(people.lowest)
    positive = people.lowest <= limit if limit == metrics.OSTEOPOROSIS else people.lowest < limit
    found = metrics.detection(people.called[used], positive[used])
    hits = int((people.called & positive & used).sum())
    cleared = int((~people.called & ~positive & used).sum())
    return figure(f"{prefix}sensitivity", found.sensitivity, metrics.wilson(hits, found.positives)) | figure(
        f"{prefix}specificity", found.specificity, metrics.wilson(cleared, found.negatives)
    )


def _with_refused(people: Patients) -> dict[str, Any]:
    known = np.isfinite(people.lowest)
    positive = known & (people.lowest <= metrics.OSTEOPOROSIS)
    hits, of = int((people.called & positive).sum()), int(positive.sum())
    row = figure("sensitivity_of_all", hits / of if of else None, metrics.wilson(hits, of))
    judged = people.judged & known
    return row | {
        "positives": int((positive & judged).sum()),
        "negatives": int((~positive & judged).sum()),
        "refused": int((known & ~people.judged).sum()),
    }
