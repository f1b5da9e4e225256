"""An exam's way through the node, step by step with times, and every row of the audit that is about it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from screening_node.admin import listings
from screening_node.store import tables as t
from screening_node.store.session import Store

#: A film that is looked at more often than this has its older rows on the audit's own page.
MOST_AUDIT_ROWS = 500


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A step of an exam's way; ``after`` is the seconds since the one before."""

    at: dt.datetime
    what: str
    after: float | None


@dataclass(frozen=True, kw_only=True)
class TimeLine:
    """The steps in order; seconds from the arrival to the first result and to the first report that was delivered."""

    moments: tuple[Moment, ...]
    to_result: float | None
    to_delivery: float | None


def time_line(store: Store, exam: Mapping[str, Any], alert: Mapping[str, Any] | None) -> TimeLine:
    """The way of an exam (a row of ``listings.exam``) and of its alert, as far as it has come."""
    received = _time(exam["received_at"])
    results = list(_results(store, exam["id"]))
    deliveries = [
        (_time(row["delivered_at"]), f"{row['kind']} delivered to {row['destination']}")
        for row in exam["deliveries"]
        if row["delivered_at"] is not None
    ]
    steps = [(received, f"received from {exam['calling_ae']}"), *_queued(store, exam["id"]), *results, *deliveries]
    steps = sorted([*steps, *_alert_steps(alert)], key=lambda step: step[0])
    before = [None, *(at for at, _ in steps)]
    moments = tuple(
        Moment(at=at, what=what, after=None if earlier is None else (at - earlier).total_seconds())
        for (at, what), earlier in zip(steps, before, strict=False)
    )
    return TimeLine(moments=moments, to_result=_since(received, results), to_delivery=_since(received, deliveries))


def _since(begin: dt.datetime, steps: Sequence[tuple[dt.datetime, str]]) -> float | None:
    return min(((at - begin).total_seconds() for at, _ in steps), default=None)


def _queued(store: Store, exam: int) -> Iterator[tuple[dt.datetime, str]]:
    jobs = sa.select(t.jobs.c.requested_at, t.jobs.c.finished_at, t.jobs.c.state)
    with store.read() as tx:
        rows = tx.execute(jobs.where(t.jobs.c.exam_id == exam).order_by(t.jobs.c.id)).all()
    for number, row in enumerate(rows):
        yield row.requested_at, "queued" if number == 0 else "queued again"
        if row.finished_at is not None and row.state in ("dead", "cancelled"):
            yield row.finished_at, "given up: the node failed" if row.state == "dead" else "cancelled"


def _results(store: Store, exam: int) -> Iterator[tuple[dt.datetime, str]]:
    results = sa.select(t.results.c.created_at, t.results.c.revision, t.results.c.refusal_code)
    with store.read() as tx:
        rows = tx.execute(results.where(t.results.c.exam_id == exam).order_by(t.results.c.revision)).all()
    for row in rows:
        said = "refused" if row.refusal_code else "judged"
        yield row.created_at, f"{said}, result committed (revision {row.revision})"


def _alert_steps(alert: Mapping[str, Any] | None) -> Iterator[tuple[dt.datetime, str]]:
    for key, what in (("opened_at", "opened"), ("acknowledged_at", "acknowledged"), ("closed_at", "closed")):
        if alert is not None and alert[key] is not None:
            yield _time(alert[key]), f"alert {alert['number']} {what}"


def _time(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def audit_rows(store: Store, exam: Mapping[str, Any]) -> list[listings.Row]:
    """Every row of the audit about an exam, its reports, its alert and what was noted of its patient, newest first."""
    statement = sa.select(t.audit).where(t.audit.c.subject.in_(_subjects(store, exam))).order_by(t.audit.c.id.desc())
    return listings.rows(store, statement.limit(MOST_AUDIT_ROWS))


def _subjects(store: Store, exam: Mapping[str, Any]) -> Iterator[str]:
    yield f"exam {exam['id']}"
    for row in exam["deliveries"]:
        yield f"delivery {row['id']}"
        yield row["sop_instance_uid"]  # as the dispatcher names what it parks
    if exam["alert"] is not None:
        yield f"alert {exam['alert']}"
    with store.read() as tx:
        key = tx.execute(sa.select(t.exams.c.patient_key).where(t.exams.c.id == exam["id"])).scalar()
    yield f"patient {key}"
