"""Who may send over HTTP: bearer tokens (RFC 6750) and addresses, by list."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from screening_node.errors import Misconfigured
from screening_node.intake.callers import ANY_TITLE, AllowedCaller, Network

#: Who is kept as the sender of a film where nobody is listed.
ANYBODY: Final = "STOW-RS"
#: A shorter secret can be tried out.
SHORTEST_TOKEN: Final = 16
_SCHEME: Final = "bearer"


@dataclass(frozen=True, kw_only=True, slots=True)
class StowCaller:
    """One entry of the list. Its token is a file's (read anew for each request) or given; without one any will do."""

    name: str
    networks: tuple[Network, ...] = ()
    token: str | None = field(default=None, repr=False)
    token_file: Path | None = None

    def knows_address(self, address: str) -> bool:
        """Whether the peer's address is in one of the networks."""
        return AllowedCaller(ae_title=ANY_TITLE, networks=self.networks).knows_address(address)

    def knows_token(self, shown: str) -> bool:
        """Whether it is this caller's token; takes as long for a wrong one as for the right one."""
        if self.token is None and self.token_file is None:
            return True
        wanted = self.token if self.token is not None else _read(self.token_file)
        return len(wanted) >= SHORTEST_TOKEN and hmac.compare_digest(wanted.encode(), shown.encode())


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Who sends, or why nobody may. ``token_wrong``: another token might do (HTTP 401), else none would (403)."""

    sender: str = ""
    why_not: str | None = None
    token_wrong: bool = False


def judged(callers: Sequence[StowCaller], address: str, authorization: str) -> Verdict:
    """Look a request up. ``authorization`` is the header of that name, or empty; an empty list lets everybody in."""
    if not callers:
        return Verdict(sender=ANYBODY)
    from_there = [caller for caller in callers if caller.knows_address(address)]
    if not from_there:
        return Verdict(why_not="address not allowed")
    scheme, _, token = authorization.partition(" ")
    shown = token.strip() if scheme.lower() == _SCHEME else ""
    known = [caller for caller in from_there if caller.knows_token(shown)]
    if not known:
        return Verdict(why_not="token missing or wrong", token_wrong=True)
    return Verdict(sender=known[0].name)


def check_tokens(callers: Sequence[StowCaller]) -> None:
    """Raises Misconfigured where a token cannot be read, or is too short to be one."""
    for caller in callers:
        token = caller.token if caller.token_file is None else _checked(caller)
        if token is not None and len(token) < SHORTEST_TOKEN:
            raise Misconfigured(
                f"The token of STOW-RS caller {caller.name} has fewer than {SHORTEST_TOKEN} characters.",
                fix="Make one: openssl rand -hex 32",
            )


def _checked(caller: StowCaller) -> str:
    assert caller.token_file is not None
    try:
        return caller.token_file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise Misconfigured(
            f"The token of STOW-RS caller {caller.name} cannot be read from {caller.token_file}.",
            fix="Write it there, one line, and give the node's user the right to read it.",
        ) from error


def _read(file: Path | None) -> str:
    """A file that cannot be read lets nobody in."""
    try:
        return "" if file is None else file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""
