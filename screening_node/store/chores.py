"""What is done once a day over all hosts, by whichever of them asks first."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from screening_node.store.sql import insert_if_absent
from screening_node.store.tables import chores


def take(tx: sa.Connection, name: str, day: dt.date, *, host: str, now: dt.datetime) -> bool:
    """Whether this host is to do the day's chore; False where another one took it, or did it."""
    if insert_if_absent(tx, chores, name=name, day=day, host=host, at=now) is not None:
        return True
    mine = chores.update().where(chores.c.name == name, chores.c.day < day)
    return bool(tx.execute(mine.values(day=day, host=host, at=now)).rowcount)


def last(tx: sa.Connection, name: str) -> tuple[dt.datetime, str] | None:
    """When a chore was begun last, and on which host; None where it never was."""
    row = tx.execute(sa.select(chores.c.at, chores.c.host).where(chores.c.name == name)).first()
    return None if row is None else (row.at, row.host)
