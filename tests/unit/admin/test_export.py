"""The alert log as CSV and as a workbook: the same rows, and nothing of them is a formula, a link or markup."""

from __future__ import annotations

import csv
import datetime as dt
import io
import zipfile
from collections.abc import Iterator
from typing import Any

import openpyxl
import pytest
import sqlalchemy as sa
from admin.filled_store import CROSSING, RAISED, judge, receive

from screening_node.admin import alert_log, export, listings
from screening_node.admin.alert_log import AlertQuery, Ending, Sort
from screening_node.errors import Permanent
from screening_node.store import tables as t
from screening_node.store.session import Store

HOSTILE = ("=HYPERLINK(1)", "+1", "-2+3", "@SUM(A1)", "\tx", "http://evil.example/", "<r><t>x</t></r>", "Doe\x1b[31m^J")
both = pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def hostile(store: Store) -> Store:
    for number, name in enumerate(HOSTILE):
        judge(store, receive(store, f"5.{number}", f"P{number}", name=name), CROSSING, RAISED)
    return store


def every(store: Store, **query: Any) -> Iterator[dict[str, Any]]:
    return alert_log.every(store, AlertQuery(**{"state": None, **query}))


def sheet_of(store: Store) -> Any:
    with export.workbook(every(store), limits_of_use="Not for clinical use.") as file:
        return openpyxl.load_workbook(io.BytesIO(file.read()))


def test_a_workbook_holds_what_the_csv_holds(hostile: Store) -> None:
    text = "".join(export.csv_lines(every(hostile)))
    lines = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    heading, *rows = sheet_of(hostile)["Alerts"].iter_rows(values_only=True)
    assert heading == listings.ALERT_KEYS == tuple(lines[0])
    assert len(rows) == len(lines) == len(HOSTILE)
    for row, line, alert in zip(rows, lines, every(hostile), strict=True):
        cells = dict(zip(heading, row, strict=True))
        assert cells["number"] == alert["number"] == int(line["number"])
        assert cells["lowest_t_score"] == pytest.approx(alert["lowest_t_score"])
        assert cells["study_date"] == dt.datetime(2026, 2, 28)
        assert isinstance(cells["opened_at"], dt.datetime)
        assert cells["state"] == line["state"] == "open"


def test_no_cell_is_a_formula_a_link_or_markup(hostile: Store) -> None:
    sheet = sheet_of(hostile)["Alerts"]
    column = listings.ALERT_KEYS.index("patient_name") + 1
    cells = [sheet.cell(row, column) for row in range(2, len(HOSTILE) + 2)]
    assert {cell.data_type for cell in cells} <= {"s", "inlineStr"}
    assert all(cell.hyperlink is None for cell in cells)
    assert [cell.value.strip() for cell in cells][-1] == "=HYPERLINK(1)"
    assert "<r><t>x</t></r>" in {cell.value.strip() for cell in cells}, "as text"
    with export.workbook(every(hostile)) as file, zipfile.ZipFile(file) as parts:
        text = parts.read("xl/worksheets/sheet1.xml").decode()
        assert "<f>" not in text
        assert "<t>x</t>" not in text
        assert not [name for name in parts.namelist() if "externalLink" in name or "vba" in name]


def test_a_workbook_says_the_limits_of_use(hostile: Store) -> None:
    said = sheet_of(hostile)["Limits of use"]["A1"].value
    assert "Not for clinical use." in said
    assert "rules nothing out" in said


def test_what_no_sheet_holds_is_refused(hostile: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_MOST_ROWS", 4)
    with pytest.raises(Permanent, match="more rows"):
        export.workbook(every(hostile))


def test_an_empty_log_is_an_empty_file(store: Store) -> None:
    assert "".join(export.csv_lines(every(store))).startswith("\ufeffnumber,state")
    assert sheet_of(store)["Alerts"].max_row == 1


@both
@pytest.mark.parametrize("sort", list(Sort))
def test_every_row_comes_once_whatever_is_read_at_once(
    hostile: Store, monkeypatch: pytest.MonkeyPatch, sort: Sort
) -> None:
    monkeypatch.setattr(alert_log, "_AT_ONCE", 3)
    rows = list(every(hostile, sort=sort))
    assert sorted(row["number"] for row in rows) == list(range(1, len(HOSTILE) + 1))
    assert rows == alert_log.page(hostile, AlertQuery(state=None, sort=sort), limit=None).rows


@both
def test_the_log_is_filtered_by_how_alerts_ended(hostile: Store) -> None:
    endings = {1: "dxa-osteopenia", 2: "dxa-normal", 3: "dismissed", 4: "retracted"}
    with hostile.begin() as tx:
        for number, outcome in endings.items():
            row = t.alarms.update().where(t.alarms.c.number == number)
            tx.execute(row.values(state="closed", outcome=outcome))

    def numbers(ending: Ending) -> list[int]:
        return [row["number"] for row in every(hostile, ending=ending)]

    assert numbers(Ending.FOLLOWED_UP) == [2, 1]
    assert numbers(Ending.DISMISSED) == [3]
    assert numbers(Ending.RETRACTED) == [4]
    assert AlertQuery.parse({"state": "closed", "ending": "followed-up"}).ending is Ending.FOLLOWED_UP
    assert "ending=followed-up" in AlertQuery(ending=Ending.FOLLOWED_UP).link()


def test_confidence_is_kept_with_the_alarm(store: Store) -> None:
    from dataclasses import replace

    judge(store, receive(store, "6.1", "Q1"), replace(CROSSING, confidence=0.93), RAISED)
    with store.read() as tx:
        assert tx.execute(sa.select(t.alarms.c.confidence)).scalar_one() == pytest.approx(0.93)
    assert listings.alert(store, 1)["confidence"] == pytest.approx(0.93)
