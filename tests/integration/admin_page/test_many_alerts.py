"""The alert log as a file, and what is done about many alerts at once."""

from __future__ import annotations

import io

import openpyxl
import pytest
from admin.filled_store import CROSSING, RAISED, judge, receive
from admin_site import LIMITS, Browser, user

from screening_node.admin import listings
from screening_node.store.session import Store

# The log as a file


def test_a_workbook_leaves_as_a_csv_file_does(browser: Browser, filled: Store) -> None:
    answer = browser.get("/alerts.xlsx?state=all")
    assert answer.headers["content-disposition"].endswith('.xlsx"')
    assert answer.headers["cache-control"] == "no-store"
    book = openpyxl.load_workbook(io.BytesIO(answer.content))
    heading, row = book["Alerts"].iter_rows(values_only=True)
    assert heading == listings.ALERT_KEYS
    assert row[heading.index("patient_name")] == "=HYPERLINK(1)"
    assert book["Alerts"].cell(2, heading.index("patient_name") + 1).data_type != "f"
    assert LIMITS in book["Limits of use"]["A1"].value
    browser.get("/alerts.csv?state=all")
    said = [(entry["action"], entry["subject"]) for entry in listings.audit(filled)[:2]]
    assert said == [("alert.export", "alerts")] * 2


def test_a_filtered_workbook_is_filtered(browser: Browser) -> None:
    book = openpyxl.load_workbook(io.BytesIO(browser.get("/alerts.xlsx?state=closed").content))
    assert book["Alerts"].max_row == 1


def test_a_viewer_takes_no_log_away(guarded: str) -> None:
    with user(guarded, "viewer") as opened:
        assert [opened.get(f"/alerts.{ending}").status_code for ending in ("csv", "xlsx")] == [403, 403]
        assert "alerts.xlsx" not in opened.get("/").text


# Many at once


@pytest.fixture
def two(browser: Browser, filled: Store) -> Browser:
    judge(filled, receive(filled, "1.9", "P9"), CROSSING, RAISED)
    return browser


def test_many_are_put_in_charge_commented_and_dismissed(two: Browser, filled: Store) -> None:
    def chosen(do: str, version: int, text: str = "") -> str:
        fields = {"alert": [f"1/{version}", f"2/{version}"], "do": do, "text": text}
        return two.post("/alerts/chosen", "/?state=all", **fields).headers["location"]

    assert chosen("assign", 0, "Mia") == "/?done=assigned"
    assert chosen("comment", 1, "letters sent") == "/?done=commented"
    assert chosen("acknowledge", 2) == "/?done=acknowledged"
    rows = listings.alerts(filled)
    assert {(row["state"], row["assigned_to"], row["comment"]) for row in rows} == {
        ("acknowledged", "Mia", "letters sent")
    }
    assert chosen("dismiss", 3, "metal on the bone") == "/?done=closed"
    assert {(row["state"], row["outcome"]) for row in listings.alerts(filled)} == {("closed", "dismissed")}
    actions = [row["action"] for row in listings.audit(filled)]
    assert {action: actions.count(action) for action in set(actions)} == {
        "alert.assign": 2, "alert.comment": 2, "alert.acknowledge": 2, "alert.close": 2}  # fmt: skip


def test_one_that_somebody_changed_meanwhile_is_left(two: Browser, filled: Store) -> None:
    two.post("/alerts/2/comment", "/alerts/2", version="0", comment="changed meanwhile")
    fields = {"alert": ["1/0", "2/0", "x/y"], "do": "dismiss", "text": "metal"}
    answer = two.post("/alerts/chosen", "/", **fields)
    assert answer.headers["location"] == "/?done=some-changed"
    assert [(row["state"], row["comment"]) for row in listings.alerts(filled)] == [
        ("open", "changed meanwhile"),
        ("closed", "metal"),
    ]


@pytest.mark.parametrize(
    "fields", [{"do": "dismiss"}, {"do": "comment", "text": " "}, {"do": "nonsense", "text": "x"}, {}]
)
def test_many_are_not_dismissed_without_a_reason(two: Browser, filled: Store, fields: dict[str, str]) -> None:
    answer = two.post("/alerts/chosen", "/", alert=["1/0", "2/0"], **fields)
    assert answer.status_code == 400
    assert {row["state"] for row in listings.alerts(filled)} == {"open"}
