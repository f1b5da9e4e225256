"""Which tables and figures a study gives, in the page's order, and which it cannot give, said why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from screening_node.laboratory.evaluation import (
    comparison,
    figures,
    landmarks,
    population,
    subgroups,
    tables,
    uncertainty,
    worst,
)
from screening_node.laboratory.evaluation.drawing import Drawing
from screening_node.laboratory.evaluation.study import VERTEBRAE, Study
from screening_node.laboratory.evaluation.table import Table

Floats = npt.NDArray[np.float64]
Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Section:
    """One heading of the page."""

    key: str
    title: str
    tables: tuple[Table, ...] = ()
    drawings: tuple[Drawing, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Contents:
    """The whole evaluation; ``left_out``: what this cohort or these models cannot give, in words."""

    sections: tuple[Section, ...]
    left_out: tuple[str, ...]
    landmark_error: dict[str, Floats] = field(default_factory=dict)

    @property
    def tables(self) -> Iterator[Table]:
        """Every table, in order."""
        for section in self.sections:
            yield from section.tables


def compose(
    study: Study, *, judged: Sequence[str] | None = None, pairs: Pairs = (), spacing: Floats | None = None
) -> Contents:
    """All that the study gives.

    ``judged``: the models that get figures and subgroups (all by default; rows of short-cut baselines need none);
    ``pairs``: (model, the same with true landmarks); ``spacing`` (n, 2) mm, read from the films by default.
    """
    names = [name for name in (list(study.models) if judged is None else judged) if study.judged(name).any()]
    known = study.of(names)
    located = landmarks.errors(known, landmarks.spacings(study.cohort) if spacing is None else spacing)
    error = {name: found.of_film for name, found in located.items()}
    sections = [
        _models(study, names),
        _patients(study, names),
        _compared(study, pairs),
        _landmarks(known, located, pairs),
        _uncertainty(study, known),
        _parts(study, known, error),
        _cohort(study),
    ]
    return Contents(
        sections=tuple(section for section in sections if section.tables or section.drawings),
        left_out=tuple(_left_out(study, located)),
        landmark_error=error,
    )


def _models(study: Study, names: Sequence[str]) -> Section:
    drawn = [figures.roc(study, names)] if names else []
    drawn += [figures.agreement(study, name, number) for number, name in enumerate(names, start=1)]
    made = (tables.overview(study), tables.table_one(study), tables.details(study), tables.table_two(study))
    return Section(key="models", title="Agreement with DXA", tables=made, drawings=tuple(drawn))


def _patients(study: Study, names: Sequence[str]) -> Section:
    drawn = tuple(figures.by_count(study, name, number) for number, name in enumerate(names, start=1))
    made = (tables.table_three(study), tables.by_count(study), tables.refusals(study))
    return Section(key="patients", title="Patients and refusals", tables=made, drawings=drawn)


def _compared(study: Study, pairs: Pairs) -> Section:
    made = (comparison.table(study),) if len(study.models) - len(pairs) > 1 else ()
    return Section(key="comparison", title="Model against model", tables=made)


def _landmarks(known: Study, located: dict[str, landmarks.Errors], pairs: Pairs) -> Section:
    made: list[Table] = []
    if located:
        made += [landmarks.table(known, located), landmarks.table_by_name(known, located)]
    judged = [pair for pair in pairs if all(name in known.models for name in pair)]
    if judged:
        made.append(comparison.cost_of_landmarks(known, judged))
    drawn = (figures.landmark_errors(located),) if located else ()
    return Section(key="landmarks", title="Landmarks", tables=tuple(made), drawings=drawn)


def _uncertainty(study: Study, known: Study) -> Section:
    sure = [name for name, found in known.models.items() if found.sd is not None]
    drawn = tuple(figures.coverage(study, name, number) for number, name in enumerate(sure, start=1))
    made: tuple[Table, ...] = (uncertainty.calibration_table(study),)
    if sure:
        made = (uncertainty.coverage_table(study.of(sure)), *made)
    return Section(key="uncertainty", title="Calibration and uncertainty", tables=made, drawings=drawn)


def _parts(study: Study, known: Study, error: dict[str, Floats]) -> Section:
    with_ages = bool(np.isfinite(study.ages).any()) and any(sex in ("F", "M") for sex in study.sexes)
    made = (subgroups.subgroups(known, error), worst.table(known, error)) if known.models else ()
    if not with_ages or not known.models:
        return Section(key="parts", title="Parts of the cohort", tables=made)
    drawn = tuple(figures.errors_by_age(known, name, number) for number, name in enumerate(known.models, start=1))
    return Section(
        key="parts", title="Parts of the cohort", tables=(*made, population.errors_by_age(known)), drawings=drawn
    )


def _cohort(study: Study) -> Section:
    with_ages = bool(np.isfinite(study.ages).any()) and any(sex in ("F", "M") for sex in study.sexes)
    made = (population.between_vertebrae(study),)
    if not with_ages:
        return Section(key="cohort", title="The cohort", tables=made)
    return Section(
        key="cohort",
        title="The cohort",
        tables=(population.bmd_by_age(study), *made),
        drawings=(figures.bmd_by_age(study),),
    )


def _left_out(study: Study, located: dict[str, landmarks.Errors]) -> Iterator[str]:
    """What is missing from the page, and what the cohort or a model would have to bring."""
    for name in study.models:
        if not study.judged(name).any():
            yield f"{name} refused every film: it has no figures."
    if not np.isfinite(landmarks.true_points(study.cohort)).any():
        yield "Landmark errors: the cohort has no landmarks.csv."
    elif not located:
        yield "Landmark errors: no model looked for landmarks."
    if not np.isfinite(study.ages).any():
        yield "Figures 4 and 8, subgroups by age: dxa.csv gives no age."
    elif not any(sex in ("F", "M") for sex in study.sexes):
        yield "Figures 4 and 8: dxa.csv gives no sex."
    if not any(film.findings for film in study.cohort.films):
        yield "Subgroups by what films show: no manifest lists findings."
    without = int(np.isnan(study.true_t).all(axis=1).sum())
    if without:
        yield f"T-scores of {without} films: no BMD, or no row of {study.reference.name} for the patient's sex."
    never = [name for index, name in enumerate(VERTEBRAE) if not np.isfinite(study.truth[:, index]).any()]
    if never:
        yield f"{', '.join(never)}: never measured by DXA in this cohort."
