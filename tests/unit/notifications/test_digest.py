"""The daily digest: what it counts, when it is due, and that there is one a day."""

from __future__ import annotations

import datetime as dt
import threading
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from admin.filled_store import NOW, fill
from unit.notifications.telling import DOWN, LIMITS, WELL, WRITER, Told

from screening_node.admin.wellness import Lane
from screening_node.errors import StoreUnavailable
from screening_node.notifications.digest import Digest, Hour
from screening_node.notifications.schedule import digest_trigger, telling
from screening_node.notifications.topics import Topic
from screening_node.store.archive import Archive
from screening_node.store.session import Store

BERLIN = ZoneInfo("Europe/Berlin")
SEVEN = Hour(hour=7, minute=0, zone=BERLIN)
NEXT_MORNING = dt.datetime(2026, 3, 2, 6, 0, tzinfo=dt.UTC)  # 07:00 in Berlin


@pytest.fixture
def told(store: Store, archive: Archive) -> Told:
    made = Told(store, archive)
    made.now = NEXT_MORNING
    return made


def a_digest(told: Told, hour: Hour = SEVEN) -> Digest:
    return Digest(postbox=told.postbox(), writer=WRITER, look=lambda: told.well, hour=hour, clock=lambda: told.now)


def test_it_tells_of_the_day_before_in_counts_and_words(told: Told) -> None:
    fill(told.store)
    lane = Lane(destination="pacs", to_people=False, configured=True, waiting=2, parked=1, retried=2, error="x")
    told.well = replace(WELL, troubles=(DOWN,), lanes=(lane,), open_alerts=1, failed=1)
    assert a_digest(told).write()
    (message,) = told.messages("chat")
    assert message.title == "NODE: digest of 2026-03-02"
    for line in (
        "From 2026-03-01 07:00 to 2026-03-02 07:00 (CET):",
        "- films received: 3",
        "- judged: 1",
        "- new alarms: 1",
        "- refused: 1",
        "    not-frontal: 1",
        "- alarms that nobody has acknowledged: 1",
        "- films that could not be judged: 1",
        "- reports not delivered to pacs: 3 (1 parked)",
        "- pacs does not take reports: 1 wait.",
    ):
        assert line in message.body.splitlines()
    assert LIMITS in message.body
    assert not [word for word in ("P1", "P2", "Doe", "Jane", "HYPERLINK", "A1") if word in message.body]


def test_what_came_after_the_hour_is_tomorrow_s(told: Told) -> None:
    fill(told.store)
    told.now = NOW.replace(hour=6)
    assert a_digest(told).write()
    assert "- films received: 0" in told.messages()[0].body


def test_there_is_one_a_day_however_often_it_is_tried(told: Told) -> None:
    digest = a_digest(told)
    assert digest.write()
    told.pass_time(hours=23, minutes=59)
    assert not digest.write()
    told.pass_time(minutes=1)
    assert digest.write()
    assert told.titles() == ["NODE: digest of 2026-03-02", "NODE: digest of 2026-03-03"]


def test_of_several_processes_one_writes_it(told: Told) -> None:
    begin = threading.Barrier(4)

    def write() -> None:
        begin.wait()
        a_digest(told).write()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told.messages("mail")) == len(told.messages("chat")) == 1


def test_a_node_that_was_away_at_the_hour_writes_it_when_it_is_back(told: Told) -> None:
    told.pass_time(hours=5)
    assert a_digest(told).write()
    assert told.titles() == ["NODE: digest of 2026-03-02"]


@pytest.mark.parametrize(
    ("now", "hours"),
    [("2026-03-29T12:00+00:00", 23), ("2026-10-25T12:00+00:00", 25), ("2026-07-01T12:00+00:00", 24)],
)
def test_a_day_is_as_long_as_the_clocks_make_it(now: str, hours: int) -> None:
    due = SEVEN.due(dt.datetime.fromisoformat(now))
    assert due.astimezone(BERLIN).hour == 7
    assert due - SEVEN.before(due) == dt.timedelta(hours=hours)


def test_before_the_hour_the_last_one_due_is_yesterday_s() -> None:
    early = dt.datetime(2026, 3, 2, 5, 59, tzinfo=dt.UTC)
    assert SEVEN.due(early) == dt.datetime(2026, 3, 1, 6, 0, tzinfo=dt.UTC)


def test_the_schedule_goes_by_the_clocks_of_the_zone() -> None:
    trigger = digest_trigger(SEVEN)
    summer = dt.datetime(2026, 7, 1, 4, 59, tzinfo=dt.UTC)
    due = trigger.triggers[0].get_next_fire_time(None, summer)
    assert due == dt.datetime(2026, 7, 1, 5, 0, tzinfo=dt.UTC)
    again = trigger.triggers[1]
    assert again.get_next_fire_time(summer, summer) - summer == dt.timedelta(minutes=10)


def test_the_scheduler_runs_both_and_outlives_failures(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds, wrote = threading.Event(), threading.Event()
    failures: list[Exception] = [ValueError("a mistake"), StoreUnavailable("gone")]
    watch = told.watch({Topic.DIGEST: ("mail",)})

    def round_of() -> None:
        if failures:
            raise failures.pop()
        rounds.set()

    monkeypatch.setattr(watch, "round", round_of)
    digest = a_digest(told)
    object.__setattr__(digest, "look", lambda: wrote.set() or told.well)
    with telling(watch, digest, every=0.05):
        assert rounds.wait(30)
        assert wrote.wait(30)
    assert told.titles() == ["NODE: digest of 2026-03-02"]
