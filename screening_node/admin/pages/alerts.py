"""The start page, one alert, and what is done about alerts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from screening_node.admin import actions, alert_log, exam_view, export
from screening_node.admin.access import Form, Number, Visitor, checked_form, reviewer, viewer
from screening_node.admin.rendering import render
from screening_node.admin.site import site_of
from screening_node.domain.result import Category
from screening_node.errors import ChangedMeanwhile, IllegalTransition, Permanent
from screening_node.store.alarms import CLOSING_OUTCOMES, AlarmState, Outcome
from screening_node.store.session import Store

router = APIRouter()
Looker = Annotated[Visitor, Depends(viewer)]
Reviewer = Annotated[Visitor, Depends(reviewer)]
CheckedForm = Annotated[Form, Depends(checked_form)]
#: T-scores that a DXA machine can print.
_POSSIBLE_T = (-10.0, 10.0)


@router.get("/")
def alerts(request: Request, visitor: Looker) -> HTMLResponse:
    """The alert log."""
    values = _asked(request)
    return render(request, "alerts.html", visitor, **values, counts=alert_log.counts(site_of(request).store))


@router.get("/alerts/rows")
def rows(request: Request, visitor: Looker) -> HTMLResponse:
    """The log's table alone, for the page to refresh."""
    values = _asked(request)
    return render(request, "alert_rows.html", visitor, well=None, **values)


def _asked(request: Request) -> dict[str, Any]:
    query = alert_log.AlertQuery.parse(request.query_params)
    return {
        "query": query,
        "page": alert_log.page(site_of(request).store, query),
        "states": tuple(AlarmState),
        "endings": tuple(alert_log.Ending),
        "categories": tuple(Category),
        "modalities": alert_log.MODALITIES,
        "sorts": tuple(alert_log.Sort),
    }


@router.get("/alerts.csv")
def export_csv(request: Request, visitor: Reviewer) -> Response:
    """The log as a file; the audit says that it left the node before it does."""
    lines = export.csv_lines(_exported(request, visitor))
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=_attached("csv"))


@router.get("/alerts.xlsx")
def export_xlsx(request: Request, visitor: Reviewer) -> Response:
    """The same as a workbook."""
    rows = _exported(request, visitor)
    file = export.workbook(rows, limits_of_use=site_of(request).config.limits_of_use)
    return StreamingResponse(export.pieces(file), media_type=export.XLSX, headers=_attached("xlsx"))


def _exported(request: Request, visitor: Visitor) -> Iterator[dict[str, Any]]:
    store = site_of(request).store
    actions.looked(store, "alerts", actor=visitor.name, action="alert.export")
    return alert_log.every(store, alert_log.AlertQuery.parse(request.query_params))


def _attached(ending: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="alerts-{dt.date.today().isoformat()}.{ending}"'}


@router.get("/alerts/{number}")
def alert(request: Request, number: Number, visitor: Looker) -> HTMLResponse:
    """One alert, with its newest film."""
    site = site_of(request)
    exam = exam_view.exam_of_alert(site.store, number)
    actions.looked(site.store, f"alert {number}", actor=visitor.name)
    return render(request, "exam.html", visitor, view=exam_view.view(site, exam), outcomes=CLOSING_OUTCOMES)


@router.post("/alerts/chosen")
def many(request: Request, visitor: Reviewer, form: CheckedForm) -> Response:
    """Do the same about the ticked ones; those that somebody changed meanwhile stay as they are, and it is said."""
    done, act = _about_many(form, site_of(request).store, visitor.name)
    changed = False
    for value in form.fields.get("alert", []):
        number, _, version = value.partition("/")
        if not (number.isascii() and number.isdigit() and version.isascii() and version.isdigit()):
            continue
        try:
            act(int(number), version=int(version))
        except (ChangedMeanwhile, IllegalTransition):
            changed = True
    return RedirectResponse(f"/?done={'some-changed' if changed else done}", status_code=303)


def _about_many(form: Form, store: Store, actor: str) -> tuple[str, Callable[..., None]]:
    """What the form wants done about each alert, and what to say afterwards."""
    do, text = form.text("do"), form.text("text")
    if do == "acknowledge":
        return "acknowledged", partial(actions.acknowledge, store, actor=actor, comment=text)
    if do == "assign":
        return "assigned", partial(actions.assign, store, actor=actor, to=text)
    if text is None:
        raise Permanent("Nothing was written.", fix="Write the comment, or the reason why they are dismissed.")
    if do == "comment":
        return "commented", partial(actions.comment, store, actor=actor, comment=text)
    if do == "dismiss":
        return "closed", partial(actions.close, store, actor=actor, comment=text, outcome=Outcome.DISMISSED)
    raise Permanent("What is to be done is not said.", fix="Use the buttons below the table.")


@router.post("/alerts/{number}/acknowledge")
def acknowledge(request: Request, number: Number, visitor: Reviewer, form: CheckedForm) -> Response:
    """Somebody has seen it."""
    comment, version = form.text("comment"), _version(form)
    actions.acknowledge(site_of(request).store, number, actor=visitor.name, comment=comment, version=version)
    return _back(number, "acknowledged")


@router.post("/alerts/{number}/comment")
def comment(request: Request, number: Number, visitor: Reviewer, form: CheckedForm) -> Response:
    """Write something beside it."""
    text, version = form.text("comment"), _version(form)
    actions.comment(site_of(request).store, number, actor=visitor.name, comment=text, version=version)
    return _back(number, "commented")


@router.post("/alerts/{number}/assign")
def assign(request: Request, number: Number, visitor: Reviewer, form: CheckedForm) -> Response:
    """Say who takes care of it; nobody, where the field is empty."""
    to, version = form.text("to"), _version(form)
    actions.assign(site_of(request).store, number, actor=visitor.name, to=to, version=version)
    return _back(number, "assigned")


@router.post("/alerts/{number}/close")
def close(request: Request, number: Number, visitor: Reviewer, form: CheckedForm) -> Response:
    """It ends: with what DXA said, or with a reason."""
    outcome, comment = _outcome(form), form.text("comment")
    if outcome is Outcome.DISMISSED and comment is None:
        raise Permanent("A dismissed alert needs a reason.", fix="Write it into the comment.")
    actions.close(
        site_of(request).store,
        number,
        actor=visitor.name,
        comment=comment,
        version=_version(form),
        outcome=outcome,
        dxa_date=None if outcome is Outcome.DISMISSED else _date(form),
        dxa_t_score=None if outcome is Outcome.DISMISSED else _t_score(form),
    )
    return _back(number, "closed")


@router.post("/alerts/{number}/retract")
def retract(request: Request, number: Number, visitor: Reviewer, form: CheckedForm) -> Response:
    """It was wrong: the reports on its films are made anew, and say so."""
    reason, version = form.text("reason"), _version(form)
    actions.retract(site_of(request).store, number, actor=visitor.name, reason=reason, version=version)
    return _back(number, "retracted")


def _back(number: Number, done: str) -> Response:
    return RedirectResponse(f"/alerts/{number}?done={done}", status_code=303)


def _version(form: Form) -> int:
    """Which version of the alert the form was made for."""
    numbers = form.numbers("version")
    if len(numbers) != 1:
        raise Permanent("The form says no version.", fix="Reload the page and try again.")
    return numbers[0]


def _outcome(form: Form) -> Outcome:
    value = form.text("outcome")
    if value not in CLOSING_OUTCOMES:
        raise Permanent("How it ended is not said.", fix="Choose what DXA said, or dismissed with a reason.")
    return Outcome(value)


def _date(form: Form) -> dt.date | None:
    value = form.text("dxa_date")
    try:
        date = None if value is None else dt.date.fromisoformat(value)
    except ValueError as error:
        raise Permanent("The DXA's date is no date.", fix="Write it as 2026-01-31.") from error
    if date is not None and date > dt.date.today():
        raise Permanent("The DXA's date is in the future.", fix="Close the alert when it is done.")
    return date


def _t_score(form: Form) -> float | None:
    value = form.text("dxa_t_score")
    try:
        score = None if value is None else float(value.replace(",", ".").replace("\N{MINUS SIGN}", "-"))
    except ValueError as error:
        raise Permanent("The DXA's T-score is no number.", fix="Write it as -2.5.") from error
    if score is not None and not _POSSIBLE_T[0] <= score <= _POSSIBLE_T[1]:
        raise Permanent("No DXA gives such a T-score.", fix="Write it as -2.5.")
    return score
