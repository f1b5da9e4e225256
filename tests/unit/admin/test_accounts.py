"""Accounts, sessions and tokens over a real store."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
import sqlalchemy as sa
from admin_site import PASSWORD, add_users
from unit.store.migrating import migrate_down

from screening_node.admin import listings
from screening_node.admin.accounts import Accounts, Vouched
from screening_node.errors import NotFound, Permanent
from screening_node.store import accounts as rows
from screening_node.store import tables as t
from screening_node.store.accounts import SessionKind
from screening_node.store.session import Store


@pytest.fixture
def accounts(store: Store) -> Accounts:
    add_users(store)
    return Accounts(store)


def shift(store: Store, **ago: dt.timedelta) -> None:
    """Make every session older."""
    now = dt.datetime.now(dt.UTC)
    with store.begin() as tx:
        tx.execute(t.sessions.update().values({column: now - time for column, time in ago.items()}))


def test_a_session_ends_after_an_idle_hour(accounts: Accounts, store: Store) -> None:
    secret = accounts.sign_in("viewer", PASSWORD, address="test")
    shift(store, seen_at=dt.timedelta(minutes=59))
    assert accounts.session(secret, SessionKind.PAGE) is not None
    shift(store, seen_at=dt.timedelta(minutes=61))
    assert accounts.session(secret, SessionKind.PAGE) is None


def test_a_page_that_polls_keeps_no_session_alive(accounts: Accounts, store: Store) -> None:
    secret = accounts.sign_in("viewer", PASSWORD, address="test")
    for used, minutes in ((False, 30), (True, 0)):
        shift(store, seen_at=dt.timedelta(minutes=30))
        accounts.session(secret, SessionKind.PAGE, used=used)
        with store.read() as tx:
            seen = tx.execute(sa.select(t.sessions.c.seen_at)).scalar_one()
        assert dt.datetime.now(dt.UTC) - seen >= dt.timedelta(minutes=minutes)
        assert dt.datetime.now(dt.UTC) - seen < dt.timedelta(minutes=minutes + 1)


def test_a_session_ends_for_good_at_its_end(accounts: Accounts, store: Store) -> None:
    secret = accounts.sign_in("viewer", PASSWORD, address="test")
    shift(store, expires_at=dt.timedelta(seconds=1))
    assert accounts.session(secret, SessionKind.PAGE) is None


def test_a_token_is_no_session_of_a_browser(accounts: Accounts) -> None:
    token = accounts.token("viewer", actor="admin")
    assert accounts.session(token, SessionKind.TOKEN) is not None
    assert accounts.session(token, SessionKind.PAGE) is None
    with pytest.raises(Permanent):
        accounts.token("nobody", actor="admin")


def test_the_store_holds_neither_passwords_nor_secrets(accounts: Accounts, store: Store) -> None:
    secret = accounts.sign_in("viewer", PASSWORD, address="test")
    assert store.file is not None
    written = b"".join(file.read_bytes() for file in store.file.parent.glob("node.db*"))
    assert secret.encode() not in written
    assert PASSWORD.encode() not in written
    assert b"$argon2id$" in written


@pytest.mark.parametrize("name", ["", "a b", "../x", "-x", "x" * 65, "mia\n"])
def test_names_that_will_not_do(accounts: Accounts, name: str) -> None:
    with pytest.raises(Permanent, match="no user name"):
        accounts.create(name, PASSWORD, "viewer", actor="test")


def test_a_short_password_and_a_taken_name_will_not_do(accounts: Accounts) -> None:
    with pytest.raises(Permanent, match="shorter"):
        accounts.create("mia", "short", "viewer", actor="test")
    with pytest.raises(Permanent, match="already"):
        accounts.create("viewer", PASSWORD, "admin", actor="test")
    with pytest.raises(NotFound):
        accounts.change("nobody", actor="test", active=False)


def test_a_new_password_ends_the_old_ones_sessions(accounts: Accounts, store: Store) -> None:
    secret = accounts.sign_in("viewer", PASSWORD, address="test")
    accounts.change("viewer", actor="admin", password="another long password")
    assert accounts.session(secret, SessionKind.PAGE) is None
    with pytest.raises(Permanent):
        accounts.sign_in("viewer", PASSWORD, address="test")
    changes = [row for row in listings.audit(store) if row["action"] == "user.change"]
    assert [row["detail"] for row in changes] == [{"password": "changed"}]


def test_while_all_are_blocked_nobody_is_let_in_without_a_password(accounts: Accounts, store: Store) -> None:
    for name, _, _ in accounts.names():
        accounts.change(name, actor="test", active=False)
    assert accounts.any()


def test_old_sessions_are_removed_when_new_ones_open(accounts: Accounts, store: Store) -> None:
    accounts.sign_in("viewer", PASSWORD, address="test")
    shift(store, expires_at=dt.timedelta(days=1))
    accounts.sign_in("viewer", PASSWORD, address="test")
    with store.read() as tx:
        assert tx.execute(sa.select(sa.func.count()).select_from(t.sessions)).scalar_one() == 1


def test_after_the_wait_the_right_password_is_taken(store: Store) -> None:
    now = [0.0]
    add_users(store)
    accounts = Accounts(store, clock=lambda: now[0])
    for _ in range(5):
        with pytest.raises(Permanent):
            accounts.sign_in("viewer", "a wrong password", address="test")
    now[0] = 301.0
    assert accounts.sign_in("viewer", PASSWORD, address="test")


def test_an_accounts_repr_holds_no_hash(accounts: Accounts, store: Store) -> None:
    with store.read() as tx:
        account = rows.by_name(tx, "viewer")
    assert "argon2" not in repr(account)


MIA = Vouched(issuer="https://login.example", subject="1", name="mia", role="viewer")


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("mia", "oidc:mia"),
        ("Mía Müller\n<b>", "oidc:M_a_M_ller__b_"),
        ("x" * 300, "oidc:" + "x" * 50),
        ("", "oidc:user"),
        ("oidc:root", "oidc:oidc_root"),
    ],
)
def test_whatever_a_provider_calls_somebody_is_a_name_of_ours(store: Store, name: str, called: str) -> None:
    Accounts(store, issuer=MIA.issuer).sign_in_vouched(replace(MIA, name=name))
    assert Accounts(store).names() == [(called, "viewer", True)]


def test_subjects_of_two_issuers_are_two_people(store: Store) -> None:
    accounts = Accounts(store, issuer=MIA.issuer)
    for issuer in (MIA.issuer, "https://another.example", MIA.issuer):
        accounts.sign_in_vouched(replace(MIA, issuer=issuer))
    assert [name for name, _, _ in accounts.names()] == ["oidc:mia", "oidc:mia~2"]


def test_an_older_node_gets_no_account_without_a_password(store: Store) -> None:
    add_users(store)
    Accounts(store, issuer=MIA.issuer).sign_in_vouched(MIA)
    migrate_down(store, "0004")
    assert [name for name, _, _ in Accounts(store).names()] == ["admin", "reviewer", "viewer"]
    store.migrate()
