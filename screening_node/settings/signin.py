"""Signing in through a provider of OpenID Connect: ``[admin.oidc]``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from screening_node.settings.base import Section, split_url, web_address, wrong


def _safe(value: str, what: str, example: str) -> str:
    """An address over TLS, or of this machine; without user, query and fragment."""
    plain = "whoever listens could sign in as somebody else"
    return web_address(value, what, fix=f'Write it alone, for example "{example}".', plain=plain)


def _issuer(value: str) -> str:
    return _safe(value, "a provider", "https://login.example.org/realms/hospital")


def _page(value: str) -> str:
    _safe(value, "the admin's page", "https://screening.example.org")
    parts = split_url(value)
    if parts is None or parts.path not in ("", "/"):
        raise wrong("the page's address has no path", 'Write it up to the port, as in "https://screening.example.org".')
    return value.rstrip("/")


def _word(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise wrong(f"{value!r} is no name", "Use printable characters, no space at either end.")
    return value


Word = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_word)]


class RoleName(StrEnum):
    """What somebody may do on the admin's page."""

    VIEWER = "viewer"
    REVIEWER = "reviewer"
    ADMIN = "admin"


class OidcSection(Section):
    """Who vouches for users (OpenID Connect Core 1.0, authorization code flow with PKCE), and who may do what.

    ``page``: the address by which browsers reach the admin's page; the provider sends them back to
    ``<page>/sign-in/oidc/callback``. ``roles``: value of ``role_claim`` -> role; nobody without one gets in.
    """

    issuer: Annotated[str, AfterValidator(_issuer)]
    client_id: Word
    client_secret: SecretStr | None = None
    client_secret_file: Path | None = None
    page: Annotated[str, AfterValidator(_page)]
    name: Word = "OpenID Connect"
    scopes: tuple[Annotated[str, Field(pattern=r"^[!#-\[\]-~]+$")], ...] = ("openid", "profile")
    name_claim: Word = "preferred_username"
    role_claim: Word = "roles"
    roles: Annotated[dict[str, RoleName], Field(min_length=1)]
    authorities: Path | None = None

    @field_validator("scopes")
    @classmethod
    def _with_openid(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "openid" not in value:
            raise wrong("without the scope openid nobody is named", 'Write for example ["openid", "profile"].')
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.client_secret is not None and self.client_secret_file is not None:
            raise wrong("the client's secret is given twice", "Drop client_secret_file, or unset the variable.")
        if self.issuer.startswith("https:") and self.authorities is None:
            raise wrong(
                "the provider's certificate cannot be verified",
                "Name who signed it: authorities = FILE; the system's own file of authorities will do.",
            )
        return self
