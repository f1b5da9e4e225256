"""What was told stands once; the tables of notifications come and go."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa
from builders import NOW, OPEN, a_result, an_instance, an_outgoing
from unit.store.migrating import migrate_down

from screening_node.errors import ChangedMeanwhile
from screening_node.store import notices, outbox, records
from screening_node.store import tables as t
from screening_node.store.notices import NoticeKind, Subject
from screening_node.store.outbox import NOTIFICATION, NOTIFICATION_FORMAT, Outgoing
from screening_node.store.session import Store

pytestmark = pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)
DISK = Subject(name="trouble/disk/@here", began_at=NOW)
LATER = NOW + dt.timedelta(minutes=5)


def a_notification(name: str = "alarm/1") -> Outgoing:
    return Outgoing(
        destination="duty",
        kind=NOTIFICATION,
        sop_class_uid=NOTIFICATION_FORMAT,
        sop_instance_uid=name,
        path="reports/1.json",
    )


def test_a_subject_stands_once_until_it_is_over(store: Store) -> None:
    with store.begin() as tx:
        notices.tell(tx, NoticeKind.TROUBLE, [DISK], NOW)
    with pytest.raises(ChangedMeanwhile), store.begin() as tx:
        notices.tell(tx, NoticeKind.TROUBLE, [Subject(name="trouble/queue/", began_at=NOW), DISK], LATER)
    with store.read() as tx:
        assert notices.standing(tx, NoticeKind.TROUBLE) == {DISK.name}, "what was written before is undone"
    with store.begin() as tx:
        notices.end(tx, [DISK.name], LATER)
    with pytest.raises(ChangedMeanwhile), store.begin() as tx:
        notices.end(tx, [DISK.name], LATER)
    with store.begin() as tx:
        notices.tell(tx, NoticeKind.TROUBLE, [DISK], LATER)
        assert notices.last_told(tx, NoticeKind.TROUBLE) == LATER
        assert notices.newest_beginning(tx, NoticeKind.TROUBLE) == NOW
        assert notices.last_told(tx, NoticeKind.ALARM) is None


def test_a_message_is_owed_once_a_channel(store: Store) -> None:
    with store.begin() as tx:
        assert outbox.add(tx, None, a_notification(), NOW)
        assert not outbox.add(tx, None, a_notification(), LATER)
    (held,) = outbox.claim_due(store, "duty", "sender", NOW, 5, 60.0)
    assert (held.result_id, held.exam_id) == (None, None)


def test_the_tables_come_and_go_and_reports_stay(store: Store) -> None:
    with store.begin() as tx:
        records.record_instance(tx, an_instance())
        exam = records.exam(tx, 1)
        reports = [an_outgoing(uid="2.25.1"), an_outgoing(uid="2.25.2")]
        records.commit_result(tx, exam=exam, job_id=1, result=a_result(), alarm=OPEN, reports=reports, now=NOW)
        outbox.add(tx, None, a_notification(), NOW)
        outbox.cancel(tx, 2)
    migrate_down(store, "0005")
    with store.read() as tx:
        rows = tx.execute(sa.select(t.outbox.c.id, t.outbox.c.result_id, t.outbox.c.state).order_by(t.outbox.c.id))
        assert [tuple(row) for row in rows] == [(1, 1, "pending"), (2, 1, "parked")]
        columns = {column["name"]: column for column in sa.inspect(tx).get_columns("outbox")}
        assert not columns["result_id"]["nullable"]
        assert not sa.inspect(tx).has_table("notices")
    store.migrate()
    with store.begin() as tx:
        assert outbox.add(tx, None, a_notification(), NOW)
        assert not outbox.add(tx, 1, an_outgoing(uid="2.25.1"), NOW), "the unique key is there again"
        names = {index["name"] for index in sa.inspect(tx).get_indexes("outbox")}
    assert {index.name for index in t.outbox.indexes} <= names
