"""Once a day: what came in, what was found, what was refused and why, what is not delivered, what is wrong."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from screening_node.admin.wellness import Wellness
from screening_node.delivery.notification import Message
from screening_node.notifications.postbox import Postbox
from screening_node.notifications.topics import Topic
from screening_node.notifications.wording import Writer
from screening_node.store import tables as t


@dataclass(frozen=True, kw_only=True)
class Hour:
    """When the digest is due: a time of day on the clocks of a time zone, ``zone`` with its summer time."""

    hour: int
    minute: int
    zone: dt.tzinfo

    def due(self, now: dt.datetime) -> dt.datetime:
        """The last time that it was due, ``now`` included."""
        date = now.astimezone(self.zone).date()
        today = self._at(date)
        return today if today <= now else self._at(date - dt.timedelta(days=1))

    def before(self, due: dt.datetime) -> dt.datetime:
        """The time due before that one: 23, 24 or 25 hours earlier."""
        return self._at(due.astimezone(self.zone).date() - dt.timedelta(days=1))

    def _at(self, date: dt.date) -> dt.datetime:
        local = dt.datetime.combine(date, dt.time(self.hour, self.minute), tzinfo=self.zone)
        return local.astimezone(dt.UTC)


@dataclass(frozen=True, kw_only=True)
class Day:
    """What was counted from ``start`` up to ``end``."""

    start: dt.datetime
    end: dt.datetime
    films: int
    judged: int
    alarms: int
    refusals: tuple[tuple[str, int], ...]


@dataclass(frozen=True, kw_only=True)
class Digest:
    """Writes the digest of a day into the outbox; one a day and channel, however many processes try."""

    postbox: Postbox
    writer: Writer
    look: Callable[[], Wellness]
    hour: Hour
    clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)

    def write(self) -> bool:
        """Owe the last digest that was due, unless it is; whether it was written. Raises StoreUnavailable or DiskFull.

        So a node that was away at the hour writes it when it is back.
        """
        now = self.clock()
        due = self.hour.due(now)
        name = f"digest/{due.astimezone(self.hour.zone).date().isoformat()}"
        have = self._owed(name)
        if set(self.postbox.audience.get(Topic.DIGEST, ())) <= have:
            return False
        message = self._message(self._counted(self.hour.before(due), due), self.look())
        return self.postbox.post(Topic.DIGEST, name, message, now=now, but=have)

    def _owed(self, name: str) -> set[str]:
        channels = sa.select(t.outbox.c.destination).where(
            t.outbox.c.destination.in_(self.postbox.audience.get(Topic.DIGEST, ())),
            t.outbox.c.sop_instance_uid == name,
        )
        with self.postbox.store.read() as tx:
            return set(tx.execute(channels).scalars())

    def _counted(self, start: dt.datetime, end: dt.datetime) -> Day:
        def during(column: sa.Column[dt.datetime]) -> sa.ColumnElement[bool]:
            return sa.and_(column >= start, column < end)

        created = sa.and_(t.results.c.current, during(t.results.c.created_at))
        count = sa.func.count().label("count")
        reasons = (
            sa.select(t.results.c.refusal_code, count)
            .where(created, t.results.c.refusal_code.is_not(None))
            .group_by(t.results.c.refusal_code)
            .order_by(count.desc(), t.results.c.refusal_code)
        )
        with self.postbox.store.read() as tx:
            return Day(
                start=start,
                end=end,
                films=_number(tx, during(t.exams.c.received_at)),
                judged=_number(tx, sa.and_(created, t.results.c.refusal_code.is_(None))),
                alarms=_number(tx, during(t.alarms.c.opened_at)),
                refusals=tuple((row[0], row[1]) for row in tx.execute(reasons)),
            )

    def _message(self, day: Day, well: Wellness) -> Message:
        start, end = (at.astimezone(self.hour.zone) for at in (day.start, day.end))
        lines = [f"From {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} ({end:%Z}):", *_of_day(day), ""]
        lines += ["Now:", *_of_now(well)]
        return self.writer.lines(f"digest of {end:%Y-%m-%d}", lines)


def _number(tx: sa.Connection, which: sa.ColumnElement[bool]) -> int:
    return int(tx.execute(sa.select(sa.func.count()).where(which)).scalar_one())


def _of_day(day: Day) -> Iterator[str]:
    yield f"- films received: {day.films}"
    yield f"- judged: {day.judged}"
    yield f"- new alarms: {day.alarms}"
    yield f"- refused: {sum(count for _, count in day.refusals)}"
    yield from (f"    {reason}: {count}" for reason, count in day.refusals)


def _of_now(well: Wellness) -> Iterator[str]:
    yield f"- alarms that nobody has acknowledged: {well.open_alerts}"
    yield f"- films that wait to be judged: {well.waiting}"
    yield f"- films that could not be judged: {well.failed}"
    for lane in well.lanes:
        if lane.waiting or lane.parked:
            what = "notifications" if lane.to_people else "reports"
            yield f"- {what} not delivered to {lane.destination}: {lane.waiting + lane.parked} ({lane.parked} parked)"
    yield from (f"- {trouble.text}" for trouble in well.troubles)
    if not well.troubles:
        yield "- no trouble"
