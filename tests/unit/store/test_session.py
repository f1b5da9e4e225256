"""Transactions, migrations, and what the database's failures become."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import sqlite3
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from builders import NOW, an_instance
from sqlalchemy.dialects import sqlite
from unit.store.migrating import indexes, migrate_down

from screening_node.errors import DiskFull, Misconfigured, StoreUnavailable
from screening_node.store import alarms, records
from screening_node.store import tables as t
from screening_node.store.session import Store, translate
from screening_node.store.tables import metadata


def patient_keys(store: Store) -> list[str]:
    with store.read() as tx:
        return list(tx.execute(sa.select(t.patients.c.patient_key)).scalars())


def test_migrations_build_the_tables(store: Store) -> None:
    with store.read() as tx:
        assert compare_metadata(MigrationContext.configure(tx), metadata) == []


def test_migrating_twice_changes_nothing(store: Store) -> None:
    with store.begin() as tx:
        alarms.ensure_patient(tx, "p", NOW)
    store.migrate()
    assert patient_keys(store) == ["p"]


def test_the_index_on_the_results_time_comes_and_goes(store: Store) -> None:
    assert "ix_results_created_at" in indexes(store, "results")
    migrate_down(store, "0002")
    assert "ix_results_created_at" not in indexes(store, "results")
    store.migrate()
    assert "ix_results_created_at" in indexes(store, "results")


def test_what_was_judged_since_some_time_is_found_by_the_index(store: Store) -> None:
    since = sa.select(sa.func.count()).select_from(t.results).where(t.results.c.created_at >= NOW)
    sql = str(since.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
    with store.read() as tx:
        plan = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}").all()
    assert "ix_results_created_at" in str(plan)


def test_migrations_of_two_nodes_take_turns(tmp_path: Path) -> None:
    stores = [Store(f"sqlite:///{tmp_path / 'new' / 'node.db'}") for _ in range(3)]
    failures: list[Exception] = []

    def migrate(store: Store) -> None:
        try:
            store.migrate()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=migrate, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert patient_keys(stores[0]) == []
    for store in stores:
        store.close()


def test_a_database_of_a_newer_version_is_refused(store: Store) -> None:
    with store.begin() as tx:
        tx.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Misconfigured, match="newer version"):
        store.migrate()


def test_wal_full_sync_and_foreign_keys(store: Store) -> None:
    with store.read() as tx:
        pragmas = [tx.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    assert pragmas == ["wal", 2]
    with pytest.raises(sa.exc.IntegrityError), store.begin() as tx:
        tx.execute(t.jobs.insert().values(exam_id=99, state="queued", priority=0, attempt=0, failures=0,
                                          interruptions=0, not_before=NOW, requested_at=NOW))  # fmt: skip


def test_an_exception_rolls_back(store: Store) -> None:
    def fail_half_way() -> None:
        with store.begin() as tx:
            alarms.ensure_patient(tx, "p", NOW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert patient_keys(store) == []


def test_writers_exclude_each_other_from_their_first_line(store: Store) -> None:
    inside, overlaps, total = 0, 0, 0

    def write(number: int) -> None:
        nonlocal inside, overlaps, total
        for _ in range(5):
            with store.begin() as tx:
                inside += 1
                overlaps += inside > 1
                alarms.ensure_patient(tx, f"{number}-{total}", NOW)
                total += 1
                inside -= 1

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert overlaps == 0
    assert len(patient_keys(store)) == total == 20


def test_readers_see_a_snapshot_and_wait_for_nobody(store: Store) -> None:
    with store.begin() as writing:
        alarms.ensure_patient(writing, "p", NOW)
        assert patient_keys(store) == []
    with store.read() as reading:
        assert reading.execute(sa.select(sa.func.count()).select_from(t.patients)).scalar() == 1
        with store.begin() as writing:
            alarms.ensure_patient(writing, "q", NOW)
        assert reading.execute(sa.select(sa.func.count()).select_from(t.patients)).scalar() == 1


def test_a_locked_database(store: Store, tmp_path: Path) -> None:
    impatient = Store(f"sqlite:///{tmp_path / 'node.db'}", busy_seconds=0.05)
    with (
        store.begin(),
        pytest.raises(StoreUnavailable, match=r"locked by another program.*Fix: Close"),
        impatient.begin(),
    ):
        pass
    with impatient.begin() as tx:  # and it mends itself
        alarms.ensure_patient(tx, "p", NOW)
    impatient.close()


def test_a_deleted_database_does_not_swallow_rows(store: Store, tmp_path: Path) -> None:
    with store.begin() as tx:
        alarms.ensure_patient(tx, "p", NOW)
    for file in tmp_path.glob("node.db*"):
        file.unlink()
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=r"gone.*Fix: Put the file back"), store.begin() as tx:
            alarms.ensure_patient(tx, "q", NOW)
    assert list(tmp_path.glob("node.db*")) == [], "an empty database must not appear by itself"


def test_a_database_put_back_is_used(store: Store, tmp_path: Path, empty_database: Path) -> None:
    with store.begin() as tx:
        alarms.ensure_patient(tx, "p", NOW)
    shutil.copy(empty_database, tmp_path / "other.db")
    for file in tmp_path.glob("node.db-*"):
        file.unlink()
    os.replace(tmp_path / "other.db", tmp_path / "node.db")
    assert patient_keys(store) == []
    with store.begin() as tx:
        alarms.ensure_patient(tx, "q", NOW)
    assert patient_keys(store) == ["q"]


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "node.db").write_bytes(b"not a database, but long enough to look like a page" * 100)
    store = Store(f"sqlite:///{tmp_path / 'node.db'}")
    with pytest.raises(StoreUnavailable, match="damaged or is no SQLite database"):
        store.migrate()
    store.close()


def test_a_full_disk(store: Store) -> None:
    with store.begin() as tx:
        pages = tx.exec_driver_sql("PRAGMA page_count").scalar()

    def fill() -> None:
        with store.begin() as tx:
            tx.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
            for number in range(1000):
                records.audit(tx, actor="a" * 500, action="fill", subject=str(number), detail={})

    with pytest.raises(DiskFull, match=r"disk is full.*Fix: Free space"):
        fill()
    with store.read() as tx:
        assert tx.execute(sa.select(sa.func.count()).select_from(t.audit)).scalar() == 0


def test_tables_that_are_not_there(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "empty.db").close()
    store = Store(f"sqlite:///{tmp_path / 'empty.db'}")
    (tmp_path / "empty.db").touch()
    with pytest.raises(StoreUnavailable, match="no tables of the node"):
        patient_keys(store)
    store.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nonsense", "cannot be read"),
        ("mysql://host/db", "no driver for mysql"),
        ("sqlite://", "must be a file"),
        ("sqlite:///:memory:", "must be a file"),
    ],
)
def test_urls_that_cannot_work(url: str, says: str) -> None:
    with pytest.raises(Misconfigured, match=says):
        Store(url)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(f"sqlite:///{tmp_path / 'file' / 'node.db'}")
    with pytest.raises(Misconfigured, match="cannot be made"):
        store.migrate()


def test_error_texts_quote_no_parameters(store: Store) -> None:
    with pytest.raises(StoreUnavailable) as caught, store.begin() as tx:
        tx.execute(sa.text("INSERT INTO nowhere VALUES (:name)"), {"name": "Secret^Name"})
    assert "Secret" not in str(caught.value)


@pytest.mark.parametrize("kind", [sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError])
def test_the_nodes_own_mistakes_stay_what_they_are(kind: type[Exception]) -> None:
    assert translate(kind("no")) is None


def test_times_keep_their_microseconds_and_are_utc(store: Store) -> None:
    east = dt.timezone(dt.timedelta(hours=8))
    moment = dt.datetime(2026, 3, 1, 20, 0, 0, 123456, tzinfo=east)
    with store.begin() as tx:
        alarms.ensure_patient(tx, "p", moment)
        kept = tx.execute(sa.select(t.patients.c.updated_at)).scalar_one()
        earlier = tx.execute(sa.select(t.patients.c.updated_at < moment + dt.timedelta(microseconds=1))).scalar_one()
    assert kept == moment
    assert kept.tzinfo is dt.UTC
    assert earlier


def test_naive_times_are_refused(store: Store) -> None:
    with pytest.raises(sa.exc.StatementError, match="aware times only"), store.begin() as tx:
        alarms.ensure_patient(tx, "p", dt.datetime(2026, 3, 1))


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'other'", "DELETE FROM audit"])
def test_the_audit_can_only_grow(store: Store, statement: str) -> None:
    with store.begin() as tx:
        records.audit(tx, actor="me", action="alarm.acknowledge", subject="alarm 1", detail={"why": "test"})
    with pytest.raises(sa.exc.IntegrityError, match="append-only"), store.begin() as tx:
        tx.exec_driver_sql(statement)
    with store.read() as tx:
        assert tx.execute(sa.select(t.audit.c.actor, t.audit.c.detail)).all() == [("me", {"why": "test"})]


def test_an_instance_survives_a_second_connection(store: Store, tmp_path: Path) -> None:
    with store.begin() as tx:
        records.record_instance(tx, an_instance())
    other = Store(f"sqlite:///{tmp_path / 'node.db'}")
    with other.read() as tx:
        assert records.exam(tx, 1).key == "1.2.3"
    other.close()
