"""Films: what came in, what became of each, its picture and its reports."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from screening_node.admin import actions, exam_view, film_log, listings
from screening_node.admin.access import Number, Visitor, viewer
from screening_node.admin.rendering import render
from screening_node.admin.site import site_of
from screening_node.reporting.reading import read_report
from screening_node.store.alarms import CLOSING_OUTCOMES

_MEDIA_TYPES = {".dcm": "application/dicom", ".hl7": "application/hl7-v2", ".json": "application/fhir+json"}

router = APIRouter(prefix="/exams")
Looker = Annotated[Visitor, Depends(viewer)]


@router.get("")
def exams(request: Request, visitor: Looker) -> HTMLResponse:
    """Every film, the newest first, filtered by what became of it."""
    query = film_log.FilmQuery.parse(request.query_params)
    page = film_log.page(site_of(request).store, query)
    reasons = film_log.refusal_codes()
    return render(request, "exams.html", visitor, query=query, page=page, states=film_log.STATES, reasons=reasons)


@router.get("/{number}")
def exam(request: Request, number: Number, visitor: Looker) -> HTMLResponse:
    """One film."""
    site = site_of(request)
    view = exam_view.view(site, number)
    actions.looked(site.store, f"exam {number}", actor=visitor.name)
    return render(request, "exam.html", visitor, view=view, outcomes=CLOSING_OUTCOMES)


@router.get("/{number}/film.png")
def film(request: Request, number: Number, visitor: Looker) -> Response:
    """The film as a picture, bone bright."""
    site = site_of(request)
    path, sha256 = exam_view.film_file(site.store, number)
    return Response(site.films.png(site.archive.existing(path), sha256), media_type="image/png")


@router.get("/{number}/reports/{delivery}.dcm")
def report(request: Request, number: Number, delivery: Number, visitor: Looker) -> Response:
    """A report as it goes to its destination: an object, or a message."""
    site = site_of(request)
    path, uid = exam_view.report_file(site.store, number, delivery)
    file = site.archive.existing(path)
    actions.looked(site.store, f"exam {number}", actor=visitor.name, action="report.download")
    headers = {"Content-Disposition": f'attachment; filename="{uid}{file.suffix}"'}
    return Response(file.read_bytes(), media_type=_MEDIA_TYPES[file.suffix], headers=headers)


@router.get("/{number}/reports/{delivery}")
def report_page(request: Request, number: Number, delivery: Number, visitor: Looker) -> HTMLResponse:
    """A report with a content tree as people read it: what its bytes say."""
    site = site_of(request)
    path, _ = exam_view.report_file(site.store, number, delivery)
    report = read_report(site.archive.existing(path))
    exam = listings.exam(site.store, number)
    actions.looked(site.store, f"exam {number}", actor=visitor.name, action="report.read")
    owed = next(row for row in exam["deliveries"] if row["id"] == delivery)
    return render(request, "report.html", visitor, exam=exam, report=report, delivery=owed)
