"""What SQLite cannot show: several writers at once, a server that goes away."""

from __future__ import annotations

import datetime as dt
import threading

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from builders import NOW, an_instance
from postgresql_server import PostgresqlServer
from unit.store.migrating import indexes, migrate_down

from screening_node.errors import Misconfigured, StoreUnavailable
from screening_node.queue import queue
from screening_node.store import alarms, records
from screening_node.store import tables as t
from screening_node.store.records import Recorded
from screening_node.store.session import Store

pytestmark = pytest.mark.parametrize("store", ["postgresql"], indirect=True)


def fill(store: Store, films: int) -> None:
    with store.begin() as tx:
        for number in range(films):
            records.record_instance(tx, an_instance(f"1.{number}"))


def test_migrations_build_the_tables(store: Store) -> None:
    with store.read() as tx:
        assert compare_metadata(MigrationContext.configure(tx), t.metadata) == []
    store.migrate()


def test_the_index_on_the_results_time_comes_and_goes(store: Store) -> None:
    migrate_down(store, "0002")
    assert "ix_results_created_at" not in indexes(store, "results")
    store.migrate()
    assert "ix_results_created_at" in indexes(store, "results")


def test_a_claim_skips_what_another_claims_at_the_same_moment(store: Store) -> None:
    fill(store, 4)
    with store.begin() as tx:
        tx.execute(sa.select(t.jobs.c.id).where(t.jobs.c.id <= 2).with_for_update())
        claimed = queue.claim(store, "me", 10, 60.0, now=NOW)
    assert [job.id for job in claimed] == [3, 4]


def test_two_senders_of_one_film_at_the_same_moment(store: Store) -> None:
    answers: list[Recorded] = []
    ready = threading.Barrier(4)

    def send() -> None:
        ready.wait()
        with store.begin() as tx:
            answers.append(records.record_instance(tx, an_instance()))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [Recorded.DUPLICATE] * 3 + [Recorded.STORED]
    with store.read() as tx:
        for table in (t.instances, t.exams, t.jobs):
            assert tx.execute(sa.select(sa.func.count()).select_from(table)).scalar() == 1


def test_a_locked_patient_makes_others_wait(store: Store) -> None:
    with store.begin() as tx:
        alarms.ensure_patient(tx, "p", NOW)
    order: list[str] = []
    waiting = threading.Event()

    def second() -> None:
        with store.begin() as tx:
            waiting.set()
            alarms.lock_patient(tx, "p")
            order.append("second")

    with store.begin() as tx:
        alarms.lock_patient(tx, "p")
        thread = threading.Thread(target=second)
        thread.start()
        waiting.wait()
        thread.join(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'other'", "DELETE FROM audit", "TRUNCATE audit"])
def test_the_audit_can_only_grow(store: Store, statement: str) -> None:
    with store.begin() as tx:
        records.audit(tx, actor="me", action="test", subject="1", detail={})
    with pytest.raises(sa.exc.IntegrityError, match="append-only"), store.begin() as tx:
        tx.exec_driver_sql(statement)


def test_readers_cannot_write(store: Store) -> None:
    with pytest.raises(StoreUnavailable), store.read() as tx:
        alarms.ensure_patient(tx, "p", NOW)


def test_times_come_back_in_utc(store: Store) -> None:
    east = dt.timezone(dt.timedelta(hours=8))
    with store.begin() as tx:
        alarms.ensure_patient(tx, "p", dt.datetime(2026, 3, 1, 20, 0, 0, 123456, tzinfo=east))
        kept = tx.execute(sa.select(t.patients.c.updated_at)).scalar_one()
    assert kept == dt.datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=dt.UTC)
    assert kept.tzinfo is dt.UTC


def test_a_server_that_goes_away_and_comes_back(store: Store, postgresql: PostgresqlServer) -> None:
    fill(store, 1)
    with store.read() as tx:
        name = tx.execute(sa.text("SELECT current_database()")).scalar_one()
    other = Store(postgresql.database())
    kill = sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")

    def work() -> None:
        with store.begin() as tx:
            with other.begin() as killer:
                killer.execute(kill, {"name": name})
            alarms.ensure_patient(tx, "p", NOW)

    with pytest.raises(StoreUnavailable, match="does not answer"):
        work()
    other.close()
    with store.begin() as tx:  # the pool found a new connection
        assert records.exam(tx, 1).key == "1.0"


def test_a_server_that_is_not_there(store: Store) -> None:
    nowhere = Store("postgresql+psycopg://node@127.0.0.1:1/node")
    with pytest.raises(StoreUnavailable):
        nowhere.migrate()


def test_a_driver_that_is_not_installed(store: Store) -> None:
    with pytest.raises(Misconfigured, match="driver postgresql\\+asyncpg is not installed"):
        Store("postgresql+asyncpg://host/node")
