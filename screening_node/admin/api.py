"""The JSON API: the same rows, under the same keys, as the command line's ``--json``; read-only.

Programs send ``Authorization: Bearer TOKEN`` (``screening-node admin create-token``); browsers that are signed in
need nothing more.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from screening_node.admin import actions, listings, wellness
from screening_node.admin.access import Number, Visitor, admin, viewer
from screening_node.admin.site import site_of
from screening_node.errors import Permanent
from screening_node.store.alarms import AlarmState
from screening_node.store.outbox import DeliveryState

PREFIX = "/api/v1"
_SECURITY = {"token": {"type": "http", "scheme": "bearer", "description": "screening-node admin create-token NAME"}}


class Said(BaseModel):
    """What went wrong, and how to mend it."""

    message: str
    fix: str


class Refusal(BaseModel):
    """The body of every answer that is none of 2xx."""

    error: Said


def _refusals() -> dict[int | str, dict[str, Any]]:
    told = {
        400: "A query parameter that is not known here.",
        401: "No token, or none that is good.",
        403: "The token's user has too small a role.",
        404: "There is no such row, or no such state.",
        422: "A value that makes no sense.",
        503: "The store does not answer.",
    }
    return {status: {"model": Refusal, "description": text} for status, text in told.items()}


def known_query(request: Request) -> None:
    """Raises Permanent for a parameter that the route does not know: a misspelt filter must not filter nothing."""
    known = {parameter.alias for parameter in request.scope["route"].dependant.query_params}
    if not request.query_params.keys() <= known:
        raise Permanent("A query parameter is not known here.", fix=f"Known: {', '.join(sorted(known)) or 'none'}.")


router = APIRouter(prefix=PREFIX, responses=_refusals(), dependencies=[Depends(known_query)])
Looker = Annotated[Visitor, Depends(viewer)]
Limit = Annotated[int, Query(ge=1, le=10_000, description="At most so many, the newest first.")]
AlertState = Annotated[str | None, Query(json_schema_extra={"enum": list(AlarmState)})]
ExamState = Annotated[str | None, Query(json_schema_extra={"enum": list(listings.EXAM_STATES)})]
ReportState = Annotated[str | None, Query(json_schema_extra={"enum": list(DeliveryState)})]
#: What a destination is called in the settings; nothing else ever reaches the database.
Destination = Annotated[str | None, Query(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Row = dict[str, Any]


@router.get("/alerts")
def alerts(request: Request, visitor: Looker, state: AlertState = None, limit: Limit = 100) -> list[Row]:
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
def exams(request: Request, visitor: Looker, state: ExamState = None, limit: Limit = 100) -> list[Row]:
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
    state: ReportState = None,
    destination: Destination = None,
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
        "troubles": [trouble.whole for trouble in well.troubles],
    }


@router.get("/openapi.json", include_in_schema=False)
def openapi(request: Request, visitor: Looker) -> Row:
    """The description of this API."""
    routes = [route for route in request.app.routes if getattr(route, "path", "").startswith(PREFIX)]
    made = get_openapi(title="Screening Node", version=site_of(request).config.version, routes=routes)
    made["components"]["securitySchemes"] = _SECURITY
    return {**made, "security": [{"token": []}]}


def _looked(request: Request, visitor: Visitor, subject: str) -> None:
    actions.looked(site_of(request).store, subject, actor=visitor.name, action="api.look")
