"""What is done about alerts and work."""

from __future__ import annotations

import csv
import io

import pytest
from admin.filled_store import CROSSING, NOW, RAISED, judge, receive
from admin_site import Browser, user

from screening_node.admin import listings
from screening_node.store import outbox
from screening_node.store.session import Store


def test_an_alert_is_acknowledged_assigned_and_closed_with_its_dxa(guarded: str, filled: Store) -> None:
    with user(guarded, "reviewer") as browser:
        page = "/alerts/1"
        assert browser.post(f"{page}/acknowledge", page, version="0", comment="DXA booked").status_code == 303
        assert browser.post(f"{page}/assign", page, version="1", to="Mia").status_code == 303
        closed = browser.post(
            f"{page}/close",
            page,
            version="2",
            outcome="dxa-osteopenia",
            dxa_date="2026-03-02",
            dxa_t_score="\N{MINUS SIGN}2,1",
        )
        assert closed.headers["location"] == "/alerts/1?done=closed"
    alert = listings.alert(filled, 1)
    assert (alert["state"], alert["acknowledged_by"], alert["closed_by"]) == ("closed", "reviewer", "reviewer")
    assert (alert["assigned_to"], alert["comment"]) == ("Mia", "DXA booked")
    assert (alert["outcome"], alert["dxa_date"], alert["dxa_t_score"]) == ("dxa-osteopenia", "2026-03-02", -2.1)
    with filled.read() as tx:
        assert (
            str(tx.exec_driver_sql("SELECT last_dxa FROM patients WHERE last_dxa IS NOT NULL").scalar()) == "2026-03-02"
        )
    actions = [row["action"] for row in listings.audit(filled) if row["actor"] == "reviewer"]
    assert {"alert.acknowledge", "alert.assign", "alert.close", "look", "sign-in"} <= set(actions)


def test_the_second_of_two_admins_is_told(site: str, filled: Store) -> None:
    with Browser(site) as one, Browser(site) as two:
        token = two.token("/alerts/1")
        one.post("/alerts/1/comment", "/alerts/1", version="0", comment="mine")
        answer = two.client.post(
            "/alerts/1/close",
            data={"form_token": token, "version": "0", "outcome": "dismissed", "comment": "yours"},
            headers={"Origin": site},
        )
    assert answer.status_code == 409
    assert "changed meanwhile" in answer.text
    alert = listings.alert(filled, 1)
    assert (alert["state"], alert["comment"]) == ("open", "mine")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "How it ended is not said"),
        ({"outcome": "dismissed"}, "needs a reason"),
        ({"outcome": "dxa-normal", "dxa_date": "yesterday"}, "no date"),
        ({"outcome": "dxa-normal", "dxa_date": "2999-01-01"}, "in the future"),
        ({"outcome": "dxa-normal", "dxa_t_score": "much"}, "no number"),
        ({"outcome": "dxa-normal", "dxa_t_score": "nan"}, "No DXA"),
    ],
)
def test_an_alert_is_closed_with_sense_or_not_at_all(
    browser: Browser, filled: Store, fields: dict[str, str], said: str
) -> None:
    answer = browser.post("/alerts/1/close", "/alerts/1", version="0", **fields)
    assert answer.status_code == 400
    assert said in answer.text
    assert listings.alert(filled, 1)["state"] == "open"


def test_many_are_acknowledged_at_once_and_a_changed_one_is_left(browser: Browser, filled: Store) -> None:
    judge(filled, receive(filled, "1.9", "P9"), CROSSING, RAISED)
    browser.post("/alerts/2/comment", "/alerts/2", version="0", comment="changed meanwhile")
    answer = browser.post("/alerts/chosen", "/", alert=["1/0", "2/0", "x/y"], do="acknowledge")
    assert answer.headers["location"] == "/?done=some-changed"
    assert [row["state"] for row in listings.alerts(filled)] == ["open", "acknowledged"]


def test_work_is_retried_and_cancelled(browser: Browser, filled: Store) -> None:
    assert browser.post("/exams/3/retry", "/work", **{"from": "work"}).headers["location"] == "/work?done=retried"
    assert listings.exam(filled, 3)["state"] == "waiting"
    browser.post("/exams/3/cancel", "/work")
    assert listings.exam(filled, 3)["state"] == "cancelled"
    browser.post("/deliveries/1/retry", "/work")
    assert {row["id"]: row["state"] for row in listings.deliveries(filled)}[1] == "pending"
    assert browser.post("/exams/3/cancel", "/exams/1").status_code == 409
    assert browser.post("/deliveries/retry", "/exams/1").status_code == 303


def test_a_stuck_notification_is_shown_retried_and_cancelled(browser: Browser, filled: Store) -> None:
    named = outbox.Outgoing(
        destination="duty",
        kind=outbox.NOTIFICATION,
        sop_class_uid=outbox.NOTIFICATION_FORMAT,
        sop_instance_uid="digest/2026-03-01",
        path="reports/1.json",
    )
    with filled.begin() as tx:
        outbox.add(tx, None, named, NOW)
    (held,) = outbox.claim_due(filled, "duty", "sender", NOW, 5, 60.0)
    with filled.begin() as tx:
        outbox.park(tx, held, "duty (notifications) answered HTTP 401 (Unauthorized).")
    page = browser.get("/work").text
    assert "digest/2026-03-01" in page
    assert "HTTP 401" in page
    assert f"Send notification {held.id} again" in page
    browser.post(f"/deliveries/{held.id}/retry", "/work")
    assert listings.deliveries(filled, destination="duty")[0]["state"] == "pending"
    assert browser.post(f"/deliveries/{held.id}/cancel", "/work").headers["location"] == "/work?done=cancelled"
    assert listings.deliveries(filled, destination="duty")[0]["state"] == "cancelled"
    assert browser.post(f"/deliveries/{held.id}/cancel", "/work").status_code == 409
    assert "digest/2026-03-01" not in browser.get("/work").text
    assert listings.audit(filled)[0]["action"] == "delivery.cancel"


def test_the_export_is_harmless_to_a_spreadsheet(browser: Browser, filled: Store) -> None:
    answer = browser.get("/alerts.csv?state=all")
    (row,) = csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff")))
    assert row["patient_name"] == "'=HYPERLINK(1)"
    assert listings.audit(filled)[0]["action"] == "alert.export"
