"""What the node was told, what it is made of, and whether those whom it calls are there; read-only."""

from __future__ import annotations

import platform
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, PlainTextResponse

from screening_node.admin import licences, model_card
from screening_node.admin.access import Visitor, admin, viewer
from screening_node.admin.rendering import render
from screening_node.admin.site import Site, site_of
from screening_node.errors import NotFound, ScreeningNodeError

router = APIRouter(prefix="/settings")
Looker = Annotated[Visitor, Depends(viewer)]
Admin = Annotated[Visitor, Depends(admin)]


@router.get("")
def settings(request: Request, visitor: Admin) -> HTMLResponse:
    """The configuration in force, secrets masked; destinations, users, versions."""
    site = site_of(request)
    users, destinations = site.accounts.names(), site.probes.all.values()
    return render(request, "settings.html", visitor, users=users, destinations=destinations, versions=_versions(site))


@router.get("/destinations/{name}")
def destination(request: Request, name: str, visitor: Admin) -> HTMLResponse:
    """A part of the page: what a destination answers now."""
    error = None
    try:
        said = site_of(request).probes.ask(name)
    except NotFound:
        raise
    except ScreeningNodeError as caught:
        said, error = "", caught
    return render(request, "reach.html", visitor, name=name, said=said, error=error, well=None)


@router.get("/model-card")
def card(request: Request, visitor: Looker) -> HTMLResponse:
    """The bundle's model card: what it was trained on, how it did, what it is not for."""
    text = site_of(request).config.model_card
    if not text:
        raise NotFound("The bundle has no model card.", fix="See limits_of_use in its card.toml.")
    return render(request, "model_card.html", visitor, card=model_card.as_html(text))


@router.get("/licences")
def licence_list(request: Request, visitor: Looker) -> HTMLResponse:
    """What the node is made of, and by whose leave."""
    return render(request, "licences.html", visitor, parts=licences.parts())


@router.get("/licences/{name}")
def licence_text(request: Request, name: str, visitor: Looker) -> PlainTextResponse:
    """The texts that came with a part."""
    return PlainTextResponse(licences.text(name))


def _versions(site: Site) -> dict[str, str]:
    with site.store.read() as tx:
        dialect = tx.dialect
        version = ".".join(map(str, dialect.server_version_info or ()))
    database = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}.get(dialect.name, dialect.name)
    return {
        "Screening Node": site.config.version,
        "Bundle": site.config.bundle,
        "Python": platform.python_version(),
        "System": f"{platform.system()} {platform.release()} ({platform.machine()})",
        "Database": f"{database} {version}",
    }
