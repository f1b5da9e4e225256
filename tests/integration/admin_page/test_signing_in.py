"""Signing in and out, and what an attacker tries with it."""

from __future__ import annotations

import re

import pytest
from admin_site import PASSWORD, Browser, user

from screening_node.admin import access
from screening_node.admin.accounts import Accounts
from screening_node.store.session import Store


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


def test_signing_in_again_ends_the_session_of_before(guarded: str) -> None:
    with user(guarded, "viewer") as browser:
        first = browser.client.cookies[access.COOKIE]
        browser.sign_in("viewer")
        assert browser.client.cookies[access.COOKIE] != first
    with Browser(guarded) as other:
        other.client.cookies.set(access.COOKIE, first)
        assert other.get("/").status_code == 303


def test_after_signing_out_the_cookie_opens_nothing(guarded: str) -> None:
    with user(guarded, "viewer") as browser:
        secret = browser.client.cookies[access.COOKIE]
        assert browser.post("/sign-out").headers["location"] == "/sign-in"
        browser.client.cookies.set(access.COOKIE, secret)
        assert browser.get("/").status_code == 303


def test_a_changed_user_is_signed_out(guarded: str, filled: Store) -> None:
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
