"""Who may what, with accounts and without, and forms that come from elsewhere."""

from __future__ import annotations

import pytest
from admin_site import Browser, a_config, add_users, user
from fastapi.routing import APIRoute

from screening_node.admin import access, listings
from screening_node.admin.access import Needs, Public, Role, rule_of
from screening_node.admin.app import create_app
from screening_node.store.archive import Archive
from screening_node.store.session import Store

ROLES = (None, "viewer", "reviewer", "admin")


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
    by_provider = {"/sign-in/oidc", "/sign-in/oidc/callback", "/sign-in/oidc/leave"}
    watched = {"/health/live", "/health/ready", "/metrics"}
    assert public == {"/sign-in", "/static/{name}"} | by_provider | watched


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
