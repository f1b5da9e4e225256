"""Debian's Chromium, headless, before the admin's page; and a site for it to look at."""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from admin_films import SiteFilms, fill
from admin_site import LIMITS, PASSWORD, a_config, add_users, running
from integration import peers
from playwright.sync_api import Browser, Page, sync_playwright

from screening_node.store.archive import Archive
from screening_node.store.session import Store

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextlib.contextmanager
def running_chromium() -> Iterator[Browser]:
    """A browser with a fresh profile."""
    path = peers.require("chromium", "chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass(frozen=True, kw_only=True)
class FilledSite:
    """A running page over some days of films, with one user of each role; ``exam`` is that of its newest alert."""

    address: str
    store: Store
    exam: int


@contextlib.contextmanager
def filled_site(empty_database: Path, folder: Path, **config: Any) -> Iterator[FilledSite]:
    """Made anew in ``folder``; ``config`` are the page's settings."""
    store = Store(f"sqlite:///{shutil.copy(empty_database, folder / 'node.db')}")
    archive, told = Archive(folder / "archive"), a_config(**config)
    films = SiteFilms(store, archive, told.reference, folder, LIMITS)
    exam = fill(films, dt.datetime.now(dt.UTC), days=3, size=640)
    add_users(store)
    with running(told, store, archive) as address:
        yield FilledSite(address=address, store=store, exam=exam)
    store.close()


class Watched:
    """A page of which every message, every failure and every request is kept."""

    def __init__(self, page: Page) -> None:
        self.page, self.complaints, self.hosts = page, list[str](), set[str | None]()
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).hostname))


def sign_in(page: Page, address: str, name: str, path: str = "/") -> None:
    page.goto(address + path)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(address + path)
