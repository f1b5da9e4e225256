"""What an attacker tries: markup in headers and remarks, paths out of a folder, links from elsewhere, new routes."""

from __future__ import annotations

import socket
from typing import Annotated

import pytest
import sqlalchemy as sa
from admin_site import Browser, a_config, running, user
from fastapi import Depends, FastAPI, WebSocket
from fastapi.routing import APIRoute

from screening_node.admin import access
from screening_node.admin.app import create_app
from screening_node.store import tables as t
from screening_node.store.archive import Archive
from screening_node.store.session import Store

MARKUP = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>{{7*7}}"
#: Every text that comes from a film's header, a PACS, or somebody's keyboard.
FROM_OUTSIDE = (
    (t.exams, "patient_name patient_id issuer accession_number study_instance_uid modality calling_ae scanner"),
    (t.instances, "sop_instance_uid"),
    (t.alarms, "comment assigned_to acknowledged_by closed_by"),
    (t.outbox, "error destination sop_instance_uid"),
    (t.jobs, "error"),
    (t.results, "refusal_text alarm_reason bundle"),
)


def gets(app: FastAPI) -> list[str]:
    """The path of everything that can be looked at, with the numbers of what there is."""
    found = [route for route in app.routes if isinstance(route, APIRoute) and "GET" in route.methods]
    return [route.path.format(number=1, delivery=1, name="admin.css") for route in found]


def test_markup_from_outside_is_text_on_every_page(filled: Store, archive: Archive) -> None:
    with filled.begin() as tx:
        for table, columns in FROM_OUTSIDE:
            for column in columns.split():
                unique = column == "sop_instance_uid"
                value = sa.literal(MARKUP) + sa.cast(table.c.id, sa.Text) if unique else MARKUP
                tx.execute(table.update().values({column: value}))
    shown = 0
    with running(a_config(), filled, archive) as address, Browser(address) as browser:
        for path in (*gets(create_app(a_config(), filled, archive)), "/exams/2", "/exams/3", f"/?text={MARKUP}"):
            answer = browser.get(path)
            assert answer.status_code < 500, path
            if answer.headers.get("content-type", "").startswith("text/html"):
                assert "<img src=x" not in answer.text, path
                assert "<script>alert" not in answer.text, path
                shown += "&lt;img src=x" in answer.text
            else:
                assert answer.headers["x-content-type-options"] == "nosniff", path
    assert shown >= 6, "it was there to be escaped"


def test_looking_changes_nothing(guarded: str, filled: Store, archive: Archive) -> None:
    """So that no link or picture of another site can do anything, whatever browsers think of cookies."""

    def everything() -> dict[str, list[tuple[object, ...]]]:
        looked = {"audit", "sessions"}  # who looked, and when
        with filled.read() as tx:
            tables = [table for table in t.metadata.sorted_tables if table.name not in looked]
            return {table.name: [tuple(row) for row in tx.execute(sa.select(table))] for table in tables}

    before = everything()
    with user(guarded, "admin") as browser:
        for path in gets(create_app(a_config(), filled, archive)):
            browser.get(path)
    assert everything() == before


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2f..%2fapp.py",
        "/static/%2e%2e/app.py",
        "/static/..%5capp.py",
        "/static//etc/passwd",
        "/static/admin.css%00.html",
        "/settings/licences/..%2f..%2fpyproject.toml",
        "/settings/licences/%2fetc%2fpasswd",
        "/settings/destinations/..%2f..%2fx",
        "/exams/1/reports/..%2f..%2fnode.db",
        "/exams/../../etc/passwd",
    ],
)
def test_no_path_leads_out(shown: Browser, path: str) -> None:
    """Sent byte for byte: clients tidy such paths up."""
    host, _, port = shown.address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), 10) as wire:
        wire.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: wire.recv(65536), b""))
    status, body = answer.split(b" ", 2)[1], answer.partition(b"\r\n\r\n")[2]
    assert status in (b"400", b"404"), status
    for secret in (b"def create_app", b"root:", b"[project]", b"SQLite format"):
        assert secret not in body


# A route that somebody adds


def another(filled: Store, archive: Archive) -> FastAPI:
    return create_app(a_config(), filled, archive)


def test_a_route_that_changes_things_without_checking_its_form_is_not_served(filled: Store, archive: Archive) -> None:
    app = another(filled, archive)

    def careless(visitor: Annotated[access.Visitor, Depends(access.admin)]) -> str:
        return visitor.name

    app.post("/careless")(careless)
    with pytest.raises(TypeError, match="/careless changes things but checks no form"):
        access.check_rules(app)


def test_a_route_with_two_rules_is_not_served(filled: Store, archive: Archive) -> None:
    """Which of them counts would be anybody's guess."""
    app = another(filled, archive)
    app.get("/both", dependencies=[Depends(access.public), Depends(access.admin)])(lambda: "patients")
    with pytest.raises(TypeError, match="/both has no rule"):
        access.check_rules(app)


def test_what_is_no_plain_route_is_not_served(filled: Store, archive: Archive) -> None:
    app = another(filled, archive)

    async def live(socket: WebSocket) -> None:
        await socket.accept()

    app.websocket("/live")(live)
    with pytest.raises(TypeError, match="/live"):
        access.check_rules(app)
    mounted = another(filled, archive)
    mounted.mount("/other", FastAPI())
    with pytest.raises(TypeError, match="/other"):
        access.check_rules(mounted)


def test_a_route_included_in_passing_is_not_served(filled: Store, archive: Archive) -> None:
    """A router whose rules hang on the place where it is included: FastAPI's own way, which check_rules must see."""
    from fastapi import APIRouter

    router, app = APIRouter(), another(filled, archive)
    router.get("/inner")(lambda: "patients")
    app.include_router(router)
    with pytest.raises(TypeError, match="no rule"):
        access.check_rules(app)
