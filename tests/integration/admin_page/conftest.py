"""The admin's page with a filled store, without accounts and with one user of each role."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from admin.filled_store import fill
from admin_site import Browser, a_config, add_users, running

from screening_node.store.archive import Archive
from screening_node.store.session import Store


@pytest.fixture
def filled(store: Store) -> Store:
    fill(store)
    return store


@pytest.fixture
def site(filled: Store, archive: Archive) -> Iterator[str]:
    """A page without accounts, as a newcomer meets it."""
    with running(a_config(), filled, archive) as address:
        yield address


@pytest.fixture
def guarded(filled: Store, archive: Archive) -> Iterator[str]:
    """A page with one user of each role."""
    add_users(filled)
    with running(a_config(), filled, archive) as address:
        yield address


@pytest.fixture(scope="module")
def shown(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A page without accounts for tests that only look; started once."""
    folder = tmp_path_factory.mktemp("shown")
    store = Store(f"sqlite:///{shutil.copy(empty_database, folder / 'node.db')}")
    fill(store)
    with running(a_config(), store, Archive(folder / "archive")) as address, Browser(address) as opened:
        yield opened
    store.close()


@pytest.fixture
def browser(site: str) -> Iterator[Browser]:
    with Browser(site) as opened:
        yield opened
