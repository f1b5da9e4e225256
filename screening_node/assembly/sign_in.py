"""Signing in through a provider: from ``[admin.oidc]`` to what the admin's page is told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from screening_node.errors import Misconfigured
from screening_node.settings import Settings
from screening_node.tls import ClientTls, Trust

if TYPE_CHECKING:
    from screening_node.admin.site import OidcConfig
    from screening_node.settings.signin import OidcSection


def oidc_config(settings: Settings) -> OidcConfig | None:
    """The provider that vouches for users; None where none is configured. Raises Misconfigured without its secret."""
    from screening_node.admin.site import OidcConfig

    section = settings.admin.oidc
    if section is None:
        return None
    return OidcConfig(
        issuer=section.issuer,
        client_id=section.client_id,
        client_secret=_secret(section),
        page=section.page,
        name=section.name,
        scopes=section.scopes,
        name_claim=section.name_claim,
        role_claim=section.role_claim,
        roles={value: role.value for value, role in section.roles.items()},
        tls=None if section.authorities is None else ClientTls(trust=Trust(authorities=section.authorities)),
    )


def _secret(section: OidcSection) -> str:
    if section.client_secret is not None:
        return section.client_secret.get_secret_value()
    if section.client_secret_file is None:
        raise Misconfigured(
            "[admin.oidc] has no client's secret.",
            fix="Name a file with it as client_secret_file, or set SCREENING_NODE__ADMIN__OIDC__CLIENT_SECRET.",
        )
    return _read(section.client_secret_file)


def _read(file: Path) -> str:
    try:
        secret = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        secret = ""
    if not secret:
        raise Misconfigured(
            f"[admin.oidc] client_secret_file {file} holds no secret that can be read.",
            fix="Write the client's secret from the provider into it, readable by the node's user alone.",
        )
    return secret
