"""What STOW-RS answers 200 is kept, whenever the process dies; what it needs does not grow with what it takes."""

from __future__ import annotations

import http.client
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa
from factory import make_dx, to_bytes
from integration import peers
from integration.stow_sender import post, related

from screening_node.store import tables
from screening_node.store.archive import Archive
from screening_node.store.session import Store

PROGRAM = Path(__file__).parents[1] / "stow_process.py"


@contextmanager
def stow_process(store: Store, archive: Archive, crash: str = "") -> Iterator[tuple[int, subprocess.Popen[str]]]:
    command = [sys.executable, str(PROGRAM), str(store.file), str(archive.root), *([crash] if crash else [])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        try:
            yield int(process.stdout.readline()), process
        finally:
            peers.stop(process)  # type: ignore[arg-type]


def count(store: Store, table: sa.Table) -> int:
    with store.read() as tx:
        return int(tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


@pytest.mark.parametrize(("crash", "rows"), [("kept", 0), ("committed", 1)])
def test_a_crash_before_the_answer_loses_nothing_and_doubles_nothing(
    store: Store, archive: Archive, crash: str, rows: int
) -> None:
    body = related([to_bytes(make_dx(rows=300, columns=300))])
    with stow_process(store, archive, crash) as (port, dying):
        with pytest.raises((OSError, http.client.HTTPException)):
            post(port, body)
        assert dying.wait(10) == 9
    assert count(store, tables.instances) == rows
    with stow_process(store, archive) as (port, _):
        assert post(port, body).status == 200, "the sender tries again"
    assert count(store, tables.instances) == count(store, tables.jobs) == len(list(archive.kept())) == 1


def test_memory_does_not_grow_with_bodies(store: Store, archive: Archive) -> None:
    films = [to_bytes(make_dx(rows=2600, columns=2600, seed=seed)) for seed in range(2)]  # 13.5 MB each
    with stow_process(store, archive) as (port, running):
        assert post(port, related(films[:1])).status == 200
        process = psutil.Process(running.pid)
        before = process.memory_info().rss
        assert post(port, related(films * 4)).status == 200
        with ThreadPoolExecutor(3) as senders:
            assert {each.status for each in senders.map(lambda body: post(port, body), [related(films)] * 3)} == {200}
        after = process.memory_info().rss
        descriptors = process.num_fds()
    assert after < 150e6
    assert after - before < 12e6, "less than one film"
    assert descriptors < 40
