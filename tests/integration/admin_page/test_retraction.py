"""A reviewer takes an alarm back on the page."""

from __future__ import annotations

import sqlalchemy as sa
from admin_site import Browser, user

from screening_node.admin import listings
from screening_node.store import tables as t
from screening_node.store.session import Store

PAGE = "/alerts/1"
REASON = "A metal marker lay on the clavicle."


def test_a_reviewer_retracts_an_alarm_with_a_reason(guarded: str, filled: Store) -> None:
    with user(guarded, "reviewer") as browser:
        assert "Retract: the report was wrong" in browser.get(PAGE).text
        answer = browser.post(f"{PAGE}/retract", PAGE, version="0", reason=REASON)
        assert answer.headers["location"] == "/alerts/1?done=retracted"
        shown = browser.get("/alerts/1?done=retracted").text
    alert = listings.alert(filled, 1)
    assert (alert["state"], alert["outcome"], alert["closed_by"]) == ("closed", "retracted", "reviewer")
    assert alert["comment"] == REASON
    assert "Its films are judged again" in shown
    assert "Retract: the report was wrong" not in shown, "nothing is retracted twice"
    with filled.read() as tx:
        waiting = tx.execute(sa.select(t.jobs.c.exam_id).where(t.jobs.c.state == "queued")).scalars().all()
    assert set(listings.audit(filled)[0]["detail"].get("exams", [])) <= set(waiting)
    assert "alert.retract" in [row["action"] for row in listings.audit(filled)]


def test_a_viewer_does_not_see_the_form_and_may_not_post_it(guarded: str, filled: Store) -> None:
    with user(guarded, "viewer") as browser:
        assert "/retract" not in browser.get(PAGE).text
        assert browser.post(f"{PAGE}/retract", "/", version="0", reason=REASON).status_code == 403
    assert listings.alert(filled, 1)["state"] == "open"


def test_without_a_reason_nothing_happens(browser: Browser, filled: Store) -> None:
    answer = browser.post(f"{PAGE}/retract", PAGE, version="0", reason="  ")
    assert answer.status_code == 400
    assert "needs a reason" in answer.text
    assert listings.alert(filled, 1)["state"] == "open"


def test_whoever_closes_an_alarm_cannot_choose_it(browser: Browser, filled: Store) -> None:
    answer = browser.post(f"{PAGE}/close", PAGE, version="0", outcome="retracted", comment="x")
    assert answer.status_code == 400
    assert listings.alert(filled, 1)["state"] == "open"
