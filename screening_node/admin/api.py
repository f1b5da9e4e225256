"""The JSON API: the same rows, under the same keys, as the command line's ``--json``; read-only.

Programs send ``Authorization: Bearer TOKEN`` (``screening-node admin create-token``); browsers that are signed in
need nothing more.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.openapi.utils import get_openapi

from screening_node.admin import actions, listings, wellness
from screening_node.admin.access import Number, Visitor, admin, viewer
from screening_node.admin.site import site_of

PREFIX = "/api/v1"
router = APIRouter(prefix=PREFIX)
Looker = Annotated[Visitor, Depends(viewer)]
Limit = Annotated[int, Query(ge=1, le=10_000, description="At most so many, the newest first.")]
Row = dict[str, Any]


@router.get("/alerts")
def alerts(request: Request, visitor: Looker, state: str | None = None, limit: Limit = 100) -> list[Row]:
    """The alert log, as ``screening-node alerts list --json``."""
    _looked(request, visitor, "alerts")
    return listings.alerts(site_of(request).store, state=state, limit=limit)


@router.get("/alerts/{number}")
def alert(request: Request, visitor: Looker, number: Number) -> Row:
    """One alert, as ``screening-node alerts show --json``."""
    found = listings.alert(site_of(request).store, number)
    _looked(request, visitor, f"alert {number}")
    return found


@router.get("/exams")
def exams(request: Request, visitor: Looker, state: str | None = None, limit: Limit = 100) -> list[Row]:
    """The exams, as ``screening-node exams list --json``."""
    _looked(request, visitor, "exams")
    return listings.exams(site_of(request).store, state=state, limit=limit)


@router.get("/exams/{number}")
def exam(request: Request, visitor: Looker, number: Number) -> Row:
    """One exam, as ``screening-node exams show --json``."""
    found = listings.exam(site_of(request).store, number)
    _looked(request, visitor, f"exam {number}")
    return found


@router.get("/deliveries")
def deliveries(
    request: Request,
    visitor: Looker,
    state: str | None = None,
    destination: str | None = None,
    limit: Limit = 100,
) -> list[Row]:
    """The deliveries, as ``screening-node deliveries list --json``."""
    return listings.deliveries(site_of(request).store, state=state, destination=destination, limit=limit)


@router.get("/audit")
def audit(request: Request, visitor: Annotated[Visitor, Depends(admin)], limit: Limit = 100) -> list[Row]:
    """Who did what, as ``screening-node audit list --json``."""
    return listings.audit(site_of(request).store, limit=limit)


@router.get("/node")
def node(request: Request, visitor: Looker) -> Row:
    """How the node is: what waits, what failed, and what a person should see to."""
    site = site_of(request)
    well = wellness.look(site.store, site.archive, site.config.destinations, site.config.min_free_bytes)
    return {
        "version": site.config.version,
        "bundle": site.config.bundle,
        "limits_of_use": site.config.limits_of_use,
        "open_alerts": well.open_alerts,
        "waiting": well.waiting,
        "failed": well.failed,
        "parked": well.parked,
        "last_film": listings.plain(well.last_film),
        "troubles": [trouble.text for trouble in well.troubles],
    }


@router.get("/openapi.json", include_in_schema=False)
def openapi(request: Request, visitor: Looker) -> Row:
    """The description of this API."""
    routes = [route for route in request.app.routes if getattr(route, "path", "").startswith(PREFIX)]
    return get_openapi(title="Screening Node", version=site_of(request).config.version, routes=routes)


def _looked(request: Request, visitor: Visitor, subject: str) -> None:
    actions.looked(site_of(request).store, subject, actor=visitor.name, action="api.look")
