"""Which tables a database has, and the way to others: alembic's steps, and who else would be surprised by them.

Every connection to a server says which tables its program works with (``connection_name``): a step is not taken
while a node that works with others is connected.
"""

from __future__ import annotations

import functools
import os
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from screening_node import __version__
from screening_node.errors import AlreadyRunning, Misconfigured

_FOLDER = Path(__file__).parent / "migrations"
#: Any number that no other program on the same PostgreSQL server uses: migrations of two hosts take turns.
_MIGRATION_LOCK = 0x5C4EE412
#: PostgreSQL cuts an application_name after so many bytes.
_LONGEST_NAME = 63
_NAME = re.compile(r"screening-node (?P<version>\S+) tables (?P<tables>\S+) (?P<who>.*)")


@dataclass(frozen=True, kw_only=True)
class Step:
    """A migration: the number of the tables that it leads to, and what it does."""

    number: str
    title: str


@functools.cache
def head() -> str:
    """The number of the tables that this version works with."""
    return max(path.name[1:5] for path in (_FOLDER / "versions").glob("v[0-9]*_*.py"))


@functools.cache
def connection_name() -> str:
    """What this process calls itself to a database server."""
    host = socket.gethostname().encode("ascii", "replace").decode()
    return f"screening-node {__version__} tables {head()} {os.getpid()}@{host}"[:_LONGEST_NAME]


def current(tx: sa.Connection) -> str | None:
    """The number of the tables that are there; None in an empty database."""
    return MigrationContext.configure(tx).get_current_revision()


def steps() -> tuple[Step, ...]:
    """Every step that this version knows, the first one first."""
    scripts = ScriptDirectory.from_config(_config()).walk_revisions()
    made = [Step(number=script.revision, title=script.doc.splitlines()[0]) for script in scripts]
    return tuple(reversed(made))


def take_turns(tx: sa.Connection) -> None:
    """Wait until no other host migrates, and keep others waiting until the transaction ends."""
    if tx.dialect.name == "postgresql":
        tx.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))


def change(tx: sa.Connection, target: str) -> None:
    """Take the steps to the tables ``target``, up or down, as part of the caller's transaction.

    Raises Misconfigured where one of the two numbers is unknown, AlreadyRunning where a node is connected that works
    with other tables than ``target``.
    """
    there = current(tx)
    if there == target:
        return
    known = [step.number for step in steps()]
    if target not in known:
        raise Misconfigured(f"There are no tables {target}.", fix=f"Use one of: {', '.join(known)}.")
    if there is not None and there not in known:
        raise Misconfigured(
            f"The database was made by a newer version of the node: its tables are {there}.",
            fix="Install that version again, or name another database in [store] url.",
        )
    if there is not None and (surprised := [who for who in connected(tx) if who.tables != target]):
        raise AlreadyRunning(
            f"The tables cannot become {target} now: " + ", ".join(map(str, surprised)) + " would not know them.",
            fix="Stop those nodes first; start them again with the version that fits.",
        )
    config = _config()
    config.attributes["connection"] = tx
    up = there is None or known.index(there) < known.index(target)
    try:
        (command.upgrade if up else command.downgrade)(config, target)
    except CommandError as error:
        raise Misconfigured("The tables' history has a gap.", fix="Install the node anew.") from error


@dataclass(frozen=True, kw_only=True)
class Connected:
    """Another process on a database server: its version, the tables that it works with, process and host."""

    version: str
    tables: str
    who: str

    def __str__(self) -> str:
        return f"version {self.version} on tables {self.tables} ({self.who})"


def connected(tx: sa.Connection) -> list[Connected]:
    """The other processes of nodes that are connected to this database; on SQLite a lock file tells that."""
    return sorted(set(_connected(tx)), key=str) if tx.dialect.name == "postgresql" else []


def _connected(tx: sa.Connection) -> Iterator[Connected]:
    text = "SELECT application_name FROM pg_stat_activity WHERE datname = current_database()"
    for (name,) in tx.execute(sa.text(text)):
        if name != connection_name() and (match := _NAME.fullmatch(name or "")):
            yield Connected(**match.groupdict())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    return config
