"""A film that the rule of retention took: its page says so, and nothing offers what needs the film."""

from __future__ import annotations

import datetime as dt

import pytest
from admin_site import Browser

from screening_node.admin import actions, listings
from screening_node.errors import IllegalTransition
from screening_node.store import tables as t
from screening_node.store.session import Store

REMOVED = dt.datetime(2026, 3, 4, 3, 0, tzinfo=dt.UTC)


@pytest.fixture
def exam(filled: Store) -> int:
    """A judged film whose bytes are gone."""
    number = next(row["id"] for row in listings.exams(filled) if row["state"] == "judged")
    with filled.begin() as tx:
        tx.execute(t.instances.update().where(t.instances.c.exam_id == number).values(removed_at=REMOVED))
    return int(number)


def test_the_page_says_that_the_film_is_gone_and_keeps_what_was_found(exam: int, browser: Browser) -> None:
    answer = browser.get(f"/exams/{exam}")
    assert answer.status_code == 200
    assert "The film was removed on 2026-03-04" in answer.text
    assert "Judge again with the present model" not in answer.text
    assert f'src="/exams/{exam}/film.png"' not in answer.text
    assert "Alarm <b>" in answer.text, "what was found stays"


def test_its_picture_is_not_found_and_the_answer_says_why(exam: int, browser: Browser) -> None:
    answer = browser.get(f"/exams/{exam}/film.png")
    assert answer.status_code == 404
    assert "removed by the rule of retention on 2026-03-04" in answer.text


def test_programs_are_told(exam: int, browser: Browser) -> None:
    (instance,) = browser.get(f"/api/v1/exams/{exam}").json()["instances"]
    assert instance["removed_at"] == "2026-03-04T03:00:00+00:00"


def test_it_cannot_be_judged_again(exam: int, filled: Store) -> None:
    with pytest.raises(IllegalTransition, match="removed by the rule of retention"):
        actions.retry_exam(filled, exam, actor="mia")
