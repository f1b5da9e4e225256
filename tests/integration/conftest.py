"""Fixtures of tests over real associations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from integration import peers
from integration.nodes import IntakeRunner, RunningIntake, running_intake

from screening_node.store.archive import Archive
from screening_node.store.session import Store


@pytest.fixture
def run_an_intake(store: Store, archive: Archive) -> IntakeRunner:
    """A context manager that runs an intake with settings of one's own."""
    return lambda **settings: running_intake(store, archive, **settings)


@pytest.fixture
def intake(run_an_intake: IntakeRunner) -> Iterator[RunningIntake]:
    """A running intake."""
    with run_an_intake() as running:
        yield running


@pytest.fixture(scope="session")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[peers.Orthanc]:
    """One Orthanc for the whole run; tests tell their objects apart by UID."""
    with peers.orthanc(tmp_path_factory.mktemp("orthanc")) as running:
        yield running


@pytest.fixture
def storescp(tmp_path: Path) -> Iterator[peers.StoreScp]:
    """A DCMTK storescp with an empty folder."""
    with peers.storescp(tmp_path / "storescp") as running:
        yield running
