"""Accounts: local ones with passwords (argon2id), those of a provider; sessions, tokens, how often one may try."""

from __future__ import annotations

import datetime as dt
import functools
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from secrets import token_urlsafe

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from screening_node.errors import Permanent, Transient
from screening_node.store import accounts as rows
from screening_node.store import records
from screening_node.store.session import Store

SHORTEST_PASSWORD = 12
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")
_SESSION_LASTS = dt.timedelta(hours=12)
_SESSION_IDLES = dt.timedelta(hours=1)
_TOKEN_LASTS = dt.timedelta(days=365)
#: A session's last use is written no more often: pages poll.
_TOUCH_AFTER = dt.timedelta(minutes=1)
#: Failures of one name, or from one address, within so many seconds; then it has to wait.
_MOST_FAILURES = 5
_FAILURE_SECONDS = 300.0
_MOST_REMEMBERED = 10_000


class TooManyTries(Transient):
    """Somebody guesses passwords."""


#: Why a sign-in came to nothing that nobody here had begun.
STRAY = "state"


class ProviderAway(Transient):
    """The provider cannot be reached, or does not answer in time."""


class NotVouched(Permanent):
    """The provider's answer does not say who this is, or may not be believed; ``why`` is a word for the audit."""

    def __init__(self, message: str, *, why: str) -> None:
        super().__init__(message, fix="Try again; if it stays so, tell whoever looks after the node.")
        self.why = why


@dataclass(frozen=True, kw_only=True)
class Vouched:
    """Somebody as a provider knows them: by issuer and subject for good, by name for people; None: has no role."""

    issuer: str
    subject: str
    name: str
    role: str | None


class Accounts:
    """Accounts and sessions over a store; those of a provider are good for ``issuer`` alone. Thread safe."""

    def __init__(self, store: Store, *, issuer: str | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._issuer = issuer
        self._hasher = PasswordHasher()
        self._failures = _Failures(clock)
        self._verifying = threading.Semaphore(2)  # each takes 64 MiB

    def any(self) -> bool:
        """Whether there is anything to sign in with: an account, or a provider."""
        if self._issuer is not None:
            return True
        with self._store.read() as tx:
            return rows.any_there(tx)

    def create(self, name: str, password: str, role: str, *, actor: str) -> None:
        """Add a user. Raises Permanent where name or password will not do."""
        _check_name(name)
        hashed, now = self._hashed(password), _now()
        with self._store.begin() as tx:
            rows.create(tx, name=name, role=role, password_hash=hashed, now=now)
            records.audit(tx, actor=actor, action="user.create", subject=f"user {name}", detail={"role": role}, at=now)

    def change(
        self,
        name: str,
        *,
        actor: str,
        password: str | None = None,
        role: str | None = None,
        active: bool | None = None,
    ) -> None:
        """Change a user's password, role or whether it is active; ends its sessions.

        Raises NotFound, and Permanent where it is the provider's to say.
        """
        if name.startswith(rows.FOREIGN) and (password is not None or role is not None):
            raise Permanent(f"{name} signs in through the provider.", fix="Change password and role there.")
        detail = {key: value for key, value in {"role": role, "active": active}.items() if value is not None}
        values = dict(detail) if password is None else {**detail, "password_hash": self._hashed(password)}
        if password is not None:
            detail["password"] = "changed"
        with self._store.begin() as tx:
            rows.change(tx, name, **values)
            records.audit(tx, actor=actor, action="user.change", subject=f"user {name}", detail=detail)

    def names(self) -> list[tuple[str, str, bool]]:
        """Name, role and whether active of every user."""
        with self._store.read() as tx:
            return rows.names(tx)

    def sign_in(self, name: str, password: str, *, address: str) -> str:
        """A new session's secret. Raises Permanent where name or password is wrong, TooManyTries."""
        keys = (f"name {name}", f"address {address}")
        if self._failures.too_many(keys):
            raise TooManyTries("Too many wrong passwords.", fix="Wait five minutes.")
        account = self._local(name)
        right = self._verified(account.password_hash if account else self._nobodys_hash, password)
        if account is None or not right or not account.active:
            self._failures.add(keys)
            self._audit("sign-in.refused", name if account else "unknown")
            raise Permanent("Name or password is wrong.", fix="Try again.")
        return self._opened(account, rows.SessionKind.PAGE, _SESSION_LASTS, "sign-in")

    def check_tries(self, address: str) -> None:
        """Raises TooManyTries where the provider's answers to this address were refused too often."""
        if self._failures.too_many((f"provider {address}",)):
            raise TooManyTries("Too many sign-ins through the provider failed.", fix="Wait five minutes.")

    def refuse(self, why: str, *, address: str) -> None:
        """Remember that somebody's sign-in through the provider came to nothing; ``why`` names no token."""
        self._failures.add((f"provider {address}",))
        self._audit("sign-in.refused", "unknown", {"by": "provider", "why": why})

    def sign_in_vouched(self, who: Vouched) -> str:
        """A new session's secret for somebody whom the provider vouches for; the account is made at the first time.

        Raises Permanent where they have no role, or an admin blocked the account; then nobody by it stays signed in.
        """
        now = _now()
        with self._store.begin() as tx:
            account = rows.by_identity(tx, who.issuer, who.subject)
            if who.role is not None and account is None:
                account = self._made(tx, who, who.role, now)
            if account is not None and (who.role is None or not account.active):
                rows.end_sessions(tx, account.id)
            elif account is not None and who.role is not None and account.role != who.role:
                _given(tx, account, who.role, now)
        if account is None or who.role is None:
            self._audit("sign-in.refused", account.name if account else "unknown", {"by": "provider", "why": "no role"})
            raise Permanent("The provider knows you, but you have no role here.", fix="Ask an admin for one.")
        if not account.active:
            self._audit("sign-in.refused", account.name, {"by": "provider", "why": "blocked"})
            raise Permanent("The provider knows you, but your account here is blocked.", fix="Ask an admin.")
        return self._opened(account, rows.SessionKind.PAGE, _SESSION_LASTS, "sign-in", detail={"by": "provider"})

    @staticmethod
    def _made(tx: sa.Connection, who: Vouched, role: str, now: dt.datetime) -> rows.Account:
        made = rows.create_foreign(tx, issuer=who.issuer, subject=who.subject, name=who.name, role=role, now=now)
        detail = {"role": role, "issuer": who.issuer}
        records.audit(tx, actor="provider", action="user.create", subject=f"user {made.name}", detail=detail, at=now)
        return made

    def token(self, name: str, *, actor: str) -> str:
        """A new secret for a program that acts as the user. Raises Permanent where there is none."""
        account = self._local(name)
        if account is None or not account.active:
            raise Permanent(
                f"There is no active local user {name}.",
                fix="List them: screening-node admin users. Programs need a local one: a provider cannot end a token.",
            )
        return self._opened(account, rows.SessionKind.TOKEN, _TOKEN_LASTS, "token.create", actor)

    def session(self, secret: str, kind: rows.SessionKind, *, used: bool = True) -> rows.Session | None:
        """Whose secret it is, while it is good. ``used``: a person did something; a page that polls does not count."""
        now = _now()
        idle = _SESSION_IDLES if kind is rows.SessionKind.PAGE else _TOKEN_LASTS
        with self._store.read() as tx:
            found = rows.session_of(tx, secret, kind=kind, now=now, idle=idle)
        if found is not None and found.issuer not in (None, self._issuer):
            return None
        if found is not None and used and now - found.seen_at > _TOUCH_AFTER:
            with self._store.begin() as tx:
                rows.touch(tx, found.id, now)
        return found

    def sign_out(self, secret: str) -> None:
        """End a session."""
        with self._store.begin() as tx:
            rows.end_session(tx, secret)

    def _local(self, name: str) -> rows.Account | None:
        """The account of that name, if it is none of a provider's."""
        with self._store.read() as tx:
            account = rows.by_name(tx, name)
        return account if account is not None and account.issuer is None else None

    def _opened(
        self,
        account: rows.Account,
        kind: rows.SessionKind,
        lasts: dt.timedelta,
        action: str,
        actor: str | None = None,
        detail: dict[str, str] | None = None,
    ) -> str:
        secret, now = token_urlsafe(32), _now()
        with self._store.begin() as tx:
            rows.open_session(tx, account.id, secret, kind=kind, now=now, lasts=lasts)
            who, subject = actor or account.name, f"user {account.name}"
            records.audit(tx, actor=who, action=action, subject=subject, detail=detail or {}, at=now)
        return secret

    def _audit(self, action: str, name: str, detail: dict[str, str] | None = None) -> None:
        with self._store.begin() as tx:
            records.audit(tx, actor="unknown", action=action, subject=f"user {name}", detail=detail or {})

    def _hashed(self, password: str) -> str:
        if len(password) < SHORTEST_PASSWORD:
            raise Permanent(
                f"The password is shorter than {SHORTEST_PASSWORD} characters.", fix="Take a few words that you know."
            )
        return self._hasher.hash(password)

    @functools.cached_property
    def _nobodys_hash(self) -> str:
        """What an unknown name's password is compared with, so that it takes as long as a known one's."""
        return self._hasher.hash(token_urlsafe(16))

    def _verified(self, hashed: str, password: str) -> bool:
        with self._verifying:
            try:
                return self._hasher.verify(hashed, password)
            except (VerificationError, InvalidHashError):
                return False


class _Failures:
    """When passwords were wrong lately, by name and address; in memory, and never more than it may take."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._times: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def too_many(self, keys: tuple[str, ...]) -> bool:
        since = self._clock() - _FAILURE_SECONDS
        with self._lock:
            return any(sum(time > since for time in self._times.get(key, ())) >= _MOST_FAILURES for key in keys)

    def add(self, keys: tuple[str, ...]) -> None:
        with self._lock:
            for key in keys:
                self._times.setdefault(key, deque(maxlen=_MOST_FAILURES)).append(self._clock())
            while len(self._times) > _MOST_REMEMBERED:
                self._times.pop(next(iter(self._times)))


def _given(tx: sa.Connection, account: rows.Account, role: str, now: dt.datetime) -> None:
    """The provider says another role than before."""
    rows.set_role(tx, account.id, role)
    detail, subject = {"role": role, "was": account.role}, f"user {account.name}"
    records.audit(tx, actor="provider", action="user.change", subject=subject, detail=detail, at=now)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise Permanent(f"{name!r} is no user name.", fix="Use 1 to 64 letters, digits, and . _ @ -.")


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
