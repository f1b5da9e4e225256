"""The admin's page over real loopback HTTP, as a browser meets it."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import argon2
import httpx

from screening_node.admin.server import run_admin
from screening_node.admin.site import AdminConfig
from screening_node.settings import load_reference_table
from screening_node.store import accounts
from screening_node.store.archive import Archive
from screening_node.store.session import Store

LIMITS = "Phantom-trained: not for clinical use."
PASSWORD = "a long enough password"
REPOSITORY = Path(__file__).parents[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def a_config(**changes: Any) -> AdminConfig:
    fields: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": free_port(),
        "node": "SCREENING_NODE",
        "version": "0.1.0",
        "bundle": "chest_film 0.2.0",
        "limits_of_use": LIMITS,
        "reference": load_reference_table(REPOSITORY / "config" / "references" / "wang2022-implied.toml"),
        "destinations": ("pacs",),
    }
    return AdminConfig(**{**fields, **changes})


@contextlib.contextmanager
def running(config: AdminConfig, store: Store, archive: Archive) -> Iterator[str]:
    """The page, from its first answer on; its address without the last slash."""
    stop = threading.Event()
    thread = threading.Thread(target=run_admin, args=(config, store, archive, stop))
    thread.start()
    address = f"http://127.0.0.1:{config.port}"
    try:
        wait_for(address)
        yield address
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def wait_for(address: str, client: httpx.Client | None = None) -> None:
    """Return once the page answers."""
    for _ in range(200):
        with contextlib.suppress(httpx.TransportError):
            if (client.get if client else httpx.get)(f"{address}/health/live").status_code == 200:
                return
        threading.Event().wait(0.05)
    raise AssertionError(f"{address} does not answer")


class Browser:
    """A client that keeps cookies, sends its origin with forms, and follows nothing by itself."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.client = httpx.Client(base_url=address, timeout=30)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.client.get(path, **more)

    def token(self, path: str) -> str:
        """The form token that a page carries."""
        found = re.search(r'name="form_token" value="([0-9a-f]+)"', self.get(path).text)
        assert found is not None, f"{path} has no form"
        return found[1]

    def post(self, path: str, page: str = "/", **fields: Any) -> httpx.Response:
        """Send a form as the page at ``page`` would."""
        data = {"form_token": self.token(page), **fields}
        return self.client.post(path, data=data, headers={"Origin": self.address})

    def sign_in(self, name: str, password: str = PASSWORD) -> httpx.Response:
        return self.post("/sign-in", "/sign-in", name=name, password=password)

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()


def user(address: str, name: str) -> Browser:
    """Somebody who is signed in under this name."""
    opened = Browser(address)
    assert opened.sign_in(name).status_code == 303
    return opened


def add_users(store: Store) -> None:
    """One user of each role, named by it."""
    with store.begin() as tx:
        for role in ("viewer", "reviewer", "admin"):
            accounts.create(tx, name=role, role=role, password_hash=_hashed(PASSWORD), now=dt.datetime.now(dt.UTC))


@functools.cache
def _hashed(password: str) -> str:
    """Once for all tests: it is slow on purpose."""
    return argon2.PasswordHasher().hash(password)
