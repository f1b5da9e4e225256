"""Is the node well, and what needs a hand: a few indexed questions to the store, asked by every page.

Each trouble names what, since when, and where to look; nothing here holds patient data.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import sqlalchemy as sa

from screening_node.errors import ScreeningNodeError
from screening_node.queue.job import JobState
from screening_node.store import tables as t
from screening_node.store.alarms import AlarmState
from screening_node.store.archive import Archive
from screening_node.store.outbox import DeliveryState
from screening_node.store.session import Store

#: A film that waits longer says that nobody judges.
QUEUE_LATE = dt.timedelta(minutes=10)
#: No film for so long, where on most of the last days some came in the same hours.
_SILENCE = dt.timedelta(hours=3)
_DAYS_LOOKED_BACK = 7
_DAYS_THAT_MAKE_A_HABIT = 5
_MIB = 1024 * 1024


class Cause(StrEnum):
    """What a trouble comes from."""

    DISK = "disk"
    QUEUE = "queue"
    DESTINATION = "destination"
    UNKNOWN_DESTINATION = "unknown-destination"
    SILENCE = "silence"


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Something that keeps the node from its work; ``link`` is the page where. What waits for a hand is no trouble.

    ``cause`` and ``about`` (a destination's name) stay the same while it lasts, whatever ``text`` says. ``reason`` is
    what a destination answered.
    """

    cause: Cause
    text: str
    link: str
    grave: bool = True
    about: str = ""
    reason: str = ""

    @property
    def local(self) -> bool:
        """Whether another host of the same store may see it otherwise."""
        return self.cause in (Cause.DISK, Cause.UNKNOWN_DESTINATION)

    @property
    def whole(self) -> str:
        """The text with the reason."""
        return f"{self.text} {self.reason}".strip()


@dataclass(frozen=True, kw_only=True)
class Lane:
    """Deliveries to one destination by state, and the newest error of those that wait.

    ``to_people``: they are notifications, not reports.
    """

    destination: str
    to_people: bool
    configured: bool
    waiting: int
    parked: int
    retried: int
    error: str | None


@dataclass(frozen=True, kw_only=True)
class Wellness:
    """The node at a glance."""

    troubles: tuple[Trouble, ...]
    open_alerts: int
    new_alerts_today: int
    jobs: dict[str, int]
    oldest_waiting: dt.datetime | None
    failed: int
    last_film: dt.datetime | None
    lanes: tuple[Lane, ...]
    free_bytes: int | None
    at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))

    @property
    def waiting(self) -> int:
        """Films that are to be judged."""
        return self.jobs[JobState.QUEUED] + self.jobs[JobState.RUNNING]

    @property
    def parked(self) -> int:
        """Reports and notifications that wait for a person."""
        return sum(lane.parked for lane in self.lanes)

    @property
    def by_hand(self) -> int:
        """Films and deliveries that go no further by themselves."""
        return self.failed + self.parked


def look(store: Store, archive: Archive, destinations: tuple[str, ...], min_free_bytes: int) -> Wellness:
    """The node as it is now. Raises StoreUnavailable."""
    now = dt.datetime.now(dt.UTC)
    with store.read() as tx:
        jobs = {state: _jobs(tx, state) for state in (JobState.QUEUED, JobState.RUNNING)}
        oldest = tx.execute(_oldest_waiting(now)).scalar()
        failed = tx.execute(failed_exams()).scalar_one()
        last = tx.execute(sa.select(sa.func.max(t.exams.c.received_at))).scalar()
        lanes = tuple(_lanes(tx, destinations))
        unusual = _unusual_silence(tx, now)
        open_alerts = _count(tx, t.alarms.c.state == AlarmState.OPEN)
        new = _count(tx, t.alarms.c.opened_at >= midnight(now))
    free = _free(archive)
    troubles = (
        *_disk_troubles(free, min_free_bytes),
        *_queue_troubles(oldest, now),
        *_lane_troubles(lanes),
        *([Trouble(cause=Cause.SILENCE, text=unusual, link="/overview", grave=False)] if unusual else []),
    )
    return Wellness(
        troubles=troubles,
        open_alerts=open_alerts,
        new_alerts_today=new,
        jobs={str(state): count for state, count in jobs.items()},
        oldest_waiting=oldest,
        failed=failed,
        last_film=last,
        lanes=lanes,
        free_bytes=free,
        at=now,
    )


def midnight(now: dt.datetime) -> dt.datetime:
    """When the present day began on this machine's clock."""
    return now.astimezone().replace(hour=0, minute=0, second=0, microsecond=0)


def failed_exams() -> sa.Select[int]:
    """How many dead jobs no later job of the same exam has made up for."""
    later = t.jobs.alias("later")
    redone = sa.exists().where(later.c.exam_id == t.jobs.c.exam_id, later.c.id > t.jobs.c.id)
    return sa.select(sa.func.count()).select_from(t.jobs).where(t.jobs.c.state == JobState.DEAD, ~redone)


def _jobs(tx: sa.Connection, state: JobState) -> int:
    return int(tx.execute(sa.select(sa.func.count()).where(t.jobs.c.state == state)).scalar_one())


def _oldest_waiting(now: dt.datetime) -> sa.Select[dt.datetime]:
    """Since when the longest waiting film could have been judged."""
    return sa.select(sa.func.min(t.jobs.c.not_before)).where(
        t.jobs.c.state == JobState.QUEUED, t.jobs.c.not_before <= now
    )


def _count(tx: sa.Connection, which: sa.ColumnElement[bool]) -> int:
    return int(tx.execute(sa.select(sa.func.count()).select_from(t.alarms).where(which)).scalar_one())


def _lanes(tx: sa.Connection, configured: tuple[str, ...]) -> Iterator[Lane]:
    unfinished = (DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.PARKED)
    rows = tx.execute(
        sa.select(
            t.outbox.c.destination,
            t.outbox.c.state,
            sa.func.count().label("number"),
            sa.func.count(t.outbox.c.result_id).label("reports"),
            sa.func.count(t.outbox.c.error).label("errors"),
            sa.func.max(sa.case((t.outbox.c.error.is_not(None), t.outbox.c.id))).label("newest"),
        )
        .where(t.outbox.c.state.in_(unfinished))
        .group_by(t.outbox.c.destination, t.outbox.c.state)
    ).all()
    for name in dict.fromkeys((*configured, *sorted({row.destination for row in rows}))):
        here = [row for row in rows if row.destination == name]
        newest = max((row.newest for row in here if row.newest is not None), default=None)
        error = None if newest is None else tx.execute(sa.select(t.outbox.c.error).where(t.outbox.c.id == newest))
        yield Lane(
            destination=name,
            to_people=bool(here) and not any(row.reports for row in here),
            configured=name in configured,
            waiting=sum(row.number for row in here if row.state != DeliveryState.PARKED),
            parked=sum(row.number for row in here if row.state == DeliveryState.PARKED),
            retried=sum(row.errors for row in here if row.state != DeliveryState.PARKED),
            error=None if error is None else error.scalar(),
        )


def _unusual_silence(tx: sa.Connection, now: dt.datetime) -> str | None:
    """Words for a gap that the same hours of the last days did not have."""

    def some(end: dt.datetime) -> bool:
        between = sa.and_(t.exams.c.received_at > end - _SILENCE, t.exams.c.received_at <= end)
        return tx.execute(sa.select(t.exams.c.id).where(between).limit(1)).first() is not None

    if some(now):
        return None
    usual = sum(some(now - dt.timedelta(days=days)) for days in range(1, _DAYS_LOOKED_BACK + 1))
    hours = int(_SILENCE.total_seconds() // 3600)
    return None if usual < _DAYS_THAT_MAKE_A_HABIT else f"No film has come in for {hours} hours; usually some do."


def _free(archive: Archive) -> int | None:
    try:
        return archive.free_bytes()
    except ScreeningNodeError:
        return None


def _disk_troubles(free: int | None, wanted: int) -> Iterator[Trouble]:
    if free is None:
        text, grave = "The archive cannot be reached: no film is taken in.", True
    elif free < wanted:
        text, grave = f"The disk is full ({free // _MIB} MiB left): no film is taken in.", True
    elif free < 4 * wanted:
        text, grave = f"The disk fills: {free // _MIB} MiB left.", False
    else:
        return
    yield Trouble(cause=Cause.DISK, text=text, link="/overview", grave=grave)


def _queue_troubles(oldest: dt.datetime | None, now: dt.datetime) -> Iterator[Trouble]:
    if oldest is not None and now - oldest > QUEUE_LATE:
        minutes = int((now - oldest).total_seconds() // 60)
        text = f"Films wait to be judged, the first for {minutes} minutes."
        yield Trouble(cause=Cause.QUEUE, text=text, link="/work")


def _lane_troubles(lanes: tuple[Lane, ...]) -> Iterator[Trouble]:
    for lane in lanes:
        if lane.retried:
            yield Trouble(
                cause=Cause.DESTINATION,
                about=lane.destination,
                text=f"{lane.destination} does not take {_of(lane)}: {lane.waiting} wait.",
                reason=lane.error or "",
                link="/work",
                grave=not lane.to_people,
            )
        if lane.waiting and not lane.configured:
            yield Trouble(
                cause=Cause.UNKNOWN_DESTINATION,
                about=lane.destination,
                text=f"{_counted(lane)} for {lane.destination}, which the configuration does not name.",
                link="/work",
            )


def _of(lane: Lane) -> str:
    return "notifications" if lane.to_people else "reports"


def _counted(lane: Lane) -> str:
    return f"{lane.waiting} {_of(lane)[:-1] if lane.waiting == 1 else _of(lane)}"
