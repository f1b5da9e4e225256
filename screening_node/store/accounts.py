"""Who may open the admin's page: accounts, and the secrets of the browsers and programs that are signed in.

Only hashes are stored: a copy of the database opens no page.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from screening_node.errors import NotFound, Permanent
from screening_node.store.sql import insert, insert_if_absent
from screening_node.store.tables import accounts, identities, sessions

#: What an account that a provider vouches for is called begins so; no local one's name has a colon.
FOREIGN = "oidc:"
_FOREIGN_LENGTH = 50


class SessionKind(StrEnum):
    """Who holds a session's secret."""

    PAGE = "page"
    TOKEN = "token"


@dataclass(frozen=True, kw_only=True)
class Account:
    """Somebody who may sign in; ``issuer`` is the provider that vouches for them, None for a local account."""

    id: int
    name: str
    role: str
    password_hash: str
    active: bool
    issuer: str | None

    def __repr__(self) -> str:
        return f"Account({self.name})"


def any_there(tx: sa.Connection) -> bool:
    """Whether there is any account, blocked ones too: only without any does the page ask for none."""
    return tx.execute(sa.select(accounts.c.id).limit(1)).first() is not None


def by_name(tx: sa.Connection, name: str) -> Account | None:
    """The account of that name, active or not."""
    row = tx.execute(_with_issuer().where(accounts.c.name == name)).first()
    return None if row is None else _account(row)


def by_identity(tx: sa.Connection, issuer: str, subject: str) -> Account | None:
    """The account of who is known to a provider by that subject, active or not."""
    found = _with_issuer().where(identities.c.issuer == issuer, identities.c.subject == subject)
    row = tx.execute(found).first()
    return None if row is None else _account(row)


def create_foreign(tx: sa.Connection, *, issuer: str, subject: str, name: str, role: str, now: dt.datetime) -> Account:
    """An account without a password for somebody whom a provider vouches for.

    It is called after what the provider calls them: ``oidc:mia``, or ``oidc:mia~2`` where that is somebody else.
    """
    wanted = FOREIGN + (re.sub(r"[^A-Za-z0-9._@-]", "_", name)[:_FOREIGN_LENGTH] or "user")
    values = {"role": role, "password_hash": "", "active": True, "created_at": now}
    for number in itertools.count(1):
        free = wanted if number == 1 else f"{wanted}~{number}"
        made = insert_if_absent(tx, accounts, name=free, **values)
        if made is not None:
            break
    insert(tx, identities, account_id=made, issuer=issuer, subject=subject)
    found = by_identity(tx, issuer, subject)
    assert found is not None
    return found


def create(tx: sa.Connection, *, name: str, role: str, password_hash: str, now: dt.datetime) -> None:
    """Add an account; Permanent where the name is taken."""
    made = insert_if_absent(
        tx, accounts, name=name, role=role, password_hash=password_hash, active=True, created_at=now
    )
    if made is None:
        raise Permanent(f"There is a user {name} already.", fix="Choose another name, or change that one.")


def change(tx: sa.Connection, name: str, **values: str | bool) -> None:
    """Change role, password_hash or active; the user's sessions end. Raises NotFound."""
    if not tx.execute(accounts.update().where(accounts.c.name == name).values(**values)).rowcount:
        raise NotFound(f"There is no user {name}.", fix="List them: screening-node admin users.")
    whose = sa.select(accounts.c.id).where(accounts.c.name == name).scalar_subquery()
    tx.execute(sessions.delete().where(sessions.c.account_id == whose))


def end_sessions(tx: sa.Connection, account_id: int) -> None:
    """Sign the account out wherever it is signed in."""
    tx.execute(sessions.delete().where(sessions.c.account_id == account_id))


def set_role(tx: sa.Connection, account_id: int, role: str) -> None:
    """Give the account a role, also in the sessions that it has."""
    tx.execute(accounts.update().where(accounts.c.id == account_id).values(role=role))


def names(tx: sa.Connection) -> list[tuple[str, str, bool]]:
    """Name, role and whether active, by name."""
    rows = tx.execute(sa.select(accounts.c.name, accounts.c.role, accounts.c.active).order_by(accounts.c.name))
    return [(row.name, row.role, row.active) for row in rows]


def open_session(
    tx: sa.Connection, account_id: int, secret: str, *, kind: SessionKind, now: dt.datetime, lasts: dt.timedelta
) -> None:
    """Let the holder of ``secret`` act as the account for so long; sessions that ran out are removed."""
    tx.execute(sessions.delete().where(sessions.c.expires_at <= now))
    insert(
        tx,
        sessions,
        account_id=account_id,
        kind=kind,
        secret_sha256=_hashed(secret),
        created_at=now,
        seen_at=now,
        expires_at=now + lasts,
    )


@dataclass(frozen=True, kw_only=True)
class Session:
    """Who a secret belongs to, which provider vouches for them (None: it is a local account), and its last use."""

    id: int
    name: str
    role: str
    seen_at: dt.datetime
    issuer: str | None


def session_of(
    tx: sa.Connection, secret: str, *, kind: SessionKind, now: dt.datetime, idle: dt.timedelta
) -> Session | None:
    """The session of ``secret``; None where there is none, it ran out or lay idle, or the account is not active."""
    row = tx.execute(
        sa.select(sessions.c.id, sessions.c.seen_at, accounts.c.name, accounts.c.role, identities.c.issuer)
        .join(accounts, accounts.c.id == sessions.c.account_id)
        .outerjoin(identities, identities.c.account_id == accounts.c.id)
        .where(
            sessions.c.secret_sha256 == _hashed(secret),
            sessions.c.kind == kind,
            sessions.c.expires_at > now,
            sessions.c.seen_at > now - idle,
            accounts.c.active,
        )
    ).first()
    if row is None:
        return None
    return Session(id=row.id, name=row.name, role=row.role, seen_at=row.seen_at, issuer=row.issuer)


def touch(tx: sa.Connection, session_id: int, now: dt.datetime) -> None:
    """The session was used."""
    tx.execute(sessions.update().where(sessions.c.id == session_id).values(seen_at=now))


def end_session(tx: sa.Connection, secret: str) -> None:
    """Sign out."""
    tx.execute(sessions.delete().where(sessions.c.secret_sha256 == _hashed(secret)))


def _hashed(secret: str) -> str:
    """The secret has 256 random bits: a plain hash is enough to keep it from whoever reads the table."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _with_issuer() -> sa.Select[Any]:
    joined = accounts.outerjoin(identities, identities.c.account_id == accounts.c.id)
    return sa.select(accounts, identities.c.issuer).select_from(joined)


def _account(row: sa.Row[Any]) -> Account:
    return Account(
        id=row.id,
        name=row.name,
        role=row.role,
        password_hash=row.password_hash,
        active=row.active,
        issuer=row.issuer,
    )
