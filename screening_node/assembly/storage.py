"""The database and the archive of films, and the locks that say a node works on them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from screening_node.service import single_run
from screening_node.settings import Settings
from screening_node.store import schema
from screening_node.store.session import Store

MIB = 1024 * 1024


def open_store(settings: Settings) -> Store:
    """The database with this version's tables, for a command beside the node.

    Raises AlreadyRunning where the tables are older and a node of that version still runs.
    """
    store = Store(settings.store.url.get_secret_value())
    if store.tables() in (None, schema.head()):
        store.migrate()
        return store
    with not_running(settings):
        store.migrate()
    return store


@contextmanager
def not_running(settings: Settings) -> Iterator[None]:
    """Keep a node of this host from starting on this store; AlreadyRunning where one runs."""
    with ExitStack() as held:
        for path in lock_paths(settings):
            held.enter_context(single_run(path))
        yield


@contextmanager
def opened(settings: Settings) -> Iterator[Store]:
    """The store for the length of a block; the parent process has migrated it."""
    store = Store(settings.store.url.get_secret_value())
    try:
        yield store
    finally:
        store.close()


def lock_paths(settings: Settings) -> tuple[Path, ...]:
    """The files whose locks say that a node of this host works on this archive and on this database."""
    database = Store(settings.store.url.get_secret_value()).file
    if database is None:  # a database server: other hosts share it, and perhaps the archive
        return (settings.store.archive / f"node-{socket.gethostname()}.lock",)
    return (settings.store.archive / "node.lock", database.with_name(database.name + ".lock"))
