"""Is the store in order, and make it smaller: what ``screening-node store check`` and ``vacuum`` do."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from screening_node.errors import Misconfigured, StoreUnavailable
from screening_node.store.archive import Archive
from screening_node.store.orphans import orphans
from screening_node.store.session import Store
from screening_node.store.tables import instances, outbox

_AT_ONCE = 1000


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that is not as it should be. ``harmless``: it costs space and nothing else."""

    what: str
    where: str
    harmless: bool = False


def faults(store: Store, archive: Archive) -> Iterator[Fault]:
    """What is wrong, as it is found: the database, files that rows name and that are gone, files that no row names."""
    yield from _faults_of_database(store)
    yield from (Fault(what="file is missing", where=path) for path in _missing(store, archive))
    yield from (Fault(what="file without a row", where=path, harmless=True) for path in orphans(store, archive))


def vacuum(store: Store) -> None:
    """Write the database anew without what deleted rows held; writers wait meanwhile.

    Raises StoreUnavailable, or Misconfigured where the database is a server's, which does it by itself.
    """
    if store.file is None:
        raise Misconfigured("The database is a server's.", fix="Leave it to its autovacuum, or run vacuumdb.")
    try:
        with contextlib.closing(sqlite3.connect(store.file, timeout=30, isolation_level=None)) as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("PRAGMA optimize")
    except sqlite3.Error as error:
        raise StoreUnavailable(
            "The database is in use, or the disk is too full to write it anew.", fix="Try again when it is quiet."
        ) from error


def fold(store: Store) -> None:
    """Write the log beside an SQLite file into the file, and empty it, unless somebody reads at the moment."""
    if store.file is None:
        return
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(store.file, timeout=30)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _faults_of_database(store: Store) -> Iterator[Fault]:
    if store.file is None:  # a database server checks its own pages
        return
    with store.read() as tx:
        for (line,) in tx.execute(sa.text("PRAGMA integrity_check")):
            if line != "ok":
                yield Fault(what="database", where=str(line))
        for table, row, parent, _ in tx.execute(sa.text("PRAGMA foreign_key_check")):
            yield Fault(what="database", where=f"row {row} of {table} names a row of {parent} that is not there")


def _missing(store: Store, archive: Archive) -> Iterator[str]:
    for table in (instances, outbox):
        last = 0
        while rows := _after(store, table, last):
            last = rows[-1][0]
            yield from (path for _, path in rows if not archive.path(path).is_file())


def _after(store: Store, table: sa.Table, last: int) -> list[tuple[int, str]]:
    """The next rows, in short reads: a snapshot of hours would keep the WAL from being folded."""
    statement = sa.select(table.c.id, table.c.path).where(table.c.id > last).order_by(table.c.id).limit(_AT_ONCE)
    if table is instances:
        statement = statement.where(instances.c.removed_at.is_(None))
    with store.read() as tx:
        return [(int(number), str(path)) for number, path in tx.execute(statement)]
