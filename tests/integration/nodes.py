"""An intake that runs on a thread of the test, and ways to look at what it kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from factory import make_dx
from integration import peers
from integration.modality import modality

from screening_node.imaging.header import patient_of
from screening_node.intake.scp import IntakeConfig, run_intake
from screening_node.intake.statuses import IntakeStatus as Status
from screening_node.pathways.registry import route
from screening_node.store import tables
from screening_node.store.archive import Archive
from screening_node.store.session import Store


@dataclass(frozen=True, kw_only=True)
class RunningIntake:
    """An intake on loopback with its store and archive, and ways to look at what it kept."""

    port: int
    ae_title: str
    store: Store
    archive: Archive

    def rows(self, table: sa.Table) -> list[Any]:
        """All rows of a table."""
        with self.store.read() as tx:
            return list(tx.execute(sa.select(table)).all())

    def kept(self) -> dict[str, bytes]:
        """What is acknowledged: the file of every instance by its SOP Instance UID."""
        return {row.sop_instance_uid: self.archive.path(row.path).read_bytes() for row in self.rows(tables.instances)}

    def jobs(self) -> int:
        """How many judgements are owed."""
        return len(self.rows(tables.jobs))

    def audited(self) -> list[tuple[str, str]]:
        """Action and named status of every audit row of the intake."""
        rows = [row for row in self.rows(tables.audit) if row.action.startswith("intake.")]
        return [(row.action, row.detail["name"]) for row in rows]

    def spooled(self) -> list[Path]:
        """Files that are still in the spool folder."""
        return sorted((self.archive.root / "incoming").iterdir())


IntakeRunner = Callable[..., AbstractContextManager[RunningIntake]]

#: Short, so that tests of silent and stalling senders are over soon.
QUICK_INTAKE = IntakeConfig(
    ae_title="NODE",
    host="127.0.0.1",
    port=0,
    network_timeout=2.0,
    idle_timeout=1.0,
    drain_seconds=0.5,
    min_free_bytes=0,
)


@contextmanager
def running_intake(store: Store, archive: Archive, **settings: Any) -> Iterator[RunningIntake]:
    """An intake on a thread; stopped, and gone, on exit."""
    stop, ready, port = threading.Event(), threading.Event(), [0]

    def listening(at: int) -> None:
        port[0] = at
        ready.set()

    config = replace(QUICK_INTAKE, **settings)
    thread = threading.Thread(target=run_intake, args=(config, store, archive, route, patient_of, stop, listening))
    thread.start()
    try:
        assert ready.wait(10)
        yield RunningIntake(port=port[0], ae_title=config.ae_title, store=store, archive=archive)
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def assert_serves(node: RunningIntake) -> None:
    """A good film is taken."""
    film = make_dx()
    with modality(node.port) as sender:
        assert sender.store_dataset(film) == Status.SUCCESS
    assert film.SOPInstanceUID in node.kept()


def assert_clean(node: RunningIntake) -> None:
    """One job for each kept film, no half file, and no file that no row names."""
    assert node.jobs() == len(node.kept())
    peers.wait_until(lambda: node.spooled() == [])
    assert sorted(node.archive.kept()) == sorted(row.path for row in node.rows(tables.instances))
