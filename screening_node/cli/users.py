"""``admin``: who may open the admin's page."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from screening_node.cli.console import ActorOption, ConfigOption, JsonOption, out, print_rows
from screening_node.cli.listings import actor_or_user, open_store
from screening_node.errors import Permanent

if TYPE_CHECKING:
    from screening_node.admin.accounts import Accounts

admin = typer.Typer(help="Who may open the admin's page.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The user's name.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking for it.")
]


class RoleName(StrEnum):
    """What a user may do."""

    VIEWER = "viewer"
    REVIEWER = "reviewer"
    ADMIN = "admin"


def add_to(app: typer.Typer) -> None:
    """Hang these commands under the root."""
    app.add_typer(admin, name="admin")


@contextmanager
def _accounts(config: Path | None) -> Iterator[Accounts]:
    from screening_node.admin.accounts import Accounts

    with open_store(config) as store:
        yield Accounts(store)


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise Permanent("There is no terminal to ask for a password.", fix="Use --password-stdin.")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


@admin.command("create-user")
def create_user(
    name: Name,
    role: Annotated[RoleName, typer.Option(help="viewer looks; reviewer also acts on alerts; admin does all.")],
    password_stdin: PasswordStdin = False,
    actor: ActorOption = None,
    config: ConfigOption = None,
) -> None:
    """Add a user. With the first one, the page asks everybody to sign in and may answer other machines."""
    with _accounts(config) as accounts:
        accounts.create(name, _password(password_stdin), role, actor=actor_or_user(actor))
    out.print(f"User {name} added as {role}.", style="green")


@admin.command("set-password")
def set_password(
    name: Name, password_stdin: PasswordStdin = False, actor: ActorOption = None, config: ConfigOption = None
) -> None:
    """Give a user another password; whoever is signed in by that name is signed out."""
    with _accounts(config) as accounts:
        accounts.change(name, actor=actor_or_user(actor), password=_password(password_stdin))
    out.print(f"User {name} has a new password.", style="green")


@admin.command("change-user")
def change_user(
    name: Name,
    role: Annotated[RoleName | None, typer.Option(help="Another role.")] = None,
    active: Annotated[bool | None, typer.Option("--active/--blocked", help="Whether the user may sign in.")] = None,
    actor: ActorOption = None,
    config: ConfigOption = None,
) -> None:
    """Change a user's role, or keep a user out; whoever is signed in by that name is signed out."""
    if role is None and active is None:
        raise typer.BadParameter("Say --role, --active or --blocked.")
    with _accounts(config) as accounts:
        accounts.change(name, actor=actor_or_user(actor), role=role, active=active)
    out.print(f"User {name} changed.", style="green")


@admin.command("create-token")
def create_token(name: Name, actor: ActorOption = None, config: ConfigOption = None) -> None:
    """Print a token with which a program reads the JSON API as this user, for a year. It is shown once."""
    with _accounts(config) as accounts:
        typer.echo(accounts.token(name, actor=actor_or_user(actor)))


@admin.command("users")
def users(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Everybody who may sign in."""
    with _accounts(config) as accounts:
        rows = [{"name": name, "role": role, "active": active} for name, role, active in accounts.names()]
    print_rows(rows, {"Name": "name", "Role": "role", "Active": "active"}, as_json=as_json, empty="No users.")
