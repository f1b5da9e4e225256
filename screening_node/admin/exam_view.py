"""All that one page says of an exam: film, estimates, alert, other films of the patient, time line, audit."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from screening_node.admin import listings
from screening_node.admin.explained import CheckRow, Regions, check_rows, explanation_of, region_table
from screening_node.admin.figures import EstimateChart, estimate_chart
from screening_node.admin.site import Site
from screening_node.admin.timeline import TimeLine, audit_rows, time_line
from screening_node.admin.trend import TrendChart, TrendFilm, patient_films, trend_chart
from screening_node.domain.result import RefusalCode
from screening_node.errors import NotFound, ScreeningNodeError
from screening_node.imaging.display import stored_size
from screening_node.reporting.kinds import Kind
from screening_node.store import tables as t
from screening_node.store.session import Store

#: Films refused so have no pixels that anybody could look at.
_WITHOUT_PICTURE = frozenset(
    {RefusalCode.NO_PIXELS, RefusalCode.PIXELS_UNREADABLE, RefusalCode.PIXEL_FORMAT, RefusalCode.TOO_LARGE}
)


@dataclass(frozen=True, kw_only=True)
class FilmView:
    """What is drawn over the film, in stored pixels; ``size`` is (rows, columns), None where no film can be shown."""

    size: tuple[int, int] | None
    landmarks: Sequence[Mapping[str, Any]]
    rois: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class ExamView:
    """One exam, for its page."""

    exam: Mapping[str, Any]
    model: Mapping[str, Any] | None
    film: FilmView
    chart: EstimateChart | None
    alert: Mapping[str, Any] | None
    regions: Regions | None
    checks: Sequence[CheckRow]
    films: Sequence[TrendFilm]
    trend: TrendChart | None
    line: TimeLine
    audit: Sequence[Mapping[str, Any]]
    viewer_url: str | None
    readable: tuple[str, ...] = (Kind.SR, Kind.KO)  # kinds of reports that have a content tree


def view(site: Site, number: int) -> ExamView:
    """An exam with all that belongs to it. Raises NotFound."""
    exam = listings.exam(site.store, number)
    document = _document(site.store, number)
    alert = None if exam["alert"] is None else listings.alert(site.store, exam["alert"])
    film, told = _film(site, number, document), explanation_of(document)
    films = patient_films(site.store, number, site.config.reference)
    return ExamView(
        exam=exam,
        model=None if document is None else document["model"],
        film=film,
        chart=_chart(site, exam, document),
        alert=alert,
        regions=region_table(told.regions, exam["estimates"], film.rois),
        checks=check_rows(told.checks),
        films=films,
        trend=trend_chart(films),
        line=time_line(site.store, exam, alert),
        audit=audit_rows(site.store, exam),
        viewer_url=_viewer_url(site.config.viewer_url, exam),
    )


def film_file(store: Store, number: int) -> tuple[str, str]:
    """Path in the archive and SHA-256 of an exam's first instance. Raises NotFound."""
    columns = (t.instances.c.path, t.instances.c.sha256, t.instances.c.removed_at)
    statement = sa.select(*columns).where(t.instances.c.exam_id == number)
    with store.read() as tx:
        row = tx.execute(statement.order_by(t.instances.c.id).limit(1)).first()
    if row is None:
        raise NotFound(f"There is no film of exam {number}.")
    if row.removed_at is not None:
        raise NotFound(f"The film of exam {number} was removed by the rule of retention on {row.removed_at:%Y-%m-%d}.")
    return row.path, row.sha256


def report_file(store: Store, exam: int, delivery: int) -> tuple[str, str]:
    """Path in the archive and SOP Instance UID of a report that an exam owes or gave. Raises NotFound."""
    statement = (
        sa.select(t.outbox.c.path, t.outbox.c.sop_instance_uid)
        .join(t.results, t.results.c.id == t.outbox.c.result_id)
        .where(t.outbox.c.id == delivery, t.results.c.exam_id == exam)
    )
    with store.read() as tx:
        row = tx.execute(statement).first()
    if row is None:
        raise NotFound(f"Exam {exam} has no report {delivery}.")
    return row.path, row.sop_instance_uid


def exam_of_alert(store: Store, number: int) -> int:
    """The exam of an alert's newest film. Raises NotFound."""
    exam = listings.alert(store, number)["exam"]
    if exam is None:
        raise NotFound(f"The film of alert {number} is gone.")
    return int(exam)


def _document(store: Store, number: int) -> dict[str, Any] | None:
    current = sa.and_(t.results.c.exam_id == number, t.results.c.current)
    with store.read() as tx:
        found: dict[str, Any] | None = tx.execute(sa.select(t.results.c.document).where(current)).scalar()
    return found


def _film(site: Site, number: int, document: Mapping[str, Any] | None) -> FilmView:
    refused = (document or {}).get("refusal") or {}
    size = None if refused.get("code") in _WITHOUT_PICTURE else _size(site, number)
    if document is None:
        return FilmView(size=size, landmarks=(), rois=())
    landmarks = document["landmarks"] or refused.get("landmarks") or ()
    return FilmView(size=size, landmarks=landmarks, rois=document["rois"])


def _size(site: Site, number: int) -> tuple[int, int] | None:
    with contextlib.suppress(ScreeningNodeError):
        path, _ = film_file(site.store, number)
        return stored_size(site.archive.existing(path))
    return None


def _chart(site: Site, exam: Mapping[str, Any], document: Mapping[str, Any] | None) -> EstimateChart | None:
    if document is None or not exam["estimates"]:
        return None
    table = site.config.reference
    used = document["model"]["reference"] == f"{table.name} {table.version}"
    calibrated = all(finding.get("calibrated", False) for finding in document["findings"])
    return estimate_chart(exam["estimates"], sex=exam["sex"], reference=table if used else None, calibrated=calibrated)


def _viewer_url(template: str | None, exam: Mapping[str, Any]) -> str | None:
    """The link into the PACS's viewer; values are quoted, since headers come from outside."""
    if template is None:
        return None
    values = {key: quote(exam[key] or "", safe="") for key in ("study_instance_uid", "accession_number")}
    for key, value in values.items():
        template = template.replace("{" + key + "}", value)
    return template
