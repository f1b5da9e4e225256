"""The admin's page over HTTP: who may what, what it shows, what an attacker tries."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from admin.filled_store import CROSSING, RAISED, fill, judge, receive
from admin_site import LIMITS, PASSWORD, Browser, a_config, add_users, free_port, running, wait_for
from fastapi.routing import APIRoute

from screening_node.admin import access, listings
from screening_node.admin.access import Needs, Public, Role, rule_of
from screening_node.admin.app import create_app
from screening_node.store import outbox, records
from screening_node.store.archive import Archive
from screening_node.store.session import Store

ROLES = (None, "viewer", "reviewer", "admin")
PAGES = ("/", "/alerts/1", "/exams", "/exams/1", "/exams/2", "/exams/3", "/work", "/overview", "/audit", "/settings")


@pytest.fixture
def filled(store: Store) -> Store:
    fill(store)
    return store


@pytest.fixture
def site(filled: Store, archive: Archive) -> Iterator[str]:
    """A page without accounts, as a newcomer meets it."""
    with running(a_config(), filled, archive) as address:
        yield address


@pytest.fixture
def guarded(filled: Store, archive: Archive) -> Iterator[str]:
    """A page with one user of each role."""
    add_users(filled)
    with running(a_config(), filled, archive) as address:
        yield address


@pytest.fixture(scope="module")
def shown(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A page without accounts for tests that only look; started once."""
    folder = tmp_path_factory.mktemp("shown")
    store = Store(f"sqlite:///{shutil.copy(empty_database, folder / 'node.db')}")
    fill(store)
    with running(a_config(), store, Archive(folder / "archive")) as address, Browser(address) as opened:
        yield opened
    store.close()


@pytest.fixture
def browser(site: str) -> Iterator[Browser]:
    with Browser(site) as opened:
        yield opened


def user(address: str, name: str) -> Browser:
    opened = Browser(address)
    assert opened.sign_in(name).status_code == 303
    return opened


# Who may what


def routes(store: Store, archive: Archive) -> list[APIRoute]:
    return [route for route in create_app(a_config(), store, archive).routes if isinstance(route, APIRoute)]


def url(route: APIRoute) -> str:
    return route.path.format(number=1, delivery=1, name="admin.css")


def is_let_in(browser: Browser, route: APIRoute) -> bool:
    """Whether a request passes the rule; what the page then says is another test's."""
    if "POST" in route.methods:
        token = access.form_token(browser.client.cookies.get(access.COOKIE) or "")
        headers = {"Origin": browser.address}
        answer = browser.client.post(url(route), data={"form_token": token}, headers=headers)
    else:
        answer = browser.get(url(route))
    to_sign_in = answer.headers.get("location", "").startswith("/sign-in?next=")
    return answer.status_code not in (401, 403) and not to_sign_in


def test_every_route_lets_in_exactly_whom_its_rule_names(guarded: str, filled: Store, archive: Archive) -> None:
    browsers = {role: Browser(guarded) if role is None else user(guarded, role) for role in ROLES}
    found = routes(filled, archive)
    assert len(found) > 30
    signing = {"/sign-in", "/sign-out"}  # they end or begin sessions: tried by tests of their own
    for route in (route for route in found if route.path not in signing):
        rule = rule_of(route)
        for role, browser in browsers.items():
            wanted = isinstance(rule, Public) or (
                isinstance(rule, Needs) and role is not None and Role(role).includes(rule.role)
            )
            assert is_let_in(browser, route) is wanted, (route.path, role)
    for browser in browsers.values():
        browser.client.close()


def test_what_is_public_is_a_short_list(filled: Store, archive: Archive) -> None:
    public = {route.path for route in routes(filled, archive) if isinstance(rule_of(route), Public)}
    assert public == {"/sign-in", "/static/{name}", "/health/live", "/health/ready", "/metrics"}


def test_what_changes_things_needs_more_than_a_viewer(filled: Store, archive: Archive) -> None:
    for route in routes(filled, archive):
        if "POST" in route.methods and route.path not in ("/sign-in", "/sign-out"):
            rule = rule_of(route)
            assert isinstance(rule, Needs)
            assert rule.role is not Role.VIEWER, route.path


def test_a_route_without_a_rule_is_not_served(filled: Store, archive: Archive) -> None:
    app = create_app(a_config(), filled, archive)
    app.get("/forgotten")(lambda: "patients")
    with pytest.raises(TypeError, match="/forgotten"):
        access.check_rules(app)


# Without accounts


def test_without_accounts_the_page_says_why_it_asks_for_none(shown: Browser) -> None:
    assert "no account yet" in shown.get("/").text
    assert "create-user" in shown.get("/sign-in").text


def test_without_accounts_a_foreign_host_name_is_refused(shown: Browser) -> None:
    """DNS rebinding: a page elsewhere points its own name at 127.0.0.1."""
    answer = shown.get("/", headers={"Host": "evil.example"})
    assert answer.status_code == 403
    assert "Doe" not in answer.text


def test_without_accounts_other_machines_are_refused(shown: Browser) -> None:
    """As a proxy on this machine passes them on."""
    answer = shown.get("/", headers={"X-Forwarded-For": "192.0.2.7"})
    assert answer.status_code == 403


def test_the_first_account_closes_the_page_at_once(browser: Browser, filled: Store) -> None:
    assert browser.get("/").status_code == 200
    add_users(filled)
    assert browser.get("/").headers["location"] == "/sign-in?next=/"


# Signing in


def test_signing_in_leads_to_the_page_that_was_wanted(guarded: str) -> None:
    with Browser(guarded) as browser:
        assert browser.get("/exams/1").headers["location"] == "/sign-in?next=/exams/1"
        answer = browser.post("/sign-in", "/sign-in", name="viewer", password=PASSWORD, next="/exams/1")
        assert answer.headers["location"] == "/exams/1"
        assert browser.get("/exams/1").status_code == 200


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:x"])
def test_signing_in_leads_nowhere_else(guarded: str, target: str) -> None:
    with Browser(guarded) as browser:
        answer = browser.post("/sign-in", "/sign-in", name="viewer", password=PASSWORD, next=target)
        assert answer.headers["location"] == "/"


def test_the_session_cookie_is_out_of_reach(guarded: str) -> None:
    with Browser(guarded) as browser:
        cookie = browser.sign_in("viewer").headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Secure" not in cookie  # plain http on this machine; any other address gets Secure
        headers = {"Host": "node.example", "Origin": "http://node.example"}
        data = {"form_token": browser.token("/sign-in"), "name": "viewer", "password": PASSWORD}
        assert "Secure" in browser.client.post("/sign-in", data=data, headers=headers).headers["set-cookie"]


def test_a_planted_session_is_worth_nothing(guarded: str) -> None:
    with Browser(guarded) as browser:
        browser.client.cookies.set(access.COOKIE, "planted")
        browser.sign_in("viewer")
        with Browser(guarded) as attacker:
            attacker.client.cookies.set(access.COOKIE, "planted")
            assert attacker.get("/").status_code == 303


def test_after_signing_out_the_cookie_opens_nothing(guarded: str) -> None:
    with user(guarded, "viewer") as browser:
        secret = browser.client.cookies[access.COOKIE]
        assert browser.post("/sign-out").headers["location"] == "/sign-in"
        browser.client.cookies.set(access.COOKIE, secret)
        assert browser.get("/").status_code == 303


def test_a_changed_user_is_signed_out(guarded: str, filled: Store) -> None:
    from screening_node.admin.accounts import Accounts

    with user(guarded, "reviewer") as browser:
        Accounts(filled).change("reviewer", actor="admin", active=False)
        assert browser.get("/").status_code == 303
        assert browser.sign_in("reviewer").status_code == 401


def test_a_part_of_a_page_sends_the_whole_page_to_the_sign_in(guarded: str) -> None:
    with Browser(guarded) as browser:
        answer = browser.get("/strip", headers={"HX-Request": "true"})
        assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/sign-in")


def test_guessing_passwords_soon_has_to_wait(guarded: str) -> None:
    with Browser(guarded) as browser:
        answers = [browser.sign_in("viewer", "a wrong password").status_code for _ in range(6)]
        assert answers == [401] * 5 + [429]
        assert browser.sign_in("viewer").status_code == 429, "the right one has to wait, too"


def test_wrong_name_and_wrong_password_are_told_apart_by_nobody(guarded: str) -> None:
    with Browser(guarded) as browser:
        texts = {browser.sign_in(name, "a wrong password").text for name in ("viewer", "nobody")}
        assert len({re.sub(r"[0-9a-f]{64}", "", text) for text in texts}) == 1


# Forms that come from elsewhere


@pytest.mark.parametrize("origin", [None, "https://evil.example", "null"])
def test_a_form_from_another_site_does_nothing(browser: Browser, filled: Store, origin: str | None) -> None:
    data = {"form_token": browser.token("/alerts/1"), "version": "0"}
    headers = {} if origin is None else {"Origin": origin}
    assert browser.client.post("/alerts/1/acknowledge", data=data, headers=headers).status_code == 403
    assert listings.alert(filled, 1)["state"] == "open"


def test_a_form_without_its_token_does_nothing(browser: Browser, filled: Store) -> None:
    data = {"form_token": "0" * 64, "version": "0"}
    answer = browser.client.post("/alerts/1/acknowledge", data=data, headers={"Origin": browser.address})
    assert answer.status_code == 403
    assert listings.alert(filled, 1)["state"] == "open"


def test_a_form_of_another_session_does_nothing(guarded: str, filled: Store) -> None:
    with user(guarded, "reviewer") as browser, user(guarded, "viewer") as other:
        data = {"form_token": other.token("/"), "version": "0"}
        answer = browser.client.post("/alerts/1/acknowledge", data=data, headers={"Origin": browser.address})
        assert answer.status_code == 403


# What pages show


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
    for words in ("−2.8", "−2.2", "0.700 ± 0.050", "SOP class refused", "received from XRAY", "judged, revision 1"):
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


# What is done about alerts and work


def test_an_alert_is_acknowledged_assigned_and_closed_with_its_dxa(guarded: str, filled: Store) -> None:
    with user(guarded, "reviewer") as browser:
        page = "/alerts/1"
        assert browser.post(f"{page}/acknowledge", page, version="0", comment="DXA booked").status_code == 303
        assert browser.post(f"{page}/assign", page, version="1", to="Mia").status_code == 303
        closed = browser.post(
            f"{page}/close",
            page,
            version="2",
            outcome="dxa-osteopenia",
            dxa_date="2026-03-02",
            dxa_t_score="\N{MINUS SIGN}2,1",
        )
        assert closed.headers["location"] == "/alerts/1?done=closed"
    alert = listings.alert(filled, 1)
    assert (alert["state"], alert["acknowledged_by"], alert["closed_by"]) == ("closed", "reviewer", "reviewer")
    assert (alert["assigned_to"], alert["comment"]) == ("Mia", "DXA booked")
    assert (alert["outcome"], alert["dxa_date"], alert["dxa_t_score"]) == ("dxa-osteopenia", "2026-03-02", -2.1)
    with filled.read() as tx:
        assert (
            str(tx.exec_driver_sql("SELECT last_dxa FROM patients WHERE last_dxa IS NOT NULL").scalar()) == "2026-03-02"
        )
    actions = [row["action"] for row in listings.audit(filled) if row["actor"] == "reviewer"]
    assert {"alert.acknowledge", "alert.assign", "alert.close", "look", "sign-in"} <= set(actions)


def test_the_second_of_two_admins_is_told(site: str, filled: Store) -> None:
    with Browser(site) as one, Browser(site) as two:
        token = two.token("/alerts/1")
        one.post("/alerts/1/comment", "/alerts/1", version="0", comment="mine")
        answer = two.client.post(
            "/alerts/1/close",
            data={"form_token": token, "version": "0", "outcome": "dismissed", "comment": "yours"},
            headers={"Origin": site},
        )
    assert answer.status_code == 409
    assert "changed meanwhile" in answer.text
    alert = listings.alert(filled, 1)
    assert (alert["state"], alert["comment"]) == ("open", "mine")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "How it ended is not said"),
        ({"outcome": "dismissed"}, "needs a reason"),
        ({"outcome": "dxa-normal", "dxa_date": "yesterday"}, "no date"),
        ({"outcome": "dxa-normal", "dxa_date": "2999-01-01"}, "in the future"),
        ({"outcome": "dxa-normal", "dxa_t_score": "much"}, "no number"),
        ({"outcome": "dxa-normal", "dxa_t_score": "nan"}, "No DXA"),
    ],
)
def test_an_alert_is_closed_with_sense_or_not_at_all(
    browser: Browser, filled: Store, fields: dict[str, str], said: str
) -> None:
    answer = browser.post("/alerts/1/close", "/alerts/1", version="0", **fields)
    assert answer.status_code == 400
    assert said in answer.text
    assert listings.alert(filled, 1)["state"] == "open"


def test_many_are_acknowledged_at_once_and_a_changed_one_is_left(browser: Browser, filled: Store) -> None:
    judge(filled, receive(filled, "1.9", "P9"), CROSSING, RAISED)
    browser.post("/alerts/2/comment", "/alerts/2", version="0", comment="changed meanwhile")
    answer = browser.post("/alerts/acknowledge", "/", alert=["1/0", "2/0", "x/y"])
    assert answer.headers["location"] == "/?done=some-changed"
    assert [row["state"] for row in listings.alerts(filled)] == ["open", "acknowledged"]


def test_work_is_retried_and_cancelled(browser: Browser, filled: Store) -> None:
    assert browser.post("/exams/3/retry", "/work", **{"from": "work"}).headers["location"] == "/work?done=retried"
    assert listings.exam(filled, 3)["state"] == "waiting"
    browser.post("/exams/3/cancel", "/work")
    assert listings.exam(filled, 3)["state"] == "cancelled"
    browser.post("/deliveries/1/retry", "/work")
    assert {row["id"]: row["state"] for row in listings.deliveries(filled)}[1] == "pending"
    assert browser.post("/exams/3/cancel", "/exams/1").status_code == 409
    assert browser.post("/deliveries/retry", "/exams/1").status_code == 303


def test_the_export_is_harmless_to_a_spreadsheet(browser: Browser, filled: Store) -> None:
    answer = browser.get("/alerts.csv?state=all")
    (row,) = csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff")))
    assert row["patient_name"] == "'=HYPERLINK(1)"
    assert listings.audit(filled)[0]["action"] == "alert.export"


# For programs


@pytest.mark.parametrize(
    ("path", "listing"),
    [
        ("/alerts", lambda store: listings.alerts(store)),
        ("/alerts/1", lambda store: listings.alert(store, 1)),
        ("/exams", lambda store: listings.exams(store)),
        ("/exams/1", lambda store: listings.exam(store, 1)),
        ("/deliveries?state=parked", lambda store: listings.deliveries(store, state="parked")),
        ("/exams?state=failed&limit=1", lambda store: listings.exams(store, state="failed", limit=1)),
    ],
)
def test_the_api_says_what_the_command_line_says(browser: Browser, filled: Store, path: str, listing: Any) -> None:
    assert browser.get(f"/api/v1{path}").json() == json.loads(json.dumps(listing(filled)))


def test_a_token_reads_the_api_with_its_users_rights(guarded: str, filled: Store) -> None:
    from screening_node.admin.accounts import Accounts

    token = Accounts(filled).token("viewer", actor="admin")
    with Browser(guarded) as program:
        headers = {"Authorization": f"Bearer {token}"}
        assert program.get("/api/v1/alerts", headers=headers).status_code == 200
        assert program.get("/api/v1/audit", headers=headers).status_code == 403
        assert program.get("/alerts/1", headers=headers).status_code == 303, "a token opens no page"
        wrong = program.get("/api/v1/alerts", headers={"Authorization": "Bearer no"})
        assert (wrong.status_code, list(wrong.json())) == (401, ["error"])


def test_the_api_says_what_is_wrong(shown: Browser) -> None:
    assert shown.get("/api/v1/exams/99").status_code == 404
    assert shown.get("/api/v1/alerts?state=nonsense").json()["error"]["fix"]
    assert shown.get("/api/v1/alerts?limit=0").status_code == 422


def test_the_api_is_described(shown: Browser) -> None:
    described = shown.get("/api/v1/openapi.json").json()
    assert set(described["paths"]) >= {"/api/v1/alerts", "/api/v1/exams/{number}", "/api/v1/deliveries"}


def test_machines_that_watch_get_figures_and_no_patients(guarded: str) -> None:
    with Browser(guarded) as machine:
        assert machine.get("/health/live").text == "alive\n"
        assert machine.get("/health/ready").json() == {"ready": True, "why": None}
        text = machine.get("/metrics").text
        for line in (
            'screening_node_queue_films{state="dead"} 1.0',
            'screening_node_deliveries{destination="pacs",state="parked"} 1.0',
            'screening_node_results_total{outcome="refused",reason="not-frontal"} 1.0',
            "screening_node_alerts_open 1.0",
            "screening_node_judge_seconds_count 2.0",
        ):
            assert line in text, line
        for secret in ("P1", "Doe", "HYPERLINK", "A1", "1.1"):
            assert secret not in re.sub(r"\d+\.\d+(e[+-]\d+)?$", "", text, flags=re.M).replace("0.1.0", "")


def test_a_node_whose_store_is_gone_is_not_ready(filled: Store, archive: Archive) -> None:
    with running(a_config(), filled, archive) as address, Browser(address) as machine:
        assert filled.file is not None
        filled.file.unlink()
        assert machine.get("/health/live").status_code == 200
        assert machine.get("/health/ready").status_code == 503
        assert machine.get("/metrics").status_code == 503
        assert "database file" in machine.get("/").text


def test_a_full_disk_is_not_ready(filled: Store, archive: Archive) -> None:
    with running(a_config(min_free_bytes=2**60), filled, archive) as address, Browser(address) as machine:
        assert machine.get("/health/ready").json()["why"] == "DiskFull"
        assert "The disk is full" in machine.get("/").text


# The process


def test_a_taken_port_is_waited_for(filled: Store, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    from screening_node.admin import server

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
    import httpx

    config = a_config(host="0.0.0.0")
    with running(config, filled, archive), pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.2:{config.port}/health/live")


def test_display_copies_are_kept_and_bounded(tmp_path: Path) -> None:
    import factory

    from screening_node.admin.films import DisplayCopies

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
    import ssl

    import httpx
    from certificates import Authority

    from screening_node.admin.server import run_admin

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
    from screening_node.admin.server import run_admin
    from screening_node.errors import Misconfigured

    for name in ("node.pem", "node.key"):
        (tmp_path / name).write_text("nonsense")
    config = a_config(certificate=tmp_path / "node.pem", key=tmp_path / "node.key")
    with pytest.raises(Misconfigured, match=r"admin\.certificate"):
        run_admin(config, filled, archive, threading.Event())
