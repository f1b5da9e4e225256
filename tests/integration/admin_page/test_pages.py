"""What the pages show, whatever a header says."""

from __future__ import annotations

import re

import pytest
from admin.filled_store import CROSSING, RAISED, judge, receive
from admin_site import LIMITS, Browser, a_config, running

from screening_node.admin import listings
from screening_node.store import outbox, records
from screening_node.store.archive import Archive
from screening_node.store.session import Store

PAGES = ("/", "/alerts/1", "/exams", "/exams/1", "/exams/2", "/exams/3", "/work", "/overview", "/audit", "/settings")


@pytest.mark.parametrize("page", PAGES)
def test_every_page_says_the_limits_of_use_and_runs_no_script_of_its_own(shown: Browser, page: str) -> None:
    answer = shown.get(page)
    assert answer.status_code == 200
    assert LIMITS in answer.text
    assert "rules nothing out" in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert not re.search(r"<script(?![^>]*\ssrc=)|\sstyle=|\son\w+=|<style", answer.text)
    assert not re.search(r"(?:src|href|action)=\"(?:https?:)?//", answer.text)


def test_a_patients_name_is_text_and_no_markup(filled: Store, archive: Archive) -> None:
    exam = receive(filled, "1.9", "P9", name="<script>alert(1)</script>^\"'><img src=x>")
    judge(filled, exam, CROSSING, RAISED)
    with running(a_config(), filled, archive) as address, Browser(address) as browser:
        for page in ("/", f"/exams/{exam}", "/exams", "/?text=%3Cscript%3Ealert(1)", "/audit?subject=%3Cscript%3E"):
            text = browser.get(page).text
            assert "<script>" not in text, page
            assert "<img src=x" not in text, page


def test_a_refused_film_is_explained(shown: Browser) -> None:
    text = shown.get("/exams/2").text
    assert "The film is a lateral one." in text
    assert "not-frontal" in text
    assert "g/cm²" not in text


def test_an_exam_shows_thresholds_deliveries_and_how_it_went(shown: Browser) -> None:
    text = shown.get("/exams/1").text
    for words in (
        "−2.8",
        "−2.2",
        "0.700 ± 0.050",
        "SOP class refused",
        "received from XRAY",
        "result committed (revision 1)",
    ):
        assert words in text, words


def test_work_names_what_failed_and_what_did_not_arrive(shown: Browser) -> None:
    text = shown.get("/work").text
    assert "It broke three times." in text
    assert "SOP class refused" in text


def test_the_pacs_viewer_link_quotes_what_headers_say(filled: Store, archive: Archive) -> None:
    config = a_config(viewer_url="https://pacs.example/v?a={accession_number}&s={study_instance_uid}")
    with running(config, filled, archive) as address, Browser(address) as browser:
        assert 'href="https://pacs.example/v?a=A1&amp;s=1.1.1"' in browser.get("/exams/1").text


@pytest.mark.parametrize(
    "path", ["/static/..%2f..%2fapp.py", "/static/%2e%2e/app.py", "/exams/1/reports/2.dcm", "/exams/99", "/alerts/99"]
)
def test_what_is_not_there_is_said(shown: Browser, path: str) -> None:
    assert shown.get(path).status_code == 404


def test_numbers_beyond_the_database_break_nothing(shown: Browser) -> None:
    assert shown.get(f"/exams/{10**30}").status_code in (400, 404)
    assert shown.get(f"/?after={'9' * 18}&sort=lowest&since=x&category=%00").status_code == 200


def test_a_report_is_downloaded_and_audited(filled: Store, archive: Archive) -> None:
    path = archive.keep_report(b"a report", "2.25.77")
    report = outbox.Outgoing(destination="pacs", kind="SR", sop_class_uid="1.2", sop_instance_uid="2.25.77", path=path)
    with filled.begin() as tx:
        outbox.add(tx, 1, report, records.dt.datetime.now(records.dt.UTC))
    number = listings.deliveries(filled)[0]["id"]
    with running(a_config(), filled, archive) as address, Browser(address) as browser:
        answer = browser.get(f"/exams/1/reports/{number}.dcm")
    assert answer.content == b"a report"
    assert answer.headers["content-disposition"] == 'attachment; filename="2.25.77.dcm"'
    assert listings.audit(filled)[0]["action"] == "report.download"
