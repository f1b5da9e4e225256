"""How good bundles are on a cohort, from its DICOM files to one page: open, judge, compare, write.

    cohort folder -> judge_cohort (the node's own route) -> Predictions -> Study -> tables, figures -> page, CSV, JSON

Judging and reporting are apart: predictions from elsewhere (short-cut baselines, networks out of fold) are reported on
in the same way, without any bundle.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table as Drawn

from screening_node.domain.alarm import ThresholdSet
from screening_node.domain.tscore import ReferenceTable
from screening_node.laboratory import resampling
from screening_node.laboratory.evaluation import files
from screening_node.laboratory.evaluation.contents import Contents, compose
from screening_node.laboratory.evaluation.page import NEVER_RULES_OUT, About
from screening_node.laboratory.evaluation.study import Study
from screening_node.laboratory.evaluation.table import Table
from screening_node.laboratory.folder import Cohort
from screening_node.laboratory.predictions import Predictions, judge_cohort, judge_with_landmarks
from screening_node.laboratory.progress import Progress, Report, silent
from screening_node.pathways.chest_film.pathway import ChestFilmPathway

#: Stands on a page whose models say nothing of their limits themselves.
UNKNOWN_LIMITS = "Not for clinical use."
PREDICTIONS = "predictions"
#: The fact that names the weights, and how much of each SHA-256 it gives.
WEIGHTS, SHA_LETTERS = "Weights (SHA-256)", 16


@dataclass(frozen=True, kw_only=True)
class Terms:
    """On which terms models are compared."""

    reference: ReferenceTable
    thresholds: ThresholdSet
    resamples: int = resampling.RESAMPLES


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What was written and where; ``contents`` holds every table."""

    page: Path
    about: About
    contents: Contents


def evaluate(
    cohort: Cohort,
    pathways: Sequence[ChestFilmPathway],
    out: Path,
    terms: Terms,
    *,
    true_landmarks: bool = False,
    others: Mapping[str, Predictions] | None = None,
    report: Report = silent,
) -> Evaluation:
    """Judge ``cohort`` with each bundle and write everything into ``out``; a killed run goes on where it stopped.

    ``true_landmarks`` judges once more with the ROIs at the true landmarks; ``others`` get rows without figures.
    """
    models: dict[str, Predictions] = {}
    pairs: list[tuple[str, str]] = []
    for name, pathway in _named(pathways).items():
        journal = out / PREDICTIONS / f"{_slug(name)}.csv"
        models[name] = judge_cohort(pathway, cohort, report, model=name, journal=journal)
        if true_landmarks:
            true = f"{name}, true landmarks"
            journal = out / PREDICTIONS / f"{_slug(true)}.csv"
            models[true] = judge_with_landmarks(pathway, cohort, report, model=true, journal=journal)
            pairs.append((name, true))
    limits = tuple(dict.fromkeys(pathway.identity.limits_of_use for pathway in pathways))
    return write_report(
        cohort,
        models | dict(others or {}),
        out,
        terms,
        judged=list(models),
        pairs=pairs,
        limits=limits,
        weights=[pathway.identity.weights_sha256 for pathway in pathways],
        report=report,
    )


def write_report(
    cohort: Cohort,
    models: Mapping[str, Predictions],
    out: Path,
    terms: Terms,
    *,
    judged: Sequence[str] | None = None,
    pairs: Sequence[tuple[str, str]] = (),
    limits: Sequence[str] = (),
    weights: Sequence[str] = (),
    report: Report = silent,
) -> Evaluation:
    """Tables, figures and page of predictions, wherever they come from. Arguments as in ``contents.compose``.

    ``weights``: SHA-256 of the bundles' weights, by which a model card knows its own evaluation.
    """
    report(Progress(stage="tables and figures", done=0, total=1))
    study = Study(
        cohort=cohort,
        models=models,
        reference=terms.reference,
        thresholds=terms.thresholds,
        resamples=terms.resamples,
    )
    contents = compose(study, judged=judged, pairs=pairs)
    about = about_study(study, limits, weights)
    page = files.write(out, about, contents)
    report(Progress(stage="tables and figures", done=1, total=1))
    return Evaluation(page=page, about=about, contents=contents)


def about_study(study: Study, limits: Sequence[str], weights: Sequence[str] = ()) -> About:
    """What stands at the top of the page."""
    cohort = study.cohort
    source = f"synthetic, {cohort.generator}" if cohort.phantom else "a hospital's"
    refused = ", ".join(f"{name}: {int((~study.judged(name)).sum())}" for name in study.models)
    said = [*(limits or (UNKNOWN_LIMITS,))]
    if not any(NEVER_RULES_OUT.lower() in sentence.lower() for sentence in said):
        said.append(NEVER_RULES_OUT)
    return About(
        title=f"Evaluation on cohort {cohort.name}",
        facts=(
            ("Cohort", f"{cohort.name} ({source})"),
            ("Films", str(len(study))),
            ("Patients", str(len(set(study.patients)))),
            ("Models", "; ".join(study.models)),
            *([(WEIGHTS, "; ".join(sha256[:SHA_LETTERS] for sha256 in weights))] if weights else []),
            ("Films refused", refused or "none"),
            ("Reference table", f"{study.reference.name} {study.reference.version}"),
            ("Alarm thresholds", study.thresholds.name),
            ("Bootstrap", f"{study.resamples} resamples of patients, seed {study.seed}"),
        ),
        limits=tuple(said),
    )


def drawn(table: Table) -> Drawn:
    """A table for the terminal, intervals left out."""
    made = Drawn(title=table.title)
    for column in table.columns:
        made.add_column(f"{column.title} ({column.unit})" if column.unit else column.title)
    for row in table.rows:
        made.add_row(*(column.said(row.get(column.key)) for column in table.columns))
    return made


def _named(pathways: Sequence[ChestFilmPathway]) -> dict[str, ChestFilmPathway]:
    """Bundles by name and version; those of the same name by their weights too."""
    names = [pathway.identity.bundle for pathway in pathways]
    return {
        name if names.count(name) == 1 else f"{name} ({pathway.identity.weights_sha256[:8]})": pathway
        for name, pathway in zip(names, pathways, strict=True)
    }


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-")
