"""Paging, sorting, filtering and counting, on both databases."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa
from admin.filled_store import CROSSING, RAISED, fill, judge, receive

from screening_node.admin import alert_log, film_log, listings, overview, wellness
from screening_node.admin.alert_log import AlertQuery, Sort
from screening_node.domain.result import Category
from screening_node.store import tables as t
from screening_node.store.alarms import AlarmState
from screening_node.store.archive import Archive
from screening_node.store.session import Store

both = pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)
MANY = 23


@pytest.fixture
def many(store: Store) -> Store:
    """Alerts with T-scores and dates that repeat."""
    for number in range(1, MANY + 1):
        judge(store, receive(store, f"2.{number}", f"P{number}", name=f"Doe{number}^Jane"), CROSSING, RAISED)
    with store.begin() as tx:
        for number in range(1, MANY + 1):
            day = dt.date(2026, 1, 1) + dt.timedelta(days=number % 5)
            values = {"lowest_t": -2.0 - (number % 4) / 3, "study_date": day}
            tx.execute(t.alarms.update().where(t.alarms.c.number == number).values(**values))
        tx.execute(t.alarms.update().where(t.alarms.c.number > 20).values(state="closed", category="osteopenia"))
    return store


@both
@pytest.mark.parametrize("sort", list(Sort))
def test_pages_hold_every_alert_once_and_in_order(many: Store, sort: Sort) -> None:
    query, seen = AlertQuery(state=None, sort=sort), list[dict[str, object]]()
    while True:
        page = alert_log.page(many, query, limit=4)
        seen += page.rows
        if page.next is None:
            break
        query = AlertQuery.parse({"state": "all", "sort": sort, "after": page.next})
    keys = {
        Sort.NEWEST: lambda row: -row["number"],
        Sort.LOWEST: lambda row: (row["lowest_t_score"], row["number"]),
        Sort.STUDY: lambda row: (-dt.date.fromisoformat(row["study_date"]).toordinal(), -row["number"]),
    }
    assert sorted(row["number"] for row in seen) == list(range(1, MANY + 1))
    assert seen == sorted(seen, key=keys[sort])


@both
def test_filters_narrow_the_log(many: Store) -> None:
    def numbers(**query: object) -> list[int]:
        return [row["number"] for row in alert_log.page(many, AlertQuery(**{"state": None, **query})).rows]

    assert numbers(state=AlarmState.CLOSED) == [23, 22, 21]
    assert numbers(category=Category.OSTEOPENIA) == [23, 22, 21]
    assert numbers(text="doe7^") == [7]
    assert numbers(text="%") == []
    assert numbers(modality="CR") == []
    assert numbers(since=dt.date(2026, 1, 5)) == [19, 14, 9, 4]
    assert numbers(until=dt.date(2026, 1, 1)) == [20, 15, 10, 5]
    assert alert_log.counts(many) == {"open": 20, "acknowledged": 0, "closed": 3}


@pytest.mark.parametrize("after", ["x", "~", "1~x", "nonsense~5", "~" + "9" * 40, "~٣"])
def test_a_link_that_was_tampered_with_shows_the_first_page(store: Store, after: str) -> None:
    fill(store)
    for sort in Sort:
        assert alert_log.page(store, AlertQuery(sort=sort, after=after)).rows or sort is Sort.NEWEST


def test_a_query_survives_its_own_link() -> None:
    query = AlertQuery(state=None, category=Category.NORMAL, text="a&b=c", since=dt.date(2026, 1, 1), sort=Sort.STUDY)
    params = dict(pair.split("=", 1) for pair in query.link().split("&"))
    assert params["text"] == "a%26b%3Dc"
    assert AlertQuery.parse({**params, "text": "a&b=c"}) == query


@both
def test_the_node_at_a_glance(store: Store, archive: Archive) -> None:
    fill(store)
    receive(store, "1.4", "P4")
    well = wellness.look(store, archive, ("pacs", "second"), 0)
    assert (well.open_alerts, well.failed, well.parked, well.by_hand, well.waiting) == (1, 1, 1, 2, 1)
    assert [lane.destination for lane in well.lanes] == ["pacs", "second"]
    assert well.lanes[0].error == "SOP class refused"
    assert any("wait to be judged" in trouble.text for trouble in well.troubles)
    assert "P4" not in repr(well)


@both
def test_a_film_that_was_judged_after_all_needs_no_hand(store: Store, archive: Archive) -> None:
    fill(store)
    with store.begin() as tx:
        (exam,) = tx.execute(sa.select(t.jobs.c.exam_id).where(t.jobs.c.state == "dead")).scalars()
        row = {"exam_id": exam, "state": "done", "priority": 0, "attempt": 1, "failures": 0, "interruptions": 0}
        now = dt.datetime.now(dt.UTC)
        tx.execute(t.jobs.insert().values(**row, not_before=now, requested_at=now))
    assert wellness.look(store, archive, ("pacs",), 0).failed == 0
    assert film_log.page(store, film_log.FilmQuery(state="failed")).rows == []


@both
def test_an_unusual_silence_is_said(store: Store, archive: Archive) -> None:
    fill(store)
    now = dt.datetime.now(dt.UTC)
    for back in range(1, 8):
        exam = receive(store, f"3.{back}", f"Q{back}")
        with store.begin() as tx:
            at = now - dt.timedelta(days=back, hours=1)
            tx.execute(t.exams.update().where(t.exams.c.id == exam).values(received_at=at))
            tx.execute(t.jobs.update().where(t.jobs.c.exam_id == exam).values(state="done"))
    troubles = wellness.look(store, archive, (), 0).troubles
    assert any("No film has come in for 3 hours" in trouble.text for trouble in troubles)
    exam = receive(store, "3.9", "Q9")
    with store.begin() as tx:
        tx.execute(t.exams.update().where(t.exams.c.id == exam).values(received_at=now))
    troubles = wellness.look(store, archive, (), 0).troubles
    assert not any("No film has come in" in trouble.text for trouble in troubles)


@both
def test_the_last_days_are_counted(store: Store) -> None:
    fill(store)
    now = dt.datetime.now(dt.UTC)
    with store.begin() as tx:
        tx.execute(t.exams.update().values(received_at=now - dt.timedelta(seconds=30)))
        tx.execute(t.results.update().values(created_at=now))
        tx.execute(t.alarms.update().values(opened_at=now))
        tx.execute(t.outbox.update().where(t.outbox.c.id == 1).values(delivered_at=now))
    seen = overview.look(store)
    assert (seen.films, seen.alerts, len(seen.days)) == (3, 1, overview.DAYS)
    assert [(share.name, share.count) for share in seen.refusals] == [("not-frontal", 1)]
    assert (seen.durations.count, seen.durations.median) == (1, pytest.approx(30.0))


@both
def test_films_are_paged_and_filtered(store: Store) -> None:
    fill(store)
    assert [row["id"] for row in film_log.page(store, film_log.FilmQuery(), limit=2).rows] == [3, 2]
    second = film_log.page(store, film_log.FilmQuery(before=2), limit=2)
    assert [row["id"] for row in second.rows] == [1]
    assert second.next is None
    assert [row["id"] for row in film_log.page(store, film_log.FilmQuery(reason="not-frontal")).rows] == [2]
    for state in listings.EXAM_STATES:
        found = film_log.page(store, film_log.FilmQuery(state=state)).rows
        assert {row["state"] for row in found} <= {state}
    assert film_log.page(store, film_log.FilmQuery(text="p3")).rows[0]["id"] == 3
