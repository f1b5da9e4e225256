"""A patient's films over time: the lowest T-score of each, with its interval and its threshold."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from screening_node.admin import listings
from screening_node.admin.figures import OSTEOPENIA_T, OSTEOPOROSIS_T, signed
from screening_node.domain.result import Vertebra
from screening_node.domain.tscore import ReferenceTable
from screening_node.store import tables as t
from screening_node.store.session import Store

_MOST_FILMS = 50
#: A T-score that the table in force gives again to this is one of that table: then SDs can be converted by it.
_SAME_T = 0.01
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _FOOT = 560.0, 230.0, 34.0, 90.0, 12.0, 30.0
#: Labels of dates need so much room.
_LABEL = 76.0


@dataclass(frozen=True, kw_only=True)
class TrendFilm:
    """One film of the patient. ``lowest_t`` and what belongs to it are None where it was not judged.

    ``spread``: its SD as a difference of T-scores, None where it cannot be converted.
    """

    exam: int
    date: dt.date
    state: str
    refusal: str | None
    category: str | None
    lowest_t: float | None
    lowest_vertebra: str | None
    threshold: float | None
    spread: float | None
    here: bool


@dataclass(frozen=True, kw_only=True)
class TrendMark:
    """A judged film in the drawing; y runs down, ``low`` and ``high`` are where the interval ends."""

    x: float
    y: float
    low: float | None
    high: float | None
    threshold: float
    below: bool
    here: bool
    title: str


@dataclass(frozen=True, kw_only=True)
class TrendChart:
    """The drawing: bands and marks in SVG units, ticks as (place, words)."""

    width: float
    height: float
    left: float
    right: float
    top: float
    base: float
    marks: tuple[TrendMark, ...]
    bands: tuple[tuple[float, float, str], ...]  # y, height, name
    ticks: tuple[tuple[float, str], ...]
    dates: tuple[tuple[float, str], ...]
    line: str


def patient_films(store: Store, exam: int, reference: ReferenceTable) -> list[TrendFilm]:
    """The films of an exam's patient, itself among them, the newest first."""
    same = sa.select(t.exams.c.patient_key).where(t.exams.c.id == exam).scalar_subquery()
    lowest = sa.and_(t.estimates.c.result_id == t.results.c.id, t.estimates.c.vertebra == t.results.c.lowest_vertebra)
    estimate = (t.estimates.c.bmd, t.estimates.c.sd, t.estimates.c.threshold)
    statement = (
        listings.select_exams()
        .add_columns(t.results.c.lowest_t, t.results.c.lowest_vertebra, *estimate)
        .outerjoin(t.estimates, lowest)
        .where(t.exams.c.patient_key == same)
        .order_by(t.exams.c.id.desc())
        .limit(_MOST_FILMS)
    )
    films = [_film(row, exam, reference) for row in listings.rows(store, statement)]
    return sorted(films, key=lambda film: (film.date, film.exam), reverse=True)


def _film(row: Mapping[str, Any], exam: int, reference: ReferenceTable) -> TrendFilm:
    return TrendFilm(
        exam=row["id"],
        date=dt.date.fromisoformat((row["study_date"] or row["received_at"])[:10]),
        state=row["state"],
        refusal=row["refusal"],
        category=row["category"],
        lowest_t=row["lowest_t"],
        lowest_vertebra=row["lowest_vertebra"],
        threshold=row["threshold"],
        spread=_spread(row, reference),
        here=row["id"] == exam,
    )


def _spread(row: Mapping[str, Any], reference: ReferenceTable) -> float | None:
    """The estimate's SD in T-scores, where the table in force is the one that its T-score comes from."""
    if row["lowest_t"] is None or row["sd"] is None:
        return None
    own = reference.row(Vertebra(row["lowest_vertebra"]), row["sex"])
    if own is None or abs((row["bmd"] - own.mean) / own.sd - row["lowest_t"]) > _SAME_T:
        return None
    return float(row["sd"] / own.sd)


def trend_chart(films: Sequence[TrendFilm]) -> TrendChart | None:
    """The drawing of those that were judged; None for fewer than two."""
    judged = sorted((film for film in films if film.lowest_t is not None), key=lambda film: (film.date, film.exam))
    if len(judged) < 2:
        return None
    ends = [(film.lowest_t or 0.0) + sign * (film.spread or 0.0) for film in judged for sign in (-1, 1)]
    low, high = min(-4.0, *ends) - 0.2, max(0.0, *ends) + 0.3
    axis = _Axis(low=low, high=high, first=judged[0].date, last=judged[-1].date)
    marks = tuple(_mark(film, axis) for film in judged)
    return TrendChart(
        width=_WIDTH,
        height=_HEIGHT,
        left=_LEFT,
        right=_WIDTH - _RIGHT,
        top=_TOP,
        base=_HEIGHT - _FOOT,
        marks=marks,
        bands=_bands(axis),
        ticks=tuple(
            (axis.y(value), signed(value)[:2] if value else "0") for value in range(-9, 4) if low < value < high
        ),
        dates=_dates(judged, axis),
        line=" ".join(f"{mark.x},{mark.y}" for mark in marks),
    )


@dataclass(frozen=True, kw_only=True)
class _Axis:
    """T-scores upwards, days to the right."""

    low: float
    high: float
    first: dt.date
    last: dt.date

    def x(self, day: dt.date) -> float:
        span = (self.last - self.first).days or 1
        room = _WIDTH - _LEFT - _RIGHT - 60.0
        return round(_LEFT + 30.0 + room * (day - self.first).days / span, 1)

    def y(self, t_score: float) -> float:
        share = (self.high - t_score) / (self.high - self.low)
        return round(_TOP + share * (_HEIGHT - _TOP - _FOOT), 1)


def _mark(film: TrendFilm, axis: _Axis) -> TrendMark:
    assert film.lowest_t is not None
    threshold = film.lowest_t if film.threshold is None else film.threshold
    return TrendMark(
        x=axis.x(film.date),
        y=axis.y(film.lowest_t),
        low=None if film.spread is None else axis.y(film.lowest_t - film.spread),
        high=None if film.spread is None else axis.y(film.lowest_t + film.spread),
        threshold=axis.y(threshold),
        below=film.lowest_t < threshold,
        here=film.here,
        title=f"{film.date}: T {signed(film.lowest_t)} at {film.lowest_vertebra}",
    )


def _bands(axis: _Axis) -> tuple[tuple[float, float, str], ...]:
    edges = (axis.high, OSTEOPENIA_T, OSTEOPOROSIS_T, axis.low)
    names = ("normal", "osteopenia", "osteoporosis")
    ys = [axis.y(edge) for edge in edges]
    return tuple((ys[place], round(ys[place + 1] - ys[place], 1), name) for place, name in enumerate(names))


def _dates(films: Sequence[TrendFilm], axis: _Axis) -> tuple[tuple[float, str], ...]:
    """Dates below the axis, from the newest back, as many as have room."""
    shown: list[tuple[float, str]] = []
    for film in reversed(films):
        x = axis.x(film.date)
        if all(abs(x - other) >= _LABEL for other, _ in shown):
            shown.append((x, film.date.isoformat()))
    return tuple(shown)
