"""What every page works with: configuration, store, archive, accounts, templates; made once, by ``create_app``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any

from fastapi import Request
from jinja2 import Environment

from screening_node.admin.accounts import Accounts
from screening_node.admin.films import DisplayCopies
from screening_node.admin.reach import Probes, Reachable
from screening_node.domain.histogram import Histogram
from screening_node.domain.tscore import ReferenceTable
from screening_node.store.archive import Archive
from screening_node.store.session import Store
from screening_node.tls import ClientTls

if TYPE_CHECKING:
    from screening_node.admin.oidc import Provider


@dataclass(frozen=True, kw_only=True)
class OidcConfig:
    """The provider, and what of its claims counts. ``tls`` is None for a provider on this machine.

    ``page``: the address of the admin's page for browsers; ``roles``: value of ``role_claim`` -> role.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    page: str
    name: str
    scopes: tuple[str, ...]
    name_claim: str
    role_claim: str
    roles: Mapping[str, str]
    tls: ClientTls | None = None


@dataclass(frozen=True, kw_only=True)
class AdminConfig:
    """What the admin's page is told.

    ``reachable``: who can be asked whether they are there.
    ``viewer_url``: a link into the PACS's viewer with ``{study_instance_uid}`` or ``{accession_number}`` in it.
    ``validation``: how the model's estimates were spread over films that it had not learnt from, where its card says;
    ``validation_refusals``: the part of them that was refused.
    ``settings``: section -> key -> value, for the eyes of admins, secrets masked already.
    """

    host: str
    port: int
    node: str
    version: str
    bundle: str
    limits_of_use: str
    reference: ReferenceTable
    destinations: tuple[str, ...] = ()
    reachable: tuple[Reachable, ...] = ()
    certificate: Path | None = None
    key: Path | None = None
    viewer_url: str | None = None
    min_free_bytes: int = 0
    model_card: str = ""
    validation: Histogram | None = None
    validation_refusals: float | None = None
    oidc: OidcConfig | None = None
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Site:
    """The parts that routes work with. ``provider``: who else vouches for users, where one is configured.

    ``secret`` is this process's own, for forms before anybody signed in.
    """

    config: AdminConfig
    store: Store
    archive: Archive
    accounts: Accounts
    films: DisplayCopies
    templates: Environment
    probes: Probes
    provider: Provider | None = None
    secret: str = field(default_factory=lambda: token_urlsafe(32), repr=False)


def site_of(request: Request) -> Site:
    """The site that a request is for."""
    site: Site = request.app.state.site
    return site
