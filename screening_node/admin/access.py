"""Who may do what: every route carries a rule, and the application refuses to start with one that has none.

    viewer      looks
    reviewer    acknowledges, comments, assigns, closes alerts
    admin       retries and cancels work, reads the whole audit and the settings

While nobody has an account, the page answers this machine alone, and whoever opens it there is an admin.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import FastAPI, Path, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from screening_node.admin.site import Site, site_of
from screening_node.errors import ScreeningNodeError
from screening_node.store.accounts import SessionKind

COOKIE = "screening_node"
TOKEN_FIELD = "form_token"
#: Who acts in the audit while nobody has an account.
NOBODY = "loopback"
_MOST_FORM_BYTES = 65_536
#: The number of a row in a path; larger ones no database holds.
Number = Annotated[int, Path(ge=1, le=2**53)]
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class Role(StrEnum):
    """What an account may do; each includes those before it."""

    VIEWER = "viewer"
    REVIEWER = "reviewer"
    ADMIN = "admin"

    def includes(self, other: Role) -> bool:
        """Whether this role may do what the other may."""
        order = tuple(Role)
        return order.index(self) >= order.index(other)


class SignInNeeded(ScreeningNodeError):
    """Nobody is signed in, or no longer."""


class Forbidden(ScreeningNodeError):
    """The one signed in may not do this, or the request did not come from a page of ours."""


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """Who asks. ``form_token`` goes into every form; ``without_accounts``: anybody on this machine is let in."""

    name: str
    role: Role
    form_token: str
    without_accounts: bool = False

    def may(self, role: str) -> bool:
        """For templates: whether to offer something that needs a role."""
        return self.role.includes(Role(role))


class Needs:
    """A route's rule: the visitor has at least this role."""

    def __init__(self, role: Role) -> None:
        self.role = role

    def __call__(self, request: Request) -> Visitor:
        """The visitor. Raises SignInNeeded or Forbidden."""
        visitor = visitor_of(request)
        if visitor is None:
            raise SignInNeeded("Nobody is signed in here, or the session has ended.", fix="Sign in.")
        if not visitor.role.includes(self.role):
            raise Forbidden(f"This needs the role {self.role}; {visitor.name} is {visitor.role}.", fix="Ask an admin.")
        return visitor


class Public:
    """A route's rule: anybody may, signed in or not. For what holds no patient data."""

    def __call__(self) -> None:
        """Nothing to check."""


viewer, reviewer, admin, public = Needs(Role.VIEWER), Needs(Role.REVIEWER), Needs(Role.ADMIN), Public()


def visitor_of(request: Request) -> Visitor | None:
    """Who asks; None where nobody is signed in. Raises Forbidden for others while there are no accounts."""
    site = site_of(request)
    if not site.accounts.any():
        return _without_accounts(request, site)
    secret, kind = _secret(request)
    session = None if secret is None else site.accounts.session(secret, kind, used="hx-request" not in request.headers)
    if secret is None or session is None:
        return None
    return Visitor(name=session.name, role=Role(session.role), form_token=form_token(secret))


def _without_accounts(request: Request, site: Site) -> Visitor:
    """Whoever is on this machine. The Host header is checked too: a foreign page could point its name at 127.0.0.1."""
    if not _is_loopback(request.client.host if request.client else "") or request.url.hostname not in _LOOPBACK_NAMES:
        raise Forbidden(
            "There is no account yet, so the page answers only the machine that it runs on.",
            fix="Make one there: screening-node admin create-user NAME.",
        )
    return Visitor(name=NOBODY, role=Role.ADMIN, form_token=form_token(site.secret), without_accounts=True)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _secret(request: Request) -> tuple[str | None, SessionKind]:
    """A program's token from the Authorization header, or a browser's cookie."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and request.url.path.startswith("/api/"):
        return token.strip() or None, SessionKind.TOKEN
    return request.cookies.get(COOKIE), SessionKind.PAGE


def form_token(secret: str) -> str:
    """What a page's forms carry: only who can read the page knows it."""
    return hmac.new(secret.encode(), b"form", hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Form:
    """The fields of a form that came from a page of ours."""

    fields: Mapping[str, list[str]]

    def text(self, name: str) -> str | None:
        """The field without surrounding blanks; None where it is empty or absent."""
        return next((value.strip() for value in self.fields.get(name, []) if value.strip()), None)

    def numbers(self, name: str) -> list[int]:
        """All values of the field that are whole numbers."""
        return [int(value) for value in self.fields.get(name, []) if value.isascii() and value.isdigit()]


async def checked_form(request: Request) -> Form:
    """The form of an unsafe request. Raises Forbidden where it does not come from a page of ours (CSRF)."""
    _check_origin(request)
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_FORM_BYTES:
            raise Forbidden("The form is too long.", fix="Write less.")
    form = Form(parse_qs(body.decode("utf-8", "replace"), max_num_fields=1000))
    expected = form_token(request.cookies.get(COOKIE) or site_of(request).secret)
    given = form.text(TOKEN_FIELD) or ""
    if not hmac.compare_digest(expected.encode(), given.encode()):
        raise Forbidden("The page that sent this was out of date.", fix="Go back, reload it, and try again.")
    return form


def _check_origin(request: Request) -> None:
    """Every browser of today says where a POST comes from."""
    own = f"{request.url.scheme}://{request.headers.get('host', '')}"
    origin = request.headers.get("origin")
    if origin != own:
        raise Forbidden("The request came from another site.", fix="Open the admin's page itself.")


def rule_of(route: APIRoute) -> Needs | Public | None:
    """The rule that a route carries."""
    rules = [call for call in _calls(route.dependant) if isinstance(call, Needs | Public)]
    return rules[0] if len(rules) == 1 else None


def check_rules(app: FastAPI) -> None:
    """Every route has exactly one rule, and every unsafe one checks its form; an error of ours otherwise."""
    for route in app.routes:
        if not isinstance(route, APIRoute) or rule_of(route) is None:
            raise TypeError(f"The route {getattr(route, 'path', route)} has no rule (admin/access.py).")
        if set(route.methods or ()) - _SAFE_METHODS and checked_form not in _calls(route.dependant):
            raise TypeError(f"The route {route.path} changes things but checks no form.")


def _calls(dependant: Dependant) -> list[Any]:
    found: list[Any] = []
    for inner in dependant.dependencies:
        found += [inner.call, *_calls(inner)]
    return found
