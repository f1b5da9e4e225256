"""The process that serves the page: where it listens, its TLS, its display copies."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from pathlib import Path

import factory
import httpx
import pytest
from admin_site import PASSWORD, a_config, add_users, free_port, running, wait_for
from certificates import Authority

from screening_node.admin import server
from screening_node.admin.films import DisplayCopies
from screening_node.admin.server import run_admin
from screening_node.errors import Misconfigured
from screening_node.store.archive import Archive
from screening_node.store.session import Store


def test_a_taken_port_is_waited_for(filled: Store, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_TRY_AGAIN_S", 0.1)
    config = a_config(port=free_port())
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", config.port)):
        thread = threading.Thread(target=server.run_admin, args=(config, filled, archive, stop))
        thread.start()
        thread.join(0.5)
        assert thread.is_alive(), "it waits"
    try:
        wait_for(f"http://127.0.0.1:{config.port}")
    finally:
        stop.set()
        thread.join(30)


def test_without_accounts_only_loopback_is_listened_on(filled: Store, archive: Archive) -> None:
    """All addresses of the machine are asked for; another loopback address must not answer."""
    config = a_config(host="0.0.0.0")
    with running(config, filled, archive), pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.2:{config.port}/health/live")


def test_display_copies_are_kept_and_bounded(tmp_path: Path) -> None:
    film = factory.save(factory.make_dx(rows=300, columns=200), tmp_path / "film.dcm")
    copies = DisplayCopies(tmp_path / "display", most_bytes=150_000)
    first = copies.png(film, "one")
    assert first.startswith(b"\x89PNG")
    film.unlink()
    assert copies.png(film, "one") == first, "the kept copy answers"
    for name in ("two", "three", "four"):
        copies.png(factory.save(factory.make_dx(rows=300, columns=200), tmp_path / "film.dcm"), name)
    assert sum(file.stat().st_size for file in (tmp_path / "display").iterdir()) <= 150_000


def test_the_page_over_tls_keeps_its_cookie_to_tls(filled: Store, archive: Archive, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    pair = authority.issue("node")
    add_users(filled)
    config = a_config(certificate=pair.certificate, key=pair.key)
    stop = threading.Event()
    thread = threading.Thread(target=run_admin, args=(config, filled, archive, stop))
    thread.start()
    address = f"https://127.0.0.1:{config.port}"
    trust = ssl.create_default_context(cafile=str(authority.certificate))
    try:
        with httpx.Client(base_url=address, verify=trust) as client:
            wait_for(address, client)
            found = re.search(r'name="form_token" value="(\w+)"', client.get("/sign-in").text)
            assert found is not None
            data = {"form_token": found[1], "name": "viewer", "password": PASSWORD}
            answer = client.post("/sign-in", data=data, headers={"Origin": address})
            assert "Secure" in answer.headers["set-cookie"]
            assert client.get("/").status_code == 200
    finally:
        stop.set()
        thread.join(30)


def test_a_key_that_does_not_fit_its_certificate_is_said(filled: Store, archive: Archive, tmp_path: Path) -> None:
    for name in ("node.pem", "node.key"):
        (tmp_path / name).write_text("nonsense")
    config = a_config(certificate=tmp_path / "node.pem", key=tmp_path / "node.key")
    with pytest.raises(Misconfigured, match=r"admin\.certificate"):
        run_admin(config, filled, archive, threading.Event())
