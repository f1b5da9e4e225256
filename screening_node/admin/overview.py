"""The node over the last days, counted from the store: films, alarms, refusals, how long a report takes, from where."""

from __future__ import annotations

import datetime as dt
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from screening_node.admin.wellness import midnight
from screening_node.domain.alarm import AlarmStatus
from screening_node.domain.histogram import Histogram
from screening_node.store import tables as t
from screening_node.store.session import Store

DAYS = 30
#: Newest deliveries that the durations are taken from.
_MOST_DURATIONS = 5000

#: What took a film: its modality, and maker and model.
Origin = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Day:
    """What came in and what was found on one day of this machine's clock."""

    date: dt.date
    films: int
    alerts: int

    @property
    def rate(self) -> int | None:
        """Alerts of 100 films; None on a day without films."""
        return round(100 * self.alerts / self.films) if self.films else None


@dataclass(frozen=True, kw_only=True)
class Share:
    """How often something occurred."""

    name: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Durations:
    """Seconds from a film's arrival until its report was delivered."""

    count: int
    median: float | None
    p95: float | None

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Durations:
        """Of any seconds, in any order."""
        if not seconds:
            return cls(count=0, median=None, p95=None)
        ordered = sorted(seconds)
        p95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
        return cls(count=len(ordered), median=statistics.median(ordered), p95=p95)


@dataclass(frozen=True, kw_only=True)
class Source:
    """The films that came from one kind of scanner, by their current results. ``raised``: films with an alarm."""

    modality: str
    scanner: str
    films: int
    judged: int
    refused: int
    raised: int
    durations: Durations

    @property
    def rate(self) -> float | None:
        """Films with an alarm, of 100 that were judged."""
        return 100 * self.raised / self.judged if self.judged else None


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The last days. ``scores``: each judged film's mean BMD."""

    days: tuple[Day, ...]
    refusals: tuple[Share, ...]
    categories: tuple[Share, ...]
    sources: tuple[Source, ...]
    durations: Durations
    scores: Histogram

    @property
    def films(self) -> int:
        """Films of all days."""
        return sum(day.films for day in self.days)

    @property
    def alerts(self) -> int:
        """Alerts of all days."""
        return sum(day.alerts for day in self.days)


def look(store: Store, *, days: int = DAYS) -> Overview:
    """The last ``days`` days, today included. Raises StoreUnavailable."""
    now = dt.datetime.now(dt.UTC)
    today = now.astimezone().date()
    dates = [today - dt.timedelta(days=back) for back in reversed(range(days))]
    since = _begins(dates[0])
    with store.read() as tx:
        durations = _durations(tx, since)
        return Overview(
            days=tuple(
                Day(
                    date=date,
                    films=_between(tx, t.exams.c.received_at, date),
                    alerts=_between(tx, t.alarms.c.opened_at, date),
                )
                for date in dates
            ),
            refusals=_shares(tx, t.results.c.refusal_code, t.results.c.created_at >= since),
            categories=_shares(tx, t.results.c.category, t.results.c.created_at >= since),
            sources=tuple(_sources(tx, since, durations)),
            durations=Durations.of([seconds for each in durations.values() for seconds in each]),
            scores=_scores(tx, since),
        )


def _begins(date: dt.date) -> dt.datetime:
    """When a day begins on this machine's clock; days of 23 and 25 hours are counted right."""
    return midnight(dt.datetime.combine(date, dt.time(12)).astimezone())


def _between(tx: sa.Connection, column: sa.Column[dt.datetime], date: dt.date) -> int:
    during = sa.and_(column >= _begins(date), column < _begins(date + dt.timedelta(days=1)))
    return int(tx.execute(sa.select(sa.func.count()).where(during)).scalar_one())


def _shares(tx: sa.Connection, column: sa.Column[str], which: sa.ColumnElement[bool]) -> tuple[Share, ...]:
    count = sa.func.count().label("count")
    statement = sa.select(column.label("name"), count).where(column.is_not(None), t.results.c.current, which)
    rows = tx.execute(statement.group_by(column).order_by(count.desc(), column))
    return tuple(Share(name=row[0], count=row[1]) for row in rows)


def _origin(modality: str | None, scanner: str | None) -> Origin:
    return modality or "unknown", scanner or "unknown"


def _sources(tx: sa.Connection, since: dt.datetime, durations: dict[Origin, list[float]]) -> Iterator[Source]:
    """By modality and scanner, those with most films first."""
    exams, results, count = t.exams.c, t.results.c, sa.func.count().label("films")
    statement = (
        sa.select(
            exams.modality,
            exams.scanner,
            count,
            sa.func.count(results.category).label("judged"),
            sa.func.count(results.refusal_code).label("refused"),
            sa.func.count(sa.case((results.alarm_status == AlarmStatus.RAISED, 1))).label("raised"),
        )
        .select_from(t.exams)
        .outerjoin(t.results, sa.and_(results.exam_id == exams.id, results.current))
        .where(exams.received_at >= since)
        .group_by(exams.modality, exams.scanner)
        .order_by(count.desc(), exams.modality, exams.scanner)
    )
    for row in tx.execute(statement):
        modality, scanner = _origin(row.modality, row.scanner)
        yield Source(
            modality=modality,
            scanner=scanner,
            films=row.films,
            judged=row.judged,
            refused=row.refused,
            raised=row.raised,
            durations=Durations.of(durations.get((modality, scanner), [])),
        )


def _durations(tx: sa.Connection, since: dt.datetime) -> dict[Origin, list[float]]:
    """Seconds from arrival to delivery of first reports, by what took the film."""
    rows = tx.execute(
        sa.select(t.exams.c.received_at, t.outbox.c.delivered_at, t.exams.c.modality, t.exams.c.scanner)
        .select_from(t.outbox)
        .join(t.results, t.results.c.id == t.outbox.c.result_id)
        .join(t.exams, t.exams.c.id == t.results.c.exam_id)
        .where(t.outbox.c.delivered_at >= since, t.results.c.revision == 1)
        .order_by(t.outbox.c.delivered_at.desc())
        .limit(_MOST_DURATIONS)
    )
    found: dict[Origin, list[float]] = defaultdict(list)
    for received, delivered, modality, scanner in rows:
        found[_origin(modality, scanner)].append((delivered - received).total_seconds())
    return found


def _scores(tx: sa.Connection, since: dt.datetime) -> Histogram:
    """Mean BMD of each film that was judged."""
    results = t.results.c
    # Result by result: a grouped join would read the estimates of all times.
    mean = sa.select(sa.func.avg(t.estimates.c.bmd)).where(t.estimates.c.result_id == results.id).scalar_subquery()
    judged = sa.and_(results.created_at >= since, results.current, results.category.is_not(None))
    return Histogram.of(value for value in tx.execute(sa.select(mean).where(judged)).scalars() if value is not None)


def refusals(store: Store, *, days: int = DAYS) -> tuple[Share, ...]:
    """The reasons of the refusals of the last days, the most frequent first. Raises StoreUnavailable."""
    since = dt.datetime.now(dt.UTC) - dt.timedelta(days=days)
    with store.read() as tx:
        return _shares(tx, t.results.c.refusal_code, t.results.c.created_at >= since)
