"""What tests of several rooms share: a store, an archive."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

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
def store(empty_database: Path, tmp_path: Path) -> Iterator[Store]:
    """A migrated SQLite store of the test's own, at tmp_path/node.db."""
    shutil.copy(empty_database, tmp_path / "node.db")
    opened = Store(f"sqlite:///{tmp_path / 'node.db'}", busy_seconds=10.0)
    yield opened
    opened.close()


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """An empty archive at tmp_path/archive."""
    return Archive(tmp_path / "archive")
