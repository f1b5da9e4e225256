"""The node over the last days, counted from the store: films, alarms, refusals, how long a report takes."""

from __future__ import annotations

import datetime as dt
import statistics
from dataclasses import dataclass

import sqlalchemy as sa

from screening_node.admin.wellness import midnight
from screening_node.store import tables as t
from screening_node.store.session import Store

DAYS = 30
#: Newest deliveries that the durations are taken from.
_MOST_DURATIONS = 5000


@dataclass(frozen=True, kw_only=True)
class Day:
    """What came in and what was found on one day of this machine's clock."""

    date: dt.date
    films: int
    alerts: int


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


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The last days."""

    days: tuple[Day, ...]
    refusals: tuple[Share, ...]
    categories: tuple[Share, ...]
    modalities: tuple[Share, ...]
    durations: Durations

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
            modalities=_modalities(tx, since),
            durations=_durations(tx, since),
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


def _modalities(tx: sa.Connection, since: dt.datetime) -> tuple[Share, ...]:
    count = sa.func.count().label("count")
    statement = sa.select(t.exams.c.modality, count).where(t.exams.c.received_at >= since)
    rows = tx.execute(statement.group_by(t.exams.c.modality).order_by(count.desc()))
    return tuple(Share(name=row[0] or "unknown", count=row[1]) for row in rows)


def _durations(tx: sa.Connection, since: dt.datetime) -> Durations:
    rows = tx.execute(
        sa.select(t.exams.c.received_at, t.outbox.c.delivered_at)
        .select_from(t.outbox)
        .join(t.results, t.results.c.id == t.outbox.c.result_id)
        .join(t.exams, t.exams.c.id == t.results.c.exam_id)
        .where(t.outbox.c.delivered_at >= since, t.results.c.revision == 1)
        .order_by(t.outbox.c.delivered_at.desc())
        .limit(_MOST_DURATIONS)
    )
    seconds = sorted((delivered - received).total_seconds() for received, delivered in rows)
    if not seconds:
        return Durations(count=0, median=None, p95=None)
    p95 = seconds[min(len(seconds) - 1, round(0.95 * (len(seconds) - 1)))]
    return Durations(count=len(seconds), median=statistics.median(seconds), p95=p95)


def refusals(store: Store, *, days: int = DAYS) -> tuple[Share, ...]:
    """The reasons of the refusals of the last days, the most frequent first. Raises StoreUnavailable."""
    since = dt.datetime.now(dt.UTC) - dt.timedelta(days=days)
    with store.read() as tx:
        return _shares(tx, t.results.c.refusal_code, t.results.c.created_at >= since)
