"""From SQLite to a real PostgreSQL: every row, or none; and what works there afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from builders import NOW, OPEN, a_result, an_instance, an_outgoing
from postgresql_server import PostgresqlServer

from screening_node.admin import listings
from screening_node.errors import Misconfigured, StoreUnavailable
from screening_node.queue import queue
from screening_node.store import accounts, outbox, records
from screening_node.store import tables as t
from screening_node.store.move import Contents, contents, move
from screening_node.store.session import Store

FILMS = 1003  # more than one batch


@pytest.fixture
def filled(store: Store) -> Store:
    """Films of every kind, one of them judged, with an alarm, reports, an account and an audit."""
    with store.begin() as tx:
        for number in range(FILMS):
            records.record_instance(tx, an_instance(f"1.{number}"))
        exam = records.exam(tx, 1)
        reports = [an_outgoing("a"), an_outgoing("b")]
        records.commit_result(tx, exam=exam, job_id=1, result=a_result(-3.1), alarm=OPEN, reports=reports, now=NOW)
        accounts.create(tx, name="mia", role="admin", password_hash="hash", now=NOW)
        records.audit(tx, actor="mia", action="test", subject="1", detail={"text": "e\u0301 \u4e2d", "n": [1.5, None]})
    return store


@pytest.fixture
def target(postgresql: PostgresqlServer) -> Iterator[Store]:
    """An empty PostgreSQL database, without tables."""
    opened = Store(postgresql.empty_database())
    yield opened
    opened.close()


def everything(store: Store) -> dict[str, Contents]:
    with store.read() as tx:
        return {table.name: contents(tx, table) for table in t.metadata.sorted_tables}


def test_every_row_of_every_table_comes_over(filled: Store, target: Store) -> None:
    seen: list[Contents] = []
    before = everything(filled)
    move(filled, target, on_table=seen.append)
    assert everything(target) == before == {one.table: one for one in seen}
    assert before["exams"].rows == before["jobs"].rows == FILMS
    with filled.read() as here, target.read() as there:
        for table in t.metadata.sorted_tables:
            key = [column.name for column in table.primary_key]
            by_key = [
                sorted(
                    (dict(row._mapping) for row in tx.execute(sa.select(table))), key=lambda row: [row[k] for k in key]
                )
                for tx in (here, there)
            ]
            assert by_key[0] == by_key[1], table.name


def test_the_moved_store_works_and_goes_on_counting(filled: Store, target: Store) -> None:
    move(filled, target)
    with target.begin() as tx:
        records.record_instance(tx, an_instance("2.1"))
        assert records.exam(tx, FILMS + 1).key == "2.1"
        assert accounts.by_name(tx, "mia") is not None
    assert [job.id for job in queue.claim(target, "me", 2, 60.0, now=NOW)] == [1, 2]
    assert [one.destination for one in outbox.claim_due(target, "a", "me", NOW, 5, 60.0)] == ["a"]
    assert listings.alerts(target)[0]["lowest_t_score"] == listings.alerts(filled)[0]["lowest_t_score"]
    with pytest.raises(sa.exc.IntegrityError, match="append-only"), target.begin() as tx:
        tx.exec_driver_sql("DELETE FROM audit")


def test_the_source_is_only_read(filled: Store, target: Store, tmp_path: Path) -> None:
    with filled.begin() as tx:
        tx.exec_driver_sql("SELECT 1")
    before = hashlib.sha256((tmp_path / "node.db").read_bytes()).digest()
    move(filled, target)
    assert hashlib.sha256((tmp_path / "node.db").read_bytes()).digest() == before


def test_a_move_that_is_interrupted_leaves_nothing_and_can_be_run_again(filled: Store, target: Store) -> None:
    def pull_the_plug(done: Contents) -> None:
        if done.table == "results":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move(filled, target, on_table=pull_the_plug)
    assert {one.rows for one in everything(target).values()} == {0}
    move(filled, target)
    assert everything(target) == everything(filled)


def test_rows_that_change_on_the_way_are_noticed(filled: Store, target: Store) -> None:
    target.migrate()
    with target.begin() as tx:
        tx.exec_driver_sql("CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS "
                           "$$ BEGIN NEW.lowest_t = NEW.lowest_t + 0.1; RETURN NEW; END $$")  # fmt: skip
        tx.exec_driver_sql("CREATE TRIGGER meddle BEFORE INSERT ON alarms FOR EACH ROW EXECUTE FUNCTION meddle()")
    with pytest.raises(StoreUnavailable, match="Table alarms did not come over"):
        move(filled, target)
    assert everything(target)["exams"].rows == 0


def test_a_database_in_use_is_not_written_to(filled: Store, target: Store) -> None:
    target.migrate()
    with target.begin() as tx:
        accounts.create(tx, name="eve", role="admin", password_hash="hash", now=NOW)
    with pytest.raises(Misconfigured, match="its table accounts holds rows"):
        move(filled, target)
    assert everything(target)["exams"].rows == 0


def test_a_store_of_an_older_version_is_brought_up_to_date_first(filled: Store, target: Store) -> None:
    filled.migrate("0003")
    with pytest.raises(Misconfigured, match="tables are 0003"):
        move(filled, target)


def test_back_to_one_host(filled: Store, target: Store, tmp_path: Path) -> None:
    move(filled, target)
    back = Store(f"sqlite:///{tmp_path / 'back.db'}")
    move(target, back)
    assert everything(back) == everything(filled)
    with back.begin() as tx:
        records.record_instance(tx, an_instance("2.1"))
        assert records.exam(tx, FILMS + 1).key == "2.1"
    back.close()
