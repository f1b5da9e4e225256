"""Signing in through a provider of OpenID Connect, a real one on this machine: who gets in, as what, and who not."""

from __future__ import annotations

import datetime as dt
import logging
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import openid_provider
import pytest
from admin.filled_store import fill
from admin_site import PASSWORD, Browser, a_config, add_users, free_port, running
from certificates import Authority
from openid_provider import CLIENT_ID, CLIENT_SECRET, Claims, OpenIdProvider

from screening_node.admin import access, listings
from screening_node.admin.accounts import Accounts
from screening_node.admin.oidc import CALLBACK
from screening_node.admin.site import OidcConfig
from screening_node.errors import Permanent
from screening_node.store import accounts as rows
from screening_node.store.archive import Archive
from screening_node.store.session import Store
from screening_node.tls import ClientTls, Trust

ROLES = {"screening-viewers": "viewer", "screening-reviewers": "reviewer", "screening-admins": "admin"}


@dataclass(frozen=True, kw_only=True)
class World:
    """A page, its provider and its store."""

    address: str
    provider: OpenIdProvider
    store: Store

    def answer(self, browser: Browser, path: str = "/sign-in/oidc") -> str:
        """Go to the provider as a browser would; where it sends one back to."""
        there = browser.get(path)
        assert there.status_code == 302, there.text
        back = httpx.get(there.headers["location"])
        return back.headers["location"].removeprefix(self.address)

    def sign_in(self, browser: Browser) -> httpx.Response:
        return browser.get(self.answer(browser))

    def audit(self) -> list[dict[str, Any]]:
        return [row for row in listings.audit(self.store) if row["action"] != "look"]


def told(port: int, provider: OpenIdProvider, **changes: Any) -> OidcConfig:
    fields: dict[str, Any] = {
        "issuer": provider.issuer,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "page": f"http://127.0.0.1:{port}",
        "name": "Hospital",
        "scopes": ("openid", "profile"),
        "name_claim": "preferred_username",
        "role_claim": "roles",
        "roles": ROLES,
    }
    return OidcConfig(**{**fields, **changes})


@pytest.fixture
def world(store: Store, archive: Archive) -> Iterator[World]:
    fill(store)
    port = free_port()
    with openid_provider.provider(f"http://127.0.0.1:{port}{CALLBACK}") as provider:
        config = a_config(port=port, oidc=told(port, provider))
        with running(config, store, archive) as address:
            yield World(address=address, provider=provider, store=store)


@pytest.fixture
def browser(world: World) -> Iterator[Browser]:
    with Browser(world.address) as opened:
        yield opened


# Who gets in


@pytest.mark.parametrize(("group", "role"), ROLES.items())
def test_the_claim_decides_the_role(world: World, browser: Browser, group: str, role: str) -> None:
    world.provider.user["roles"] = ["staff", group]
    answer = world.sign_in(browser)
    assert answer.status_code == 200
    assert '<meta http-equiv="refresh" content="0;url=/">' in answer.text
    assert f"oidc:mia <small>{role}</small>" in browser.get("/").text
    assert browser.get("/settings").status_code == (200 if role == "admin" else 403)
    created, signed_in = world.audit()[::-1]
    assert (created["action"], created["subject"]) == ("user.create", "user oidc:mia")
    assert created["detail"] == {"role": role, "issuer": world.provider.issuer}
    assert (signed_in["actor"], signed_in["action"]) == ("oidc:mia", "sign-in")


def test_of_several_roles_the_greatest_counts(world: World, browser: Browser) -> None:
    world.provider.user["roles"] = ["screening-viewers", "screening-admins"]
    world.sign_in(browser)
    assert "<small>admin</small>" in browser.get("/").text


def test_a_role_deep_in_a_claim_is_found(store: Store, archive: Archive) -> None:
    port = free_port()
    with openid_provider.provider(f"http://127.0.0.1:{port}{CALLBACK}") as provider:
        provider.user = {"sub": "7", "realm_access": {"roles": ["screening-viewers"]}}
        config = a_config(port=port, oidc=told(port, provider, role_claim="realm_access.roles"))
        with running(config, store, archive) as address, Browser(address) as browser:
            World(address=address, provider=provider, store=store).sign_in(browser)
            assert "oidc:7 <small>viewer</small>" in browser.get("/").text


def test_signing_in_leads_to_the_page_that_was_wanted(world: World, browser: Browser) -> None:
    assert 'href="/sign-in/oidc?next=/exams/1"' in browser.get("/sign-in?next=/exams/1").text
    back = world.answer(browser, "/sign-in/oidc?next=/exams/1")
    assert "url=/exams/1" in browser.get(back).text


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "/\\evil.example"])
def test_signing_in_leads_nowhere_else(world: World, browser: Browser, target: str) -> None:
    back = world.answer(browser, f"/sign-in/oidc?next={target}")
    answer = browser.get(back)
    assert "evil" not in answer.text
    assert 'url=/"' in answer.text


def test_the_session_is_new_and_out_of_reach(world: World, browser: Browser) -> None:
    """Session fixation: whatever the browser came with is worth nothing, and what it had is over."""
    browser.client.cookies.set(access.COOKIE, "planted", domain="127.0.0.1")
    cookie = world.sign_in(browser).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    first = browser.client.cookies[access.COOKIE]
    assert first != "planted"
    world.sign_in(browser)
    for worthless in ("planted", first):
        with Browser(world.address) as other:
            other.client.cookies.set(access.COOKIE, worthless)
            assert other.get("/").status_code == 303


def test_who_comes_again_is_the_same_and_has_the_role_of_today(world: World, browser: Browser) -> None:
    world.sign_in(browser)
    world.provider.user |= {"roles": ["screening-viewers"], "preferred_username": "mia.new"}
    world.sign_in(browser)
    assert Accounts(world.store).names() == [("oidc:mia", "viewer", True)]
    changed = next(row for row in world.audit() if row["action"] == "user.change")
    assert changed["detail"] == {"role": "viewer", "was": "reviewer"}


# Who does not


def test_without_a_mapped_role_nobody_gets_in(world: World, browser: Browser) -> None:
    world.provider.user["roles"] = ["staff"]
    answer = world.sign_in(browser)
    assert answer.status_code == 403
    assert "you have no role here" in answer.text
    assert access.COOKIE not in browser.client.cookies
    assert Accounts(world.store).names() == []
    assert world.audit()[0]["detail"] == {"by": "provider", "why": "no role"}


def test_who_lost_the_role_is_signed_out_everywhere(world: World, browser: Browser) -> None:
    world.sign_in(browser)
    del world.provider.user["roles"]
    with Browser(world.address) as elsewhere:
        assert world.sign_in(elsewhere).status_code == 403
    assert browser.get("/").status_code == 303


def test_who_was_blocked_here_does_not_get_in(world: World, browser: Browser) -> None:
    world.sign_in(browser)
    Accounts(world.store).change("oidc:mia", actor="admin", active=False)
    assert browser.get("/").status_code == 303
    answer = world.sign_in(browser)
    assert answer.status_code == 403
    assert "blocked" in answer.text


def bent(**changes: Any) -> Callable[[Claims], Claims]:
    """Claims changed so; those that are None are left out."""
    return lambda claims: {key: value for key, value in {**claims, **changes}.items() if value is not None}


@pytest.mark.parametrize(
    ("bend", "said", "why"),
    [
        (bent(nonce="another"), "not for this sign-in (nonce)", "nonce"),
        (bent(nonce=None), "not for this sign-in", "nonce"),
        (bent(aud="another-client"), "not for this sign-in (aud)", "aud"),
        (bent(aud="another-client", azp=CLIENT_ID), "not for this sign-in (aud)", "aud"),
        (bent(aud=[CLIENT_ID, "another"], azp="another"), "not for this sign-in (azp)", "azp"),
        (bent(iss="https://evil.example"), "not for this sign-in (iss)", "iss"),
        (bent(exp=int(time.time()) - 3600, iat=int(time.time()) - 7200), "has expired", "expired"),
        (bent(exp=None), "not for this sign-in", "exp"),
        (bent(sub=None), "not for this sign-in", "sub"),
        (lambda claims: {}, "no ID token", "no ID token"),
    ],
)
def test_an_id_token_that_is_not_for_this_sign_in(
    world: World, browser: Browser, bend: Callable[[Claims], Claims], said: str, why: str
) -> None:
    world.provider.bend = bend
    answer = world.sign_in(browser)
    assert answer.status_code == 401
    assert said in answer.text
    assert browser.get("/").status_code == 303
    assert Accounts(world.store).names() == []
    (row,) = world.audit()
    assert (row["action"], row["detail"]) == ("sign-in.refused", {"by": "provider", "why": why})


@pytest.mark.parametrize("kid", ["one", "two"])
def test_an_id_token_signed_by_somebody_else(world: World, browser: Browser, kid: str) -> None:
    world.provider.signing_key = openid_provider.key(kid, 1)
    answer = world.sign_in(browser)
    assert answer.status_code == 401
    assert "not signed by its keys" in answer.text


def test_a_provider_that_changed_its_key_is_believed(world: World, browser: Browser) -> None:
    world.sign_in(browser)
    world.provider.key = world.provider.signing_key = openid_provider.key("two", 1)
    assert world.sign_in(browser).status_code == 200


# The way there and back


def test_each_sign_in_has_its_own_state_nonce_and_challenge(world: World, browser: Browser) -> None:
    for _ in range(2):
        world.sign_in(browser)
    one, two = world.provider.asked
    for name in ("state", "nonce", "code_challenge"):
        assert len(one[name]) >= 20
        assert one[name] != two[name], name
    assert one["code_challenge_method"] == "S256"
    assert one["redirect_uri"] == f"{world.address}{CALLBACK}"


def test_an_answer_works_once(world: World, browser: Browser) -> None:
    back = world.answer(browser)
    cookie = browser.client.cookies["screening_node_oidc"]
    assert browser.get(back).status_code == 200
    with Browser(world.address) as thief:
        thief.client.cookies.set("screening_node_oidc", cookie)
        answer = thief.get(back)
        assert answer.status_code == 401
        assert "was used already" in answer.text


def test_an_answer_is_good_in_the_browser_that_asked(world: World, browser: Browser) -> None:
    """A link with somebody else's code must not sign a victim in as them (login CSRF)."""
    back = world.answer(browser)
    with Browser(world.address) as victim:
        assert victim.get(back).status_code == 401
        world.answer(victim)  # a sign-in of the victim's own is on its way
        answer = victim.get(back)
        assert answer.status_code == 401
        assert access.COOKIE not in victim.client.cookies


@pytest.mark.parametrize("query", ["", "?code=x", "?state=x", "?error=access_denied&state=x"])
def test_a_callback_that_nobody_asked_for(world: World, browser: Browser, query: str) -> None:
    assert browser.get(CALLBACK + query).status_code == 401
    assert world.audit() == [], "a stranger cannot fill the audit"


def test_a_provider_that_says_no(world: World, browser: Browser) -> None:
    state = parse_qs(urlsplit(world.answer(browser)).query)["state"][0]
    answer = browser.get(f"{CALLBACK}?error=access_denied&error_description=<b>no</b>&state={state}")
    assert answer.status_code == 401
    assert "access denied" in answer.text
    assert "<b>no" not in answer.text


def test_an_answer_of_another_provider(world: World, browser: Browser) -> None:
    back = world.answer(browser)
    own = parse_qs(urlsplit(back).query)
    answer = browser.get(f"{CALLBACK}?code={own['code'][0]}&state={own['state'][0]}&iss=https://evil.example")
    assert "another provider" in answer.text


def test_a_stolen_code_is_worth_nothing_without_the_verifier(world: World, browser: Browser) -> None:
    """PKCE: the provider was given a challenge, so even the client's secret does not buy the token."""
    code = parse_qs(urlsplit(world.answer(browser)).query)["code"][0]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": f"{world.address}{CALLBACK}"}
    answer = httpx.post(f"{world.provider.issuer}/token", data=form, auth=(CLIENT_ID, CLIENT_SECRET))
    assert answer.json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"code_challenge_methods_supported": ["plain"]}, "PKCE"),
        ({"issuer": "https://evil.example"}, "another issuer"),
        ({"token_endpoint": "ftp://127.0.0.1/token"}, "token_endpoint"),
        ({"jwks_uri": None}, "jwks_uri"),
        ({"id_token_signing_alg_values_supported": ["HS256", "none"]}, "algorithm"),
    ],
)
def test_a_provider_that_is_not_strict_enough(
    world: World, browser: Browser, changes: dict[str, Any], said: str
) -> None:
    world.provider.metadata_changes = changes
    answer = browser.get("/sign-in/oidc")
    assert answer.status_code == 401
    assert said in answer.text


def test_too_many_failures_have_to_wait(world: World, browser: Browser) -> None:
    world.provider.bend = bent(nonce="another")
    assert [world.sign_in(browser).status_code for _ in range(5)] == [401] * 5
    assert browser.get("/sign-in/oidc").status_code == 429
    add_users(world.store)
    assert browser.sign_in("viewer").status_code == 303, "local accounts are not held up"


# Local accounts beside it


def test_while_the_provider_is_down_local_accounts_sign_in(store: Store, archive: Archive) -> None:
    add_users(store)
    port = free_port()
    with openid_provider.provider(f"http://127.0.0.1:{port}{CALLBACK}") as provider:
        config = a_config(port=port, oidc=told(port, provider))
    with running(config, store, archive) as address, Browser(address) as browser:
        answer = browser.get("/sign-in/oidc")
        assert answer.status_code == 503
        assert "cannot be reached: nobody listens there." in answer.text
        assert 'name="password"' in answer.text
        assert browser.sign_in("viewer").status_code == 303


def test_a_provider_that_goes_away_halfway(store: Store, archive: Archive) -> None:
    port = free_port()
    with openid_provider.provider(f"http://127.0.0.1:{port}{CALLBACK}") as provider:
        config = a_config(port=port, oidc=told(port, provider))
        with running(config, store, archive) as address, Browser(address) as browser:
            world = World(address=address, provider=provider, store=store)
            back = world.answer(browser)
            provider.metadata_changes = {"token_endpoint": f"http://127.0.0.1:{free_port()}/token"}
            assert browser.get(back).status_code == 503


def test_a_local_account_of_the_same_name_is_somebody_else(world: World, browser: Browser) -> None:
    Accounts(world.store).create("mia", PASSWORD, "admin", actor="test")
    world.sign_in(browser)
    assert "oidc:mia <small>reviewer</small>" in browser.get("/").text
    with Browser(world.address) as local:
        local.sign_in("mia")
        assert ">mia <small>admin</small>" in local.get("/").text
        assert local.sign_in("oidc:mia", "").status_code == 401
        assert local.sign_in("oidc:mia").status_code == 401


def test_two_of_one_name_at_the_provider_are_two(world: World, browser: Browser) -> None:
    world.sign_in(browser)
    world.provider.user["sub"] = "user-2"
    world.sign_in(browser)
    assert [name for name, _, _ in Accounts(world.store).names()] == ["oidc:mia", "oidc:mia~2"]


def test_what_is_the_providers_to_say_is_not_said_here(world: World, browser: Browser) -> None:
    world.sign_in(browser)
    accounts = Accounts(world.store)
    for change in ({"password": "a long enough password"}, {"role": "admin"}):
        with pytest.raises(Permanent, match="through the provider"):
            accounts.change("oidc:mia", actor="test", **change)  # type: ignore[arg-type]
    with pytest.raises(Permanent, match="local"):
        accounts.token("oidc:mia", actor="test")


def test_sessions_end_with_the_provider_that_vouched(world: World, browser: Browser) -> None:
    world.sign_in(browser)
    secret = browser.client.cookies[access.COOKIE]
    for issuer in (None, "https://another.example"):
        assert Accounts(world.store, issuer=issuer).session(secret, rows.SessionKind.PAGE) is None


def test_a_provider_closes_the_page_before_there_is_an_account(world: World, browser: Browser) -> None:
    assert browser.get("/").headers["location"] == "/sign-in?next=/"


def test_signing_out_here_offers_to_sign_out_there(world: World, browser: Browser) -> None:
    world.sign_in(browser)
    secret = browser.client.cookies[access.COOKIE]
    left = browser.post("/sign-out").headers["location"]
    assert "/sign-in/oidc/leave" in browser.get(left).text
    browser.client.cookies.set(access.COOKIE, secret)
    assert browser.get("/").status_code == 303
    there = browser.get("/sign-in/oidc/leave").headers["location"]
    asked = parse_qs(urlsplit(there).query)
    assert there.startswith(f"{world.provider.issuer}/leave?")
    assert asked == {"client_id": [CLIENT_ID], "post_logout_redirect_uri": [f"{world.address}/sign-in"]}


def test_without_a_provider_there_is_no_such_way(store: Store, archive: Archive) -> None:
    add_users(store)
    with running(a_config(), store, archive) as address, Browser(address) as browser:
        for path in ("/sign-in/oidc", CALLBACK, "/sign-in/oidc/leave"):
            assert browser.get(path).status_code == 404
        assert "/sign-in/oidc" not in browser.get("/sign-in").text


# Secrets, and the wire


def test_no_token_is_logged_or_stored(world: World, browser: Browser, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        back = world.answer(browser)
        browser.get(back)
        world.provider.bend = bent(nonce="another")
        world.sign_in(browser)
    assert world.store.file is not None
    kept = b"".join(file.read_bytes() for file in world.store.file.parent.glob("node.db*"))
    code = parse_qs(urlsplit(back).query)["code"][0]
    assert len(world.provider.issued) == 4
    for secret in (*world.provider.issued, code, CLIENT_SECRET, browser.client.cookies[access.COOKIE]):
        written = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("screening"))
        assert secret not in written
        assert secret.encode() not in kept
    assert CLIENT_SECRET not in repr(told(1, world.provider))


def test_the_provider_over_tls_is_verified(store: Store, archive: Archive, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    stranger = Authority(tmp_path / "stranger", name="Stranger", key=1)
    pair = authority.issue("provider")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    for trusted, status, said in ((stranger, 503, "certificate not accepted"), (authority, 302, "")):
        port = free_port()
        with openid_provider.provider(f"http://127.0.0.1:{port}{CALLBACK}", tls=context) as provider:
            trust = ClientTls(trust=Trust(authorities=trusted.certificate))
            config = a_config(port=port, oidc=told(port, provider, tls=trust))
            with running(config, store, archive) as address, Browser(address) as browser:
                answer = browser.get("/sign-in/oidc")
                assert answer.status_code == status
                assert said in answer.text


def test_old_sign_ins_on_their_way_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    from screening_node.admin import oidc

    now = [0.0]
    pending = oidc._Pending(lambda: now[0])
    monkeypatch.setattr(oidc, "_MOST_PENDING", 2)
    kept = oidc._Kept(session={}, then="/")
    first, second, third = (pending.put(kept) for _ in range(3))
    assert pending.take(first) is None, "the oldest goes"
    assert pending.take(second) is kept
    now[0] = dt.timedelta(minutes=11).total_seconds()
    assert pending.take(third) is None, "ten minutes are enough"
