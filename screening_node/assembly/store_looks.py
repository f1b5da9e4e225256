"""What the doctor wants to know of the store's tables and of the rules of retention, without changing anything."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from screening_node.assembly.looks import Look
from screening_node.assembly.storage import opened
from screening_node.assembly.upkeep import RETENTION
from screening_node.settings import Settings
from screening_node.store import chores, schema
from screening_node.store.session import Store

_LATE = dt.timedelta(days=2)


def store(settings: Settings) -> Iterator[Look]:
    """Every look. Raises StoreUnavailable."""
    section = settings.retention
    wanted, least = section.min_free_mib, settings.intake.min_free_mib
    if wanted is not None and wanted <= least:
        yield Look(
            check="retention",
            state="warn",
            message=f"Films go below {wanted} MiB of free disk, but below {least} MiB none is taken in.",
            fix="Raise [retention] min_free_mib well above [intake] min_free_mib.",
        )
    with opened(settings) as database:
        tables = database.tables()
        if tables not in (None, schema.head()):
            yield _other_tables(tables)
        elif tables is not None and section.any_rule:
            yield _retention(database)


def _other_tables(tables: str | None) -> Look:
    return Look(
        check="store",
        state="warn",
        message=f"The store has tables {tables}; this version works with {schema.head()}.",
        fix="Stop every node on it, then: screening-node store migrate --backup FOLDER.",
    )


def _retention(database: Store) -> Look:
    with database.read() as tx:
        last = chores.last(tx, RETENTION)
    if last is None:
        return Look(check="retention", state="ok", message="The rules of retention have not been at work yet.")
    at, host = last
    message = f"The rules of retention were at work last on {at:%Y-%m-%d}, on {host}."
    if dt.datetime.now(dt.UTC) - at <= _LATE:
        return Look(check="retention", state="ok", message=message)
    fix = "Look for errors of the upkeep process in the log; serve has to run at the hour."
    return Look(check="retention", state="warn", message=message, fix=fix)
