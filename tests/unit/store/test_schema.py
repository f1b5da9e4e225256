"""From every older release's tables to this one's and back, with rows in them, on both databases."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from builders import an_instance
from unit.store.migrating import ROWS_OF_0001, contents, fill_as_0001

from screening_node.admin import listings
from screening_node.errors import AlreadyRunning, Misconfigured
from screening_node.queue import queue
from screening_node.store import alarms, outbox, records, schema
from screening_node.store import tables as t
from screening_node.store.session import Store

STEPS = [step.number for step in schema.steps()]
LATER = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store without any table."""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql").empty_database()
    else:
        url = f"sqlite:///{tmp_path / 'bare.db'}"
    store = Store(url)
    yield store
    store.close()


def differences(store: Store) -> list[object]:
    with store.read() as tx:
        return list(compare_metadata(MigrationContext.configure(tx), t.metadata))


def test_the_steps_are_one_line_and_their_files_are_named_by_it() -> None:
    assert [f"{number:04}" for number in range(1, len(STEPS) + 1)] == STEPS
    assert schema.head() == STEPS[-1]
    assert all(step.title.endswith(".") for step in schema.steps())


@pytest.mark.parametrize("release", STEPS[:-1])
def test_an_older_releases_store_is_upgraded_with_every_row(bare: Store, release: str) -> None:
    bare.migrate(release)
    fill_as_0001(bare)
    before = contents(bare)
    bare.migrate()
    assert bare.tables() == schema.head()
    assert differences(bare) == []
    after = contents(bare)
    for name, rows in before.items():
        assert [{key: row[key] for key in rows[0]} for row in after[name]] == rows, name
    assert all(len(rows) == 1 for rows in after.values())


def test_an_upgraded_store_works(bare: Store) -> None:
    bare.migrate("0001")
    fill_as_0001(bare)
    bare.migrate()
    with bare.begin() as tx:
        assert records.exam(tx, 1).patient.name == "Nobody^Real"
        assert records.owed(tx, 1) == {("pacs", "SR")}
        alarms.acknowledge(tx, 1, by="mia", comment=None, now=LATER, version=0)
        job = queue.enqueue(tx, 1, now=LATER)
        records.record_instance(tx, an_instance("1.9"))
    assert [one.id for one in queue.claim(bare, "me", 5, 60.0, now=LATER)] == [job, 3]
    assert [one.id for one in outbox.claim_due(bare, "pacs", "me", LATER, 5, 60.0)] == [1]
    assert [row["patient_name"] for row in listings.alerts(bare)] == ["Nobody^Real"]


@pytest.mark.parametrize("release", STEPS[:-1])
def test_down_to_an_older_release_and_up_again_keeps_what_it_knew(bare: Store, release: str) -> None:
    bare.migrate(release)
    fill_as_0001(bare)
    before = contents(bare)
    bare.migrate()
    bare.migrate(release)
    assert bare.tables() == release
    assert contents(bare) == before
    bare.migrate()
    assert differences(bare) == []


def test_the_audit_stays_append_only_on_every_step(bare: Store) -> None:
    for step in [*STEPS, *reversed(STEPS)]:
        bare.migrate(step)
        if step == STEPS[0]:
            with bare.begin() as tx:
                records.audit(tx, actor="me", action="test", subject="1", detail={})
        with pytest.raises(sa.exc.IntegrityError, match="append-only"), bare.begin() as tx:
            tx.exec_driver_sql("UPDATE audit SET actor = 'other'")


def test_unknown_tables_are_refused(bare: Store) -> None:
    bare.migrate()
    with pytest.raises(Misconfigured, match="no tables 0000"):
        bare.migrate("0000")
    assert bare.tables() == schema.head()


def test_a_store_that_is_not_there_has_no_tables(bare: Store) -> None:
    assert bare.tables() is None


_OTHER_VERSION = """
import sys
from screening_node.store import schema
schema.head = lambda: "{tables}"
from screening_node.store.session import Store
with Store(sys.argv[1]).read():
    print("connected", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_nothing_is_changed_under_a_node_of_another_version(store: Store) -> None:
    url = f"postgresql+psycopg://{_address(store)}"
    command = [sys.executable, "-c", _OTHER_VERSION.format(tables="0003"), url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "connected\n"
        store.migrate()  # nothing is to be done, so nobody is in the way
        with pytest.raises(AlreadyRunning, match=rf"version \S+ on tables 0003 \({other.pid}@"):
            store.migrate("0002")
        assert store.tables() == schema.head()
        other.communicate("")
    store.migrate("0002")
    assert store.tables() == "0002"


def _address(store: Store) -> str:
    with store.read() as tx:
        port, name = tx.execute(sa.text("SELECT inet_server_port(), current_database()")).one()
    return f"node@127.0.0.1:{port}/{name}"


def test_a_process_names_itself_within_what_the_server_keeps() -> None:
    assert len(schema.connection_name()) <= 63
    assert f"tables {schema.head()} {os.getpid()}@" in schema.connection_name()
    assert set(ROWS_OF_0001) <= set(t.metadata.tables)
