"""What waits, what failed, what was refused, what did not reach the PACS; and doing something about it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from screening_node.admin import actions, film_log, listings, overview
from screening_node.admin.access import Form, Number, Visitor, admin, checked_form, viewer
from screening_node.admin.rendering import node_state, render
from screening_node.admin.site import site_of

router = APIRouter()
Looker = Annotated[Visitor, Depends(viewer)]
Admin = Annotated[Visitor, Depends(admin)]
CheckedForm = Annotated[Form, Depends(checked_form)]
_SHOWN = 20
#: Refused films are many, and nobody has to see to them.
_REFUSED_SHOWN = 8


@router.get("/work")
def work(request: Request, visitor: Looker) -> HTMLResponse:
    """All that is not done, by what it needs."""
    store = site_of(request).store
    reason = film_log.FilmQuery.parse(request.query_params).reason
    queries = {state: film_log.FilmQuery(state=state) for state in ("failed", "running", "waiting")}
    films = {state: film_log.page(store, query, _SHOWN) for state, query in queries.items()}
    films["refused"] = film_log.page(store, film_log.FilmQuery(state="refused", reason=reason), _REFUSED_SHOWN)
    return render(
        request,
        "work.html",
        visitor,
        well=node_state(request),
        films=films,
        parked=listings.deliveries(store, state="parked", limit=_SHOWN),
        pending=listings.deliveries(store, state="pending", limit=_SHOWN),
        refusals=overview.refusals(store),
        reason=reason,
    )


@router.post("/exams/{number}/retry")
def retry_exam(request: Request, number: Number, visitor: Admin, form: CheckedForm) -> Response:
    """Judge an exam again, with the model of today."""
    actions.retry_exam(site_of(request).store, number, actor=visitor.name)
    return _back(form, f"/exams/{number}", "retried")


@router.post("/exams/{number}/cancel")
def cancel_exam(request: Request, number: Number, visitor: Admin, form: CheckedForm) -> Response:
    """Give an exam up that waits or failed."""
    actions.cancel_exam(site_of(request).store, number, actor=visitor.name)
    return _back(form, f"/exams/{number}", "cancelled")


@router.post("/deliveries/retry")
def retry_deliveries(request: Request, visitor: Admin, form: CheckedForm) -> Response:
    """Send every parked and postponed report again at once."""
    actions.retry_all_deliveries(site_of(request).store, actor=visitor.name)
    return _back(form, "/work", "retried")


@router.post("/deliveries/{number}/retry")
def retry_delivery(request: Request, number: Number, visitor: Admin, form: CheckedForm) -> Response:
    """Send one report again at once."""
    actions.retry_delivery(site_of(request).store, number, actor=visitor.name)
    return _back(form, "/work", "retried")


@router.post("/deliveries/{number}/cancel")
def cancel_delivery(request: Request, number: Number, visitor: Admin, form: CheckedForm) -> Response:
    """Give one report or notification up."""
    actions.cancel_delivery(site_of(request).store, number, actor=visitor.name)
    return _back(form, "/work", "cancelled")


def _back(form: Form, otherwise: str, done: str) -> Response:
    """To the work page where the form says that it stood there."""
    page = "/work" if form.text("from") == "work" else otherwise
    return RedirectResponse(f"{page}?done={done}", status_code=303)
