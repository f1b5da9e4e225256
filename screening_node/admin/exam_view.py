"""All that one page says of an exam: film, estimates, alert, other films of the patient, time line, audit."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from screening_node.admin import listings
from screening_node.admin.figures import EstimateChart, estimate_chart
from screening_node.admin.site import Site
from screening_node.domain.result import RefusalCode
from screening_node.errors import NotFound, ScreeningNodeError
from screening_node.imaging.display import stored_size
from screening_node.store import tables as t
from screening_node.store.session import Store

#: Films refused so have no pixels that anybody could look at.
_WITHOUT_PICTURE = frozenset(
    {RefusalCode.NO_PIXELS, RefusalCode.PIXELS_UNREADABLE, RefusalCode.PIXEL_FORMAT, RefusalCode.TOO_LARGE}
)
_MOST_OTHER_FILMS = 50
_MOST_AUDIT_ROWS = 50


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A step of an exam's way; ``after`` is the seconds since the one before."""

    at: dt.datetime
    what: str
    after: float | None


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
    others: Sequence[Mapping[str, Any]]
    moments: Sequence[Moment]
    audit: Sequence[Mapping[str, Any]]
    viewer_url: str | None


def view(site: Site, number: int) -> ExamView:
    """An exam with all that belongs to it. Raises NotFound."""
    exam = listings.exam(site.store, number)
    document = _document(site.store, number)
    alert = None if exam["alert"] is None else listings.alert(site.store, exam["alert"])
    return ExamView(
        exam=exam,
        model=None if document is None else document["model"],
        film=_film(site, number, document),
        chart=_chart(site, exam, document),
        alert=alert,
        others=_other_films(site.store, number),
        moments=_moments(site.store, exam),
        audit=_audit(site.store, exam),
        viewer_url=_viewer_url(site.config.viewer_url, exam),
    )


def film_file(store: Store, number: int) -> tuple[str, str]:
    """Path in the archive and SHA-256 of an exam's first instance. Raises NotFound."""
    statement = sa.select(t.instances.c.path, t.instances.c.sha256).where(t.instances.c.exam_id == number)
    with store.read() as tx:
        row = tx.execute(statement.order_by(t.instances.c.id).limit(1)).first()
    if row is None:
        raise NotFound(f"There is no film of exam {number}.")
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
    return estimate_chart(exam["estimates"], sex=exam["sex"], reference=table if used else None)


def _other_films(store: Store, number: int) -> list[listings.Row]:
    """The same patient's other films, the newest first."""
    same = sa.select(t.exams.c.patient_key).where(t.exams.c.id == number).scalar_subquery()
    statement = (
        listings.select_exams()
        .add_columns(t.results.c.lowest_t, t.results.c.lowest_vertebra)
        .where(t.exams.c.patient_key == same, t.exams.c.id != number)
        .order_by(t.exams.c.study_date.desc(), t.exams.c.id.desc())
        .limit(_MOST_OTHER_FILMS)
    )
    return listings.rows(store, statement)


def _moments(store: Store, exam: Mapping[str, Any]) -> list[Moment]:
    requested = sa.select(t.jobs.c.requested_at).where(t.jobs.c.exam_id == exam["id"]).order_by(t.jobs.c.id)
    with store.read() as tx:
        queued = list(tx.execute(requested).scalars())
    steps = [(_time(exam["received_at"]), f"received from {exam['calling_ae']}")]
    steps += [(at, "queued" if number == 0 else "queued again") for number, at in enumerate(queued)]
    if exam["judged_at"] is not None:
        said = "refused" if exam["refusal"] else "judged"
        steps.append((_time(exam["judged_at"]), f"{said}, revision {exam['revision']}"))
    for row in exam["deliveries"]:
        if row["delivered_at"] is not None:
            steps.append((_time(row["delivered_at"]), f"{row['kind']} delivered to {row['destination']}"))
    steps.sort(key=lambda step: step[0])
    times = [None, *(at for at, _ in steps)]
    return [
        Moment(at=at, what=what, after=None if before is None else (at - before).total_seconds())
        for (at, what), before in zip(steps, times, strict=False)
    ]


def _time(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def _audit(store: Store, exam: Mapping[str, Any]) -> list[listings.Row]:
    subjects = [f"exam {exam['id']}", *(f"delivery {row['id']}" for row in exam["deliveries"])]
    if exam["alert"] is not None:
        subjects.append(f"alert {exam['alert']}")
    statement = sa.select(t.audit).where(t.audit.c.subject.in_(subjects)).order_by(t.audit.c.id.desc())
    return listings.rows(store, statement.limit(_MOST_AUDIT_ROWS))


def _viewer_url(template: str | None, exam: Mapping[str, Any]) -> str | None:
    """The link into the PACS's viewer; values are quoted, since headers come from outside."""
    if template is None:
        return None
    values = {key: quote(exam[key] or "", safe="") for key in ("study_instance_uid", "accession_number")}
    for key, value in values.items():
        template = template.replace("{" + key + "}", value)
    return template
