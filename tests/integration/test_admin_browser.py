"""The admin's page in a real browser, headless: a person's way through it, in light and dark, with the keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from admin_chromium import Watched, filled_site, running_chromium, sign_in
from admin_films import VALIDATION
from playwright.sync_api import Browser, expect

from screening_node.admin import listings
from screening_node.store.session import Store

PAGES = ("/", "/exams", "/work", "/overview", "/audit", "/settings")
#: WCAG 2.2, 1.4.3: contrast of text.
CONTRAST = 4.5


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


def test_an_admin_finds_an_alert_acknowledges_it_and_finds_that_in_the_audit(
    watched: Watched, site: tuple[str, Store, int]
) -> None:
    address, store, _ = site
    page = watched.page
    sign_in(page, address, "admin")
    expect(page.get_by_text("rules nothing out")).to_be_visible()
    newest = listings.alerts(store, state="open")[0]
    page.locator("#rows").get_by_role("link", name=str(newest["number"]), exact=True).click()
    expect(page.get_by_role("heading", name=re.compile("Alert"))).to_be_visible()

    film = page.get_by_alt_text("Chest film, bone bright")
    film.evaluate("film => film.decode()")  # the page is there before the picture is
    assert film.evaluate("film => film.naturalWidth") > 300
    landmarks, regions = page.locator(".landmarks circle"), page.locator(".rois polygon")
    assert (landmarks.count(), regions.count()) == (16, 14)
    expect(landmarks.first).to_be_visible()
    page.get_by_label("Landmarks").uncheck()
    expect(landmarks.first).to_be_hidden()
    expect(regions.first).to_be_visible()
    page.get_by_label("Regions").uncheck()
    expect(regions.first).to_be_hidden()

    page.get_by_label("Comment").first.fill("DXA booked")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("status")).to_have_text("Acknowledged.")
    expect(page.locator(".comment")).to_have_text("DXA booked")
    page.get_by_role("link", name="Audit").click()
    row = page.get_by_role("row").filter(has_text="alert.acknowledge").first
    expect(row).to_contain_text("admin")
    expect(row).to_contain_text(f"alert {newest['number']}")


def test_landmarks_lie_where_the_film_has_them(watched: Watched, site: tuple[str, Store, int]) -> None:
    """The overlay covers the picture exactly, whatever the window's size."""
    address, _, exam = site
    page = watched.page
    sign_in(page, address, "viewer", f"/exams/{exam}")
    for width in (1440, 700):
        page.set_viewport_size({"width": width, "height": 900})
        picture = page.get_by_alt_text("Chest film, bone bright").bounding_box()
        overlay = page.locator(".picture svg").bounding_box()
        assert picture is not None
        assert overlay is not None
        assert overlay == pytest.approx(picture, abs=1.0)


def test_two_admins_at_once(chromium: Browser, site: tuple[str, Store, int]) -> None:
    address, store, _ = site
    number = listings.alerts(store, state="open")[-1]["number"]
    pages = [chromium.new_context().new_page() for _ in range(2)]
    for page, name in zip(pages, ("reviewer", "admin"), strict=True):
        sign_in(page, address, name, f"/alerts/{number}")
    for page in pages:
        page.get_by_role("button", name="Acknowledge").click()
    expect(pages[0].get_by_role("status")).to_have_text("Acknowledged.")
    expect(pages[1].get_by_role("alert")).to_contain_text("changed meanwhile")
    assert listings.alert(store, number)["acknowledged_by"] == "reviewer"
    for page in pages:
        page.context.close()


def test_a_stuck_report_is_sent_again(watched: Watched, site: tuple[str, Store, int]) -> None:
    address, store, _ = site
    page = watched.page
    (parked,) = listings.deliveries(store, state="parked")
    sign_in(page, address, "admin", "/work")
    expect(page.get_by_text("SOP class not supported").first).to_be_visible()
    page.get_by_role("button", name=f"Send report {parked['id']} again").click()
    expect(page.get_by_role("status")).to_have_text("It will be tried again.")
    assert listings.deliveries(store, state="parked") == []


def test_a_refused_film_is_found_and_explained(watched: Watched, site: tuple[str, Store, int]) -> None:
    address, _, _ = site
    page = watched.page
    sign_in(page, address, "viewer", "/work")
    page.get_by_role("link", name="not frontal").click()
    page.locator("#refused a.row").first.click()
    expect(page.get_by_text("Not judged.", exact=True)).to_be_visible()
    expect(page.get_by_text("The film is a lateral one").first).to_be_visible()
    failed = page.get_by_role("row").filter(has_text="Lung fields against the mediastinum")
    expect(failed).to_contain_text("refused")


def test_an_ended_session_leads_to_the_sign_in(watched: Watched, site: tuple[str, Store, int]) -> None:
    address, _, _ = site
    page = watched.page
    sign_in(page, address, "viewer")
    page.context.clear_cookies()
    page.get_by_role("link", name="Films").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_the_strip_refreshes_itself(watched: Watched, site: tuple[str, Store, int]) -> None:
    address, _, _ = site
    page = watched.page
    sign_in(page, address, "viewer")
    with page.expect_response("**/strip"):
        page.evaluate("htmx.ajax('GET', '/strip', {target: '#strip', swap: 'outerHTML'})")
    expect(page.locator("#strip .tile")).to_have_count(3)


def test_the_film_is_zoomed_and_moved_by_keyboard(watched: Watched, site: tuple[str, Store, int]) -> None:
    address, _, exam = site
    page = watched.page
    sign_in(page, address, "viewer", f"/exams/{exam}")
    page.locator("#viewport").focus()
    page.keyboard.press("+")
    page.keyboard.press("ArrowLeft")
    transform = page.locator("#picture").evaluate("picture => picture.style.transform")
    assert "scale(1.4)" in transform
    page.keyboard.press("0")
    assert "scale(1)" in page.locator("#picture").evaluate("picture => picture.style.transform")


def test_the_keyboard_reaches_an_alert(watched: Watched, site: tuple[str, Store, int]) -> None:
    address, _, _ = site
    page = watched.page
    sign_in(page, address, "viewer")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the content"
    page.keyboard.press("Enter")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('a.row')"):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=re.compile("Alert"))).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_legible_and_nothing_overflows(chromium: Browser, site: tuple[str, Store, int], scheme: str) -> None:
    """Contrast of every text on its background, at a tablet's width, which is also 200 % zoom of a desk's."""
    address, _, exam = site
    context = chromium.new_context(
        color_scheme="dark" if scheme == "dark" else "light", viewport={"width": 820, "height": 1100}
    )
    page = context.new_page()
    sign_in(page, address, "admin")
    (report,) = listings.deliveries(site[1], exam=exam)
    report_page = f"/exams/{exam}/reports/{report['id']}"
    for path in (*PAGES, f"/exams/{exam}", f"/exams/{exam - 1}", report_page, "/work?reason=not-frontal", "/nothing"):
        page.goto(address + path)
        assert page.evaluate(_FAINT, CONTRAST) == [], (path, scheme)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert page.evaluate(_NAMELESS) == [], path
    context.close()


#: Visible texts whose contrast with what lies behind them is too small, with the figure.
_FAINT = """least => {
  const parse = colour => { const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (let node = element; node; node = node.parentElement) {
      const colour = parse(getComputedStyle(node).backgroundColor);
      if (colour[3] > 0.99) return colour;
    }
    return [255, 255, 255, 1];
  };
  const faint = [];
  for (const element of document.body.querySelectorAll("*:not(svg *)")) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility() || element.closest(".hidden, .skip, option")) continue;
    const [one, two] = [light(parse(getComputedStyle(element).color)), light(behind(element))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (two + 0.05);
    if (ratio < least) faint.push(`${element.textContent.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return faint;
}"""

#: Controls without a name that a screen reader could say, and pictures without words.
_NAMELESS = """() => [
  ...[...document.querySelectorAll("a, button")]
    .filter(e => e.checkVisibility() && !e.textContent.trim() && !e.ariaLabel),
  ...[...document.querySelectorAll("input:not([type=hidden]), select")].filter(e => !e.labels.length && !e.ariaLabel),
  ...[...document.querySelectorAll("img")].filter(e => !e.hasAttribute("alt")),
  ...[...document.querySelectorAll("svg:not([aria-hidden])")].filter(e => !e.ariaLabel),
].map(e => e.outerHTML.slice(0, 80))"""
