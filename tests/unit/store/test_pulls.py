"""What was fetched, day by day, and who may fetch; on SQLite and on PostgreSQL."""

from __future__ import annotations

import datetime as dt
import threading

import pytest

from screening_node.errors import LeaseLost
from screening_node.store import pulls
from screening_node.store.pulls import Counts, DayState
from screening_node.store.session import Store

NOW = dt.datetime(2024, 5, 1, 22, 0, tzinfo=dt.UTC)
DAYS = [dt.date(2024, 3, day) for day in (3, 2, 1)]

pytestmark = pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)


def leased(store: Store, owner: str, now: dt.datetime = NOW) -> bool:
    return pulls.take_lease(store, "pacs", owner, seconds=60, now=now)


def test_one_fetches_at_a_time(store: Store) -> None:
    assert leased(store, "one")
    assert not leased(store, "two")
    assert leased(store, "one", NOW + dt.timedelta(seconds=30)), "extended"
    assert not leased(store, "two", NOW + dt.timedelta(seconds=89))
    assert pulls.holder(store, "pacs", now=NOW) == "one"
    assert leased(store, "two", NOW + dt.timedelta(seconds=90)), "one was silent"
    pulls.give_back_lease(store, "pacs", "one")
    assert pulls.holder(store, "pacs", now=NOW) == "two", "not the other's to give back"
    pulls.give_back_lease(store, "pacs", "two")
    assert leased(store, "three")


def test_leases_of_processes_that_died(store: Store) -> None:
    assert leased(store, "host/pull/17")
    assert pulls.give_back_leases(store, "host/pull/1_") == pulls.give_back_leases(store, "other/") == 0
    assert pulls.give_back_leases(store, "host/") == 1
    assert leased(store, "two")


def test_of_many_at_once_one_may(store: Store) -> None:
    may: list[str] = []
    threads = [
        threading.Thread(target=lambda owner: leased(store, owner) and may.append(owner), args=(f"{number}",))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(may) == 1


def test_days_go_on_where_they_were(store: Store) -> None:
    assert leased(store, "one")
    assert pulls.still_to_fetch(store, "pacs", DAYS) == DAYS
    for day, state in zip(DAYS, DayState, strict=True):
        pulls.begin_day(store, "pacs", "one", day, now=NOW)
        counts = Counts(found=5, taken=2, there=1, refused=1, failed=1)
        pulls.note_day(store, "pacs", "one", day, state, counts, now=NOW, error="away" if state == "open" else None)
    assert pulls.still_to_fetch(store, "pacs", DAYS) == DAYS[:2], "open, partial; not what is done"
    assert pulls.still_to_fetch(store, "other", DAYS) == DAYS
    newest = pulls.days(store, "pacs")[0]
    assert (newest.day, newest.state, newest.attempt, newest.error) == (DAYS[0], DayState.OPEN, 1, "away")
    assert newest.counts == Counts(found=5, taken=2, there=1, refused=1, failed=1)


def test_a_day_of_which_films_never_come_is_left(store: Store) -> None:
    assert leased(store, "one")
    for attempt in range(pulls.MOST_ATTEMPTS):
        assert pulls.still_to_fetch(store, "pacs", DAYS[:1]) == DAYS[:1], attempt
        pulls.begin_day(store, "pacs", "one", DAYS[0], now=NOW)
        pulls.note_day(store, "pacs", "one", DAYS[0], DayState.PARTIAL, Counts(found=1, failed=1), now=NOW)
    assert pulls.still_to_fetch(store, "pacs", DAYS[:1]) == []


def test_who_lost_the_lease_writes_nothing_down(store: Store) -> None:
    assert leased(store, "one")
    pulls.begin_day(store, "pacs", "one", DAYS[0], now=NOW)
    later = NOW + dt.timedelta(minutes=5)
    assert leased(store, "two", later)
    with pytest.raises(LeaseLost):
        pulls.begin_day(store, "pacs", "one", DAYS[1], now=later)
    with pytest.raises(LeaseLost):
        pulls.note_day(store, "pacs", "one", DAYS[0], DayState.DONE, Counts(), now=later)
    assert [day.state for day in pulls.days(store, "pacs")] == [DayState.OPEN]
