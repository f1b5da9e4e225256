"""What people are told of, and that it is once."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa
from admin.filled_store import CROSSING, NOW, RAISED, fill, judge, receive
from unit.notifications.telling import DOWN, LIMITS, PAGE, Told

from screening_node.admin.wellness import Cause, Trouble
from screening_node.errors import StoreUnavailable
from screening_node.notifications.topics import Topic
from screening_node.queue import queue
from screening_node.queue.retry import Dead
from screening_node.store import notices, outbox
from screening_node.store import tables as t
from screening_node.store.archive import Archive
from screening_node.store.session import Store

pytestmark = pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)
DISK = Trouble(cause=Cause.DISK, text="The disk fills: 900 MiB left.", link="/overview", grave=False)
#: What the films in the filled store say of patients, and what was found.
PATIENT = ("P1", "P2", "P3", "HYPERLINK", "Doe", "Jane", "A1", "2026-02-28", "osteoporosis", "2.8", "L1")


@pytest.fixture
def told(store: Store, archive: Archive) -> Told:
    return Told(store, archive)


@pytest.fixture
def filled(told: Told) -> Told:
    """Notifications were turned on, then films came: one alarm, one dead job, one parked report."""
    told.watch().round()
    told.pass_time(minutes=6)
    fill(told.store)
    return told


def test_an_alarm_and_what_is_dead_are_told_once_a_channel(filled: Told) -> None:
    for _ in range(3):
        filled.watch().round()
        filled.pass_time(hours=1)
    for channel in ("mail", "chat"):
        assert filled.titles(channel) == ["NODE: 1 new alarm", "NODE: 1 film not judged and 1 report not delivered"]


def test_messages_link_to_the_page_and_name_no_patient(filled: Told) -> None:
    filled.watch().round()
    alarm, dead = filled.messages()
    assert f"{PAGE}/alerts/1" in alarm.body
    assert f"{PAGE}/exams/3" in dead.body
    assert "1 report to pacs" in dead.body
    for message in (alarm, dead):
        assert LIMITS in message.body
        assert not [word for word in PATIENT if word in message.title + message.body.replace("https://", "")]


def test_of_two_hosts_one_tells(filled: Told) -> None:
    one, other = filled.watch(host="one"), filled.watch(host="other")
    one.round()
    other.round()
    assert len(filled.messages()) == 2


def test_a_host_that_lost_the_race_writes_nothing(filled: Told) -> None:
    with filled.store.read() as tx:
        found = notices.new_alarms(tx, NOW - dt.timedelta(hours=1))
    subjects = [one.subject for one in found]
    with filled.store.begin() as tx:  # the other host was first, after ours had looked
        notices.tell(tx, notices.NoticeKind.ALARM, subjects, NOW)
    posted = filled.postbox().post(
        Topic.ALARMS,
        "alarm/1",
        filled.watch().writer.alarms(found),
        now=NOW,
        also=lambda tx: notices.tell(tx, notices.NoticeKind.ALARM, subjects, NOW),
    )
    assert not posted
    assert filled.messages() == []


def test_what_could_not_be_written_is_told_later(filled: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object, **_named: object) -> None:
        raise StoreUnavailable("gone")

    with monkeypatch.context() as patched:
        patched.setattr(outbox, "add", broken)
        with pytest.raises(StoreUnavailable):
            filled.watch().round()
    assert filled.messages() == []
    filled.watch().round()
    assert len(filled.messages()) == 2


def test_who_turns_notifications_on_is_not_told_of_years(told: Told) -> None:
    fill(told.store)
    told.pass_time(days=300)
    watch = told.watch()
    watch.round()
    told.pass_time(hours=2)
    watch.round()
    assert told.titles() == ["NODE: 1 film not judged and 1 report not delivered"]


def test_alarms_of_one_minute_share_a_message(filled: Told) -> None:
    watch = filled.watch()
    watch.round()
    for number in range(30):
        judge(filled.store, receive(filled.store, f"7.{number}", f"Q{number}"), CROSSING, RAISED)
    filled.pass_time(seconds=30)
    watch.round()
    assert len(filled.messages()) == 2
    filled.pass_time(seconds=31)
    watch.round()
    last = filled.messages()[-1]
    assert last.title == "NODE: 30 new alarms"
    assert last.body.count("/alerts/") == 20
    assert "and 10 more" in last.body


def test_a_film_that_dies_again_is_told_again(filled: Told) -> None:
    watch = filled.watch()
    watch.round()
    with filled.store.begin() as tx:
        queue.retry_exam(tx, 3, now=NOW)
    (job,) = queue.claim(filled.store, "worker", 1, 60.0, now=NOW)
    with filled.store.begin() as tx:
        queue.fail(tx, job, Dead(failures=3, interruptions=0, reason="Again."), now=NOW)
    watch.round()
    assert len(filled.messages()) == 2, "the next message has to wait"
    filled.pass_time(minutes=11)
    watch.round()
    assert filled.titles()[-1] == "NODE: 1 film not judged"


def test_a_parked_notification_breeds_no_other(filled: Told) -> None:
    watch = filled.watch()
    watch.round()
    (first, *_) = outbox.claim_due(filled.store, "mail", "sender", filled.now, 5, 60.0)
    with filled.store.begin() as tx:
        outbox.park(tx, first, "refused")
    filled.pass_time(hours=1)
    watch.round()
    assert len(filled.messages("chat")) == 2


def test_only_what_a_channel_is_about_is_told_it(filled: Told) -> None:
    filled.watch({Topic.ALARMS: ("mail",), Topic.DEAD_LETTERS: ("chat",), Topic.TROUBLES: (), Topic.DIGEST: ()}).round()
    assert filled.titles("mail") == ["NODE: 1 new alarm"]
    assert filled.titles("chat") == ["NODE: 1 film not judged and 1 report not delivered"]


def test_a_trouble_is_told_once_and_its_end_once(told: Told) -> None:
    watch = told.watch()
    for _ in range(2):
        told.troubled(DOWN)
        for _ in range(3):
            watch.round()
            told.pass_time(minutes=1)
        told.troubled()
        for _ in range(3):
            told.watch().round()  # a restart forgets nothing
            told.pass_time(minutes=1)
    once = ["NODE: pacs does not take reports: 1 wait", "NODE: over: pacs takes what it is sent again"]
    assert told.titles() == once * 2


def test_a_trouble_has_to_last(told: Told) -> None:
    watch = told.watch(settle=60.0)
    for there in (True, False, True, True):
        told.troubled(*[DOWN] * there)
        watch.round()
        told.pass_time(seconds=40)
    assert told.messages() == []
    watch.round()
    assert len(told.messages()) == 1
    told.troubled()
    watch.round()
    told.troubled(DOWN)
    told.pass_time(seconds=70)
    watch.round()
    assert len(told.messages()) == 1, "it was not over for long enough"


def test_a_disk_is_its_own_host_s_business(told: Told) -> None:
    here, there = told.watch(host="here"), told.watch(host="there")
    told.troubled(DISK)
    here.round()
    told.troubled()
    there.round()
    assert told.titles() == ["NODE: The disk fills: 900 MiB left"]
    here.round()
    assert told.titles()[-1] == "NODE: over: The disk has room again"


def test_a_channel_is_not_told_that_it_is_down(told: Told) -> None:
    told.troubled(
        Trouble(cause=Cause.DESTINATION, about="mail", text="mail does not take notifications.", link="/work")
    )
    watch = told.watch()
    watch.round()
    told.troubled()
    watch.round()
    assert told.titles("mail") == []
    assert len(told.titles("chat")) == 2


def test_what_is_owed_belongs_to_no_result(filled: Told) -> None:
    filled.watch().round()
    (first, _) = outbox.claim_due(filled.store, "mail", "sender", filled.now, 5, 60.0)
    assert (first.kind, first.result_id, first.exam_id) == (outbox.NOTIFICATION, None, None)
    assert first.sop_instance_uid == "alarm/1"
    with filled.store.read() as tx:
        kinds = tx.execute(sa.select(t.outbox.c.kind).distinct()).scalars().all()
    assert set(kinds) == {"SR", outbox.NOTIFICATION}
