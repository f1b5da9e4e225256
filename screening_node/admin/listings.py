"""What an admin sees, as JSON-ready rows: the shapes that docs/operations.md promises to scripts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from screening_node.domain.exam import Patient
from screening_node.errors import NotFound, Permanent
from screening_node.store import alarms, outbox
from screening_node.store import tables as t
from screening_node.store.session import Store

Row = dict[str, Any]

_ALERT = {
    "number": t.alarms.c.number,
    "state": t.alarms.c.state,
    "category": t.alarms.c.category,
    "lowest_t_score": t.alarms.c.lowest_t,
    "lowest_vertebra": t.alarms.c.lowest_vertebra,
    "patient_id": t.exams.c.patient_id,
    "issuer": t.exams.c.issuer,
    "patient_name": t.exams.c.patient_name,
    "sex": t.exams.c.sex,
    "age": t.exams.c.age,
    "accession_number": t.exams.c.accession_number,
    "study_date": t.alarms.c.study_date,
    "exam": t.exams.c.id,
    "opened_at": t.alarms.c.opened_at,
    "updated_at": t.alarms.c.updated_at,
    "acknowledged_by": t.alarms.c.acknowledged_by,
    "acknowledged_at": t.alarms.c.acknowledged_at,
    "closed_at": t.alarms.c.closed_at,
    "comment": t.alarms.c.comment,
    "modality": t.exams.c.modality,
    "bundle": t.results.c.bundle,
    "assigned_to": t.alarms.c.assigned_to,
    "closed_by": t.alarms.c.closed_by,
    "outcome": t.alarms.c.outcome,
    "dxa_date": t.alarms.c.dxa_date,
    "dxa_t_score": t.alarms.c.dxa_t_score,
    "version": t.alarms.c.version,
    "confidence": t.alarms.c.confidence,
    "calling_ae": t.exams.c.calling_ae,
    "scanner": t.exams.c.scanner,
}
ALERT_KEYS = tuple(_ALERT)

_OTHER_JOBS = t.jobs.alias("other_jobs")
_NEWEST_JOB = (
    sa.select(sa.func.max(_OTHER_JOBS.c.id))
    .where(_OTHER_JOBS.c.exam_id == t.exams.c.id)
    .correlate(t.exams)
    .scalar_subquery()
)
#: An exam's state in an admin's words, from its newest job and its current result.
EXAM_STATE = sa.case(
    (sa.not_(t.exams.c.complete), "incomplete"),
    (t.jobs.c.state == "queued", "waiting"),
    (t.jobs.c.state == "running", "running"),
    (t.jobs.c.state == "dead", "failed"),
    (t.jobs.c.state == "cancelled", "cancelled"),
    (t.results.c.refusal_code.is_not(None), "refused"),
    else_="judged",
)
EXAM_STATES = ("incomplete", "waiting", "running", "failed", "cancelled", "refused", "judged")
_EXAM = {
    "id": t.exams.c.id,
    "state": EXAM_STATE,
    "pathway": t.exams.c.pathway,
    "key": t.exams.c.key,
    "patient_id": t.exams.c.patient_id,
    "issuer": t.exams.c.issuer,
    "patient_name": t.exams.c.patient_name,
    "sex": t.exams.c.sex,
    "age": t.exams.c.age,
    "accession_number": t.exams.c.accession_number,
    "study_instance_uid": t.exams.c.study_instance_uid,
    "study_date": t.exams.c.study_date,
    "modality": t.exams.c.modality,
    "calling_ae": t.exams.c.calling_ae,
    "received_at": t.exams.c.received_at,
    "judged_at": t.results.c.created_at,
    "category": t.results.c.category,
    "refusal": t.results.c.refusal_code,
    "refusal_text": t.results.c.refusal_text,
    "alarm_status": t.results.c.alarm_status,
    "alarm_reason": t.results.c.alarm_reason,
    "alert": t.results.c.alarm,
    "bundle": t.results.c.bundle,
    "revision": t.results.c.revision,
    "tries": t.jobs.c.attempt,
    "error": t.jobs.c.error,
    "scanner": t.exams.c.scanner,
}


def alerts(store: Store, *, state: str | None = None, limit: int | None = 100) -> list[Row]:
    """The alarms, the newest first."""
    _known(state, tuple(alarms.AlarmState), "alerts")
    statement = select_alerts().order_by(t.alarms.c.number.desc()).limit(limit)
    return rows(store, statement if state is None else statement.where(t.alarms.c.state == state))


def alert(store: Store, number: int) -> Row:
    """One alarm and the films behind it. Raises NotFound."""
    found = rows(store, select_alerts().where(t.alarms.c.number == number))
    if not found:
        raise NotFound(f"There is no alert {number}.", fix="List them: screening-node alerts list.")
    films = select_exams().where(t.results.c.alarm == number).order_by(t.exams.c.id)
    return {**found[0], "films": [_chosen(film, _FILM_KEYS) for film in rows(store, films)]}


_FILM_KEYS = ("id", "study_date", "category", "alarm_status", "accession_number", "bundle")


def exams(store: Store, *, state: str | None = None, limit: int | None = 100) -> list[Row]:
    """The exams, the newest first."""
    _known(state, EXAM_STATES, "exams")
    statement = select_exams().order_by(t.exams.c.id.desc()).limit(limit)
    return rows(store, statement if state is None else statement.where(EXAM_STATE.in_([state])))


def exam(store: Store, number: int) -> Row:
    """One exam: its instances, estimates and deliveries, and the limits of use. Raises NotFound."""
    found = rows(store, select_exams().where(t.exams.c.id == number))
    if not found:
        raise NotFound(f"There is no exam {number}.", fix="List them: screening-node exams list.")
    estimates = sa.select(
        t.estimates.c.vertebra,
        t.estimates.c.bmd,
        t.estimates.c.sd,
        t.estimates.c.t_score,
        t.estimates.c.threshold,
        t.estimates.c.below,
    ).join(t.results, t.results.c.id == t.estimates.c.result_id)
    instances = sa.select(
        t.instances.c.sop_instance_uid,
        t.instances.c.sop_class_uid,
        t.instances.c.sha256,
        t.instances.c.size,
        t.instances.c.removed_at,
    )
    current = sa.and_(t.results.c.exam_id == number, t.results.c.current)
    documents = rows(store, sa.select(t.results.c.document).where(current))
    return {
        **found[0],
        "instances": rows(store, instances.where(t.instances.c.exam_id == number)),
        "estimates": rows(store, estimates.where(current).order_by(t.estimates.c.vertebra)),
        "deliveries": deliveries(store, exam=number, limit=None),
        "limits_of_use": documents[0]["document"]["model"]["limits_of_use"] if documents else None,
    }


def deliveries(
    store: Store,
    *,
    state: str | None = None,
    destination: str | None = None,
    exam: int | None = None,
    limit: int | None = 100,
) -> list[Row]:
    """The deliveries, the newest first; those of notifications have no exam."""
    _known(state, tuple(outbox.DeliveryState), "deliveries")
    statement = sa.select(
        t.outbox.c.id,
        t.results.c.exam_id.label("exam"),
        t.outbox.c.destination,
        t.outbox.c.kind,
        t.outbox.c.state,
        t.outbox.c.attempt,
        t.outbox.c.not_before,
        t.outbox.c.error,
        t.outbox.c.created_at,
        t.outbox.c.delivered_at,
        t.outbox.c.sop_class_uid,
        t.outbox.c.sop_instance_uid,
    ).outerjoin(t.results, t.results.c.id == t.outbox.c.result_id)
    wanted = ((t.outbox.c.state, state), (t.outbox.c.destination, destination), (t.results.c.exam_id, exam))
    for column, value in wanted:
        statement = statement if value is None else statement.where(column == value)
    return rows(store, statement.order_by(t.outbox.c.id.desc()).limit(limit))


def audit(store: Store, *, limit: int | None = 100) -> list[Row]:
    """Who did what, the newest first."""
    return rows(store, sa.select(t.audit).order_by(t.audit.c.id.desc()).limit(limit))


def refused_associations(store: Store, *, since: dt.datetime) -> int:
    """How many refusals at the door were written down since; only the audit's newest 10000 rows are looked at."""
    newest = sa.select(t.audit.c.action, t.audit.c.at).order_by(t.audit.c.id.desc()).limit(10_000).subquery()
    wanted = sa.and_(newest.c.action == "association.refused", newest.c.at >= since)
    with store.read() as tx:
        return int(tx.execute(sa.select(sa.func.count()).where(wanted).select_from(newest)).scalar_one())


def patient_key(store: Store, patient_id: str, issuer: str | None) -> tuple[str, bool]:
    """The key of the patient with this ID, and whether any film of theirs has come in.

    Without an issuer it is the one patient of that ID; Permanent where films name several issuers.
    """
    statement = sa.select(t.exams.c.patient_key, t.exams.c.issuer).where(t.exams.c.patient_id == patient_id).distinct()
    with store.read() as tx:
        known = tx.execute(statement if issuer is None else statement.where(t.exams.c.issuer == issuer)).all()
    if len(known) > 1:
        raise Permanent("Films of several issuers carry this patient ID.", fix="Name one with --issuer.")
    if known:
        return known[0].patient_key, True
    who = Patient(patient_id=patient_id, issuer=issuer, name=None, birth_date=None, sex=None, age=None)
    return alarms.patient_key(who, ""), False


def select_alerts() -> sa.Select[Any]:
    """Alarms with the patient as their newest film names them."""
    return (
        sa.select(*(column.label(key) for key, column in _ALERT.items()))
        .select_from(t.alarms)
        .outerjoin(t.results, t.results.c.id == t.alarms.c.result_id)
        .outerjoin(t.exams, t.exams.c.id == t.results.c.exam_id)
    )


def select_exams() -> sa.Select[Any]:
    """Exams with their newest job and their current result."""
    return (
        sa.select(*(column.label(key) for key, column in _EXAM.items()))
        .select_from(t.exams)
        .outerjoin(t.jobs, t.jobs.c.id == _NEWEST_JOB)
        .outerjoin(t.results, sa.and_(t.results.c.exam_id == t.exams.c.id, t.results.c.current))
    )


def _known(state: str | None, states: tuple[str, ...], what: str) -> None:
    if state is not None and state not in states:
        raise NotFound(f"No {what} are ever {state}.", fix=f"Use one of: {', '.join(states)}.")


def rows(store: Store, statement: sa.Select[Any]) -> list[Row]:
    """The rows of a statement, JSON-ready."""
    with store.read() as tx:
        return [{key: plain(value) for key, value in row._mapping.items()} for row in tx.execute(statement)]


def plain(value: Any) -> Any:
    """Dates and times as ISO 8601; times in UTC."""
    return value.isoformat() if isinstance(value, dt.date | dt.datetime) else value


def _chosen(row: Mapping[str, Any], keys: tuple[str, ...]) -> Row:
    return {key: row[key] for key in keys}
