"""What tests of several rooms share: a store, an archive."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration import peers
from postgresql_server import PostgresqlServer

from screening_node.store.archive import Archive
from screening_node.store.session import Store


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy: migrating anew for each test would take most of its time."""
    file = tmp_path_factory.mktemp("database") / "node.db"
    store = Store(f"sqlite:///{file}")
    store.migrate()
    with store.begin() as tx:
        tx.exec_driver_sql("SELECT 1")
    store.close()  # the last connection folds the WAL into the file
    return file


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A migrated store of the test's own: SQLite at tmp_path/node.db, or PostgreSQL where a module asks for it."""
    kind = getattr(request, "param", "sqlite")
    if kind == "postgresql":
        url = request.getfixturevalue("postgresql").database()
    else:
        shutil.copy(request.getfixturevalue("empty_database"), tmp_path / "node.db")
        url = f"sqlite:///{tmp_path / 'node.db'}"
    opened = Store(url, busy_seconds=10.0)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresqlServer]:
    """A PostgreSQL server of the tests' own, on a loopback port, in a temporary folder."""
    reason = PostgresqlServer.why_not()
    if reason is not None:
        peers.missing(reason)
    with PostgresqlServer.running() as server:
        yield server


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """An empty archive at tmp_path/archive."""
    return Archive(tmp_path / "archive")
