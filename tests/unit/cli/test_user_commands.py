"""``screening-node admin``: who may open the admin's page."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import Result
from typer.testing import CliRunner

from screening_node.admin.accounts import Accounts
from screening_node.cli import app
from screening_node.settings import load_settings
from screening_node.store.accounts import SessionKind
from screening_node.store.session import Store

PASSWORD = "a long enough password"


def run(site: Path, *arguments: str, password: str | None = None) -> Result:
    text = None if password is None else f"{password}\n"
    return CliRunner().invoke(app, ["admin", *arguments, "--config", str(site)], input=text)


def create(site: Path, name: str, role: str = "viewer", password: str = PASSWORD) -> Result:
    return run(site, "create-user", name, "--role", role, "--password-stdin", password=password)


def test_a_user_is_made_listed_blocked_and_let_in_again(site: Path) -> None:
    assert create(site, "mia", "admin").exit_code == 0
    assert run(site, "change-user", "mia", "--blocked", "--role", "reviewer").exit_code == 0
    listed = run(site, "users", "--json")
    assert json.loads(listed.stdout) == [{"name": "mia", "role": "reviewer", "active": False}]
    assert run(site, "change-user", "mia", "--active").exit_code == 0
    assert run(site, "set-password", "mia", "--password-stdin", password="another long password").exit_code == 0


def test_no_password_is_a_default(site: Path) -> None:
    assert create(site, "mia", password="").exit_code != 0
    assert create(site, "mia", password="short").exit_code != 0
    without = run(site, "create-user", "mia", "--role", "admin")
    assert without.exit_code != 0
    assert "--password-stdin" in str(without.exception)
    assert json.loads(run(site, "users", "--json").stdout) == []


def test_a_token_stands_alone_on_its_line(site: Path) -> None:
    create(site, "robot")
    token = run(site, "create-token", "robot").stdout.strip()
    store = Store(load_settings(site).store.url.get_secret_value())
    session = Accounts(store).session(token, SessionKind.TOKEN)
    store.close()
    assert session is not None
    assert session.name == "robot"


def test_nothing_to_change_is_said(site: Path) -> None:
    create(site, "mia")
    assert run(site, "change-user", "mia").exit_code == 2
