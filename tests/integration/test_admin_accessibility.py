"""Every page for everybody: axe-core finds no serious fault, at any width, light and dark; nothing hostile runs.

axe-core (MPL-2.0) comes with axe-playwright-python. A page at 200 % zoom is a page half as wide: that is how browsers
zoom (WCAG 2.2, 1.4.4 and 1.4.10).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import openid_provider
import pytest
import sqlalchemy as sa
from admin_chromium import FilledSite, Watched, filled_site, running_chromium, sign_in
from admin_films import VALIDATION
from admin_site import a_config, free_port, running
from axe_playwright_python.sync_playwright import Axe
from openid_provider import CLIENT_ID, CLIENT_SECRET
from playwright.sync_api import Browser, Page, expect

from screening_node.admin import listings
from screening_node.admin.oidc import CALLBACK
from screening_node.admin.reach import Reachable
from screening_node.admin.site import OidcConfig
from screening_node.errors import DestinationUnavailable
from screening_node.store import tables as t
from screening_node.store.archive import Archive
from screening_node.store.session import Store

CARD = Path(__file__).parents[2] / "models" / "chest_film" / "0.2.0" / "MODEL_CARD.md"
SERIOUS = ("serious", "critical")
#: A desk, a tablet upright, and a small laptop (1280 pixels) at 200 %. Colours do not depend on the width.
WINDOWS = ((1440, "light"), (820, "dark"), (640, "light"))
HOSTILE = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"


def away() -> str:
    raise DestinationUnavailable("ris (HL7 at 192.0.2.1:2575) cannot be reached.", fix="Look whether it runs.")


REACHABLE = (
    Reachable(name="pacs", described="pacs (PACS at 192.0.2.1:104)", ask=lambda: "answers C-ECHO"),
    Reachable(name="ris", described="ris (HL7 at 192.0.2.1:2575)", ask=away),
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def site(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilledSite]:
    folder = tmp_path_factory.mktemp("site")
    with filled_site(
        empty_database, folder, model_card=CARD.read_text(), reachable=REACHABLE, validation=VALIDATION
    ) as made:
        yield made


def pages(site: FilledSite) -> tuple[str, ...]:
    """Every kind of page: lists with and without rows, a judged film, a refused one, an alert, what is not there."""
    with site.store.read() as tx:
        refused = (
            tx.execute(sa.select(t.results.c.exam_id).where(t.results.c.refusal_code.is_not(None))).scalars().all()
        )
        alert = tx.execute(sa.select(sa.func.max(t.alarms.c.number))).scalar_one()
    report = listings.deliveries(site.store, exam=site.exam)[0]["id"]
    films = (f"/exams/{site.exam}", f"/exams/{refused[0]}", f"/exams/{site.exam}/reports/{report}")
    lists = ("/", "/?text=nobody", "/exams", "/work", "/work?reason=not-frontal", "/overview", "/audit")
    return (*lists, *films, f"/alerts/{alert}", "/settings", "/settings/model-card", "/settings/licences", "/nothing")


def faults(page: Page) -> list[str]:
    """What axe-core finds that is serious, with the element, and the rule's own words."""
    found = Axe().run(page).response["violations"]
    return [
        f"{page.url} {each['id']}: {each['help']}: {node['html'][:150]} {node.get('failureSummary', '')[:300]}"
        for each in found
        if each["impact"] in SERIOUS
        for node in each["nodes"][:3]
    ]


@pytest.mark.parametrize(("width", "scheme"), WINDOWS)
def test_every_page_is_accessible_and_as_wide_as_its_window(
    chromium: Browser, site: FilledSite, width: int, scheme: str
) -> None:
    context = chromium.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": 900},
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(f"{site.address}/sign-in")
    found = faults(page)
    sign_in(page, site.address, "admin")
    for path in pages(site):
        page.goto(site.address + path)
        if path == "/settings":
            expect(page.get_by_text("It answers C-ECHO.")).to_be_visible()
        found += faults(page)
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if wide > 0:
            found.append(f"{path} is {wide} pixels wider than its window of {width}")
    context.close()
    assert found == []


def test_a_fault_would_be_found(chromium: Browser, site: FilledSite) -> None:
    page = chromium.new_context().new_page()
    page.goto(f"{site.address}/sign-in")
    page.evaluate(
        "document.querySelector('input[name=name]').parentElement.replaceWith(document.createElement('input'))"
    )
    assert "label" in "".join(faults(page))
    page.context.close()


def test_destinations_are_asked_while_the_page_is_there(chromium: Browser, site: FilledSite) -> None:
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    watched = Watched(context.new_page())
    page = watched.page
    sign_in(page, site.address, "admin", "/settings")
    expect(page.get_by_role("row", name="pacs")).to_contain_text("It answers C-ECHO.")
    expect(page.get_by_role("row", name="ris")).to_contain_text("cannot be reached. Look whether it runs.")
    with page.expect_response("**/settings/destinations/ris"):
        page.get_by_role("button", name="Ask ris again").click()
    expect(page.get_by_role("button", name="Ask ris again")).to_be_visible()
    page.get_by_role("link", name="Model card of the bundle").click()
    expect(page.get_by_role("heading", name="Measured")).to_be_visible()
    context.close()
    assert watched.complaints == []


def test_what_a_header_says_never_runs(chromium: Browser, site: FilledSite, tmp_path: Path) -> None:
    """On a copy of the site: its films stay, their headers and remarks are somebody else's."""
    assert site.store.file is not None
    with closing(sqlite3.connect(site.store.file)) as there, closing(sqlite3.connect(tmp_path / "node.db")) as here:
        there.backup(here)
    store = Store(f"sqlite:///{tmp_path / 'node.db'}")
    with store.begin() as tx:
        columns = ("patient_name", "patient_id", "accession_number", "modality", "calling_ae", "scanner")
        tx.execute(t.exams.update().values(dict.fromkeys(columns, HOSTILE)))
        tx.execute(t.alarms.update().values(comment=HOSTILE, assigned_to=HOSTILE))
        tx.execute(t.outbox.update().values(error=HOSTILE))
    config = a_config(model_card=f"# {HOSTILE}", validation=VALIDATION)
    with running(config, store, Archive(site.store.file.parent / "archive")) as address:
        watched = Watched(chromium.new_context().new_page())
        sign_in(watched.page, address, "admin")
        for path in pages(site)[:-1]:
            watched.page.goto(address + path)
            assert "taken" not in watched.page.title(), path
        watched.page.context.close()
    store.close()
    assert watched.complaints == []


def test_a_real_browser_signs_in_through_the_provider(chromium: Browser, store: Store, archive: Archive) -> None:
    """The provider is another site to the browser (localhost is not 127.0.0.1): same-site cookies have to hold out."""
    port = free_port()
    with openid_provider.provider(f"http://127.0.0.1:{port}{CALLBACK}", host="localhost") as provider:
        told = OidcConfig(
            issuer=provider.issuer,
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            page=f"http://127.0.0.1:{port}",
            name="Hospital account",
            scopes=("openid", "profile"),
            name_claim="preferred_username",
            role_claim="roles",
            roles={"screening-reviewers": "reviewer"},
        )
        with running(a_config(port=port, oidc=told), store, archive) as address:
            watched = Watched(chromium.new_context().new_page())
            page = watched.page
            page.goto(f"{address}/exams")
            assert faults(page) == []
            page.get_by_role("link", name="Sign in with Hospital account").click()
            page.wait_for_url(f"{address}/exams")
            expect(page.get_by_text("oidc:mia")).to_be_visible()
            page.get_by_role("button", name="Sign out").click()
            page.get_by_role("link", name="sign out there, too").click()
            page.wait_for_url(f"{provider.issuer}/leave**")
            page.goto(f"{address}/exams")
            expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
            page.context.close()
    assert watched.complaints == []
    assert watched.hosts == {"127.0.0.1", "localhost"}
