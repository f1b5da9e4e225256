"""A film's page, its report and the alert log's new buttons in a real browser."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from admin_chromium import Watched, filled_site, running_chromium, sign_in
from admin_films import VALIDATION
from playwright.sync_api import Browser, expect

from screening_node.admin import listings
from screening_node.store.session import Store


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def site(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Store, int]]:
    """Some days of a site with users: its address, its store, and the exam of its newest alert."""
    with filled_site(empty_database, tmp_path_factory.mktemp("site"), validation=VALIDATION) as made:
        yield made.address, made.store, made.exam


@pytest.fixture
def watched(chromium: Browser) -> Iterator[Watched]:
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    opened = Watched(context.new_page())
    yield opened
    context.close()
    assert opened.complaints == []
    assert opened.hosts == {"127.0.0.1"}, "no request leaves the host"


def test_a_region_lights_up_on_the_film_by_mouse_and_by_keyboard(
    watched: Watched, site: tuple[str, Store, int]
) -> None:
    address, _, exam = site
    page = watched.page
    sign_in(page, address, "viewer", f"/exams/{exam}")
    lit = page.locator(".rois polygon.lit")
    expect(lit).to_have_count(0)
    page.get_by_role("button", name="lumbar").hover()
    expect(lit).to_have_attribute("data-region", "lumbar")
    page.mouse.move(0, 0)
    expect(lit).to_have_count(0)
    page.get_by_role("button", name="cervical").focus()
    expect(lit).to_have_attribute("data-region", "cervical")
    page.keyboard.press("Enter")
    page.locator("#viewport").focus()
    expect(lit).to_have_attribute("data-region", "cervical")
    page.get_by_label("Regions").uncheck()
    expect(lit).to_be_visible()


def test_attention_is_shaded_on_demand(watched: Watched, site: tuple[str, Store, int]) -> None:
    address, _, exam = site
    page = watched.page
    sign_in(page, address, "viewer", f"/exams/{exam}")
    shading = page.locator(".attention polygon").first
    expect(shading).to_be_hidden()
    page.get_by_label("Attention", exact=True).check()
    expect(shading).to_be_visible()


def test_a_report_is_read_and_its_codes_are_shown_on_demand(watched: Watched, site: tuple[str, Store, int]) -> None:
    address, store, exam = site
    page = watched.page
    sign_in(page, address, "viewer", f"/exams/{exam}")
    page.get_by_role("link", name="read", exact=True).click()
    expect(page.get_by_role("heading", name="Imaging Measurement Report")).to_be_visible()
    code = page.locator(".sr-code").first
    expect(code).to_be_hidden()
    page.get_by_label("Codes").check()
    expect(code).to_be_visible()
    assert listings.audit(store)[0]["action"] == "report.read"


def test_all_alerts_of_a_page_are_chosen_and_put_in_charge(watched: Watched, site: tuple[str, Store, int]) -> None:
    address, store, _ = site
    page = watched.page
    sign_in(page, address, "reviewer")
    page.get_by_label("Choose all on this page").check()
    chosen = page.locator("input[name=alert]:checked").count()
    assert chosen == page.locator("input[name=alert]").count() > 0
    page.get_by_text("More for the chosen").click()
    page.get_by_label("Comment, reason or name").fill("Mia")
    page.get_by_role("button", name="Put in charge").click()
    expect(page.get_by_role("status")).to_have_text("Assigned.")
    assert [row["assigned_to"] for row in listings.alerts(store, state="open")].count("Mia") == chosen


def test_the_log_leaves_as_a_workbook(watched: Watched, site: tuple[str, Store, int]) -> None:
    address, _, _ = site
    page = watched.page
    sign_in(page, address, "reviewer")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="XLSX").click()
    assert waiting.value.suggested_filename.endswith(".xlsx")
    assert zipfile.is_zipfile(waiting.value.path())
