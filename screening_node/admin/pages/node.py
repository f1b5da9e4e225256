"""The node itself: how it is, how it was over the last days, who did what."""

from __future__ import annotations

from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from screening_node.admin import figures, listings
from screening_node.admin import overview as last_days
from screening_node.admin.access import Visitor, admin, viewer
from screening_node.admin.rendering import render
from screening_node.admin.site import site_of
from screening_node.store import tables as t

router = APIRouter()
Looker = Annotated[Visitor, Depends(viewer)]
Admin = Annotated[Visitor, Depends(admin)]
_AUDIT_ROWS = 100


@router.get("/strip")
def strip(request: Request, visitor: Looker) -> HTMLResponse:
    """How the node is, for pages to refresh."""
    return render(request, "strip.html", visitor)


@router.get("/overview")
def overview(request: Request, visitor: Looker) -> HTMLResponse:
    """The last days as charts, each with its table."""
    site = site_of(request)
    found = last_days.look(site.store)
    days = [(day.date.isoformat()[5:], day) for day in found.days]
    charts = {
        "films": figures.bar_chart([(name, day.films) for name, day in days]),
        "alerts": figures.bar_chart([(name, day.alerts) for name, day in days]),
        "rate": figures.bar_chart([(name, day.rate or 0) for name, day in days]),
        "scores": figures.distribution_chart(found.scores, site.config.validation),
    }
    return render(request, "overview.html", visitor, overview=found, charts=charts, validation=site.config.validation)


@router.get("/audit")
def audit(request: Request, visitor: Admin) -> HTMLResponse:
    """Who did what, the newest first; ``before`` and ``subject`` in the link narrow it."""
    before, subject = request.query_params.get("before", ""), request.query_params.get("subject")
    statement = sa.select(t.audit).order_by(t.audit.c.id.desc()).limit(_AUDIT_ROWS)
    if before.isascii() and before.isdigit() and len(before) <= 18:
        statement = statement.where(t.audit.c.id < int(before))
    if subject:
        statement = statement.where(t.audit.c.subject == subject)
    rows = listings.rows(site_of(request).store, statement)
    older = rows[-1]["id"] if len(rows) == _AUDIT_ROWS else None
    return render(request, "audit.html", visitor, rows=rows, older=older, subject=subject)
