"""What was fetched from archives, day by day, and the lease that lets one puller at a time at each of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import sqlalchemy as sa

from screening_node.errors import LeaseLost
from screening_node.store.session import Store
from screening_node.store.sql import insert_if_absent
from screening_node.store.tables import instances, pull_days, pull_leases

#: A day of which films fail so often is left as it is.
MOST_ATTEMPTS: Final = 5


class DayState(StrEnum):
    """How far a day was fetched."""

    OPEN = "open"  # begun, or broken off: the next run goes on with it
    PARTIAL = "partial"  # all was asked for, and some films did not come
    DONE = "done"


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """Films of a day: found in the archive; taken; there already; refused by the node; not given by the archive."""

    found: int = 0
    taken: int = 0
    there: int = 0
    refused: int = 0
    failed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Day:
    """One day of one source."""

    source: str
    day: dt.date
    state: DayState
    attempt: int
    counts: Counts
    error: str | None
    updated_at: dt.datetime


def take_lease(store: Store, source: str, owner: str, *, seconds: float, now: dt.datetime) -> bool:
    """Whether ``owner`` may fetch from the source now; its own lease is extended."""
    deadline = now + dt.timedelta(seconds=seconds)
    free = sa.or_(pull_leases.c.owner == owner, pull_leases.c.deadline <= now)
    with store.begin() as tx:
        if insert_if_absent(tx, pull_leases, source=source, owner=owner, deadline=deadline) is not None:
            return True
        taken = tx.execute(
            pull_leases.update().where(pull_leases.c.source == source, free).values(owner=owner, deadline=deadline)
        )
        return bool(taken.rowcount)


def holder(store: Store, source: str, *, now: dt.datetime) -> str | None:
    """Who fetches from the source now."""
    with store.read() as tx:
        running = sa.and_(pull_leases.c.source == source, pull_leases.c.deadline > now)
        return tx.execute(sa.select(pull_leases.c.owner).where(running)).scalar()


def give_back_lease(store: Store, source: str, owner: str) -> None:
    """The next one need not wait."""
    with store.begin() as tx:
        tx.execute(pull_leases.delete().where(pull_leases.c.source == source, pull_leases.c.owner == owner))


def give_back_leases(store: Store, owner_prefix: str) -> int:
    """Owners of that beginning are no more; returns how many leases they held."""
    with store.begin() as tx:
        gone = pull_leases.c.owner.startswith(owner_prefix, autoescape=True)
        return tx.execute(pull_leases.delete().where(gone)).rowcount


def _held(tx: sa.Connection, source: str, owner: str) -> None:
    """Raises LeaseLost: another one fetches, and writes down what it did."""
    mine = sa.and_(pull_leases.c.source == source, pull_leases.c.owner == owner)
    if tx.execute(sa.select(pull_leases.c.source).where(mine).with_for_update()).first() is None:
        raise LeaseLost(f"Another process fetches from {source} now.")


def begin_day(store: Store, source: str, owner: str, day: dt.date, *, now: dt.datetime) -> None:
    """A day is fetched (again). Raises LeaseLost."""
    same = sa.and_(pull_days.c.source == source, pull_days.c.day == day)
    none = dict.fromkeys(("attempt", "found", "taken", "there", "refused", "failed"), 0)
    with store.begin() as tx:
        _held(tx, source, owner)
        insert_if_absent(tx, pull_days, source=source, day=day, state=DayState.OPEN, error=None, updated_at=now, **none)
        again = {"state": DayState.OPEN, "attempt": pull_days.c.attempt + 1, "error": None, "updated_at": now}
        tx.execute(pull_days.update().where(same).values(again))


def note_day(
    store: Store,
    source: str,
    owner: str,
    day: dt.date,
    state: DayState,
    counts: Counts,
    *,
    now: dt.datetime,
    error: str | None = None,
) -> None:
    """How far the day was fetched. Raises LeaseLost."""
    values = {name: getattr(counts, name) for name in Counts.__dataclass_fields__}
    same = sa.and_(pull_days.c.source == source, pull_days.c.day == day)
    with store.begin() as tx:
        _held(tx, source, owner)
        tx.execute(pull_days.update().where(same).values(**values, state=state, error=error, updated_at=now))


def days(store: Store, source: str, *, limit: int | None = None) -> list[Day]:
    """What is written down of a source, the newest day first."""
    rows = sa.select(pull_days).where(pull_days.c.source == source).order_by(pull_days.c.day.desc()).limit(limit)
    with store.read() as tx:
        return [
            Day(
                source=row.source,
                day=row.day,
                state=DayState(row.state),
                attempt=row.attempt,
                counts=Counts(
                    found=row.found, taken=row.taken, there=row.there, refused=row.refused, failed=row.failed
                ),
                error=row.error,
                updated_at=row.updated_at,
            )
            for row in tx.execute(rows)
        ]


def still_to_fetch(store: Store, source: str, wanted: Iterable[dt.date]) -> list[dt.date]:
    """Those of the days that are not done, and not tried too often; in the order given."""
    known = {each.day: each for each in days(store, source)}

    def left(day: dt.date) -> bool:
        there = known.get(day)
        if there is None or there.state is DayState.OPEN:
            return True
        return there.state is DayState.PARTIAL and there.attempt < MOST_ATTEMPTS

    return [day for day in wanted if left(day)]


def kept(store: Store, sop_instance_uid: str) -> bool:
    """Whether the node has the instance."""
    with store.read() as tx:
        same = instances.c.sop_instance_uid == sop_instance_uid
        return tx.execute(sa.select(instances.c.id).where(same)).first() is not None
