"""What is written along a film's route: the instance as it arrives, the result as it is committed, the audit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from screening_node.domain.alarm import AlarmDecision, AlarmStatus, AlarmStep
from screening_node.domain.exam import ExamKey, Patient
from screening_node.domain.result import ScreeningResult
from screening_node.errors import NotFound
from screening_node.store import alarms
from screening_node.store import outbox as outbox_rows
from screening_node.store import tables as t
from screening_node.store.jobs import insert_job
from screening_node.store.outbox import Outgoing
from screening_node.store.sql import insert, insert_if_absent


@dataclass(frozen=True, kw_only=True)
class NewInstance:
    """One received object. ``sha256`` is of the data set's bytes as received, ``path`` relative in the archive."""

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    study_instance_uid: str
    series_instance_uid: str
    sha256: str
    size: int
    path: str
    calling_ae: str
    received_at: dt.datetime
    exam: ExamKey
    patient: Patient
    accession_number: str | None
    study_date: dt.date | None
    modality: str | None
    scanner: str | None = None


class Recorded(StrEnum):
    """What became of a received object."""

    STORED = "stored"
    DUPLICATE = "duplicate"  # the same UID with the same bytes: stored once, judged once
    CONFLICT = "conflict"  # the same UID with other bytes: nothing is written
    CORRECTED = "corrected"  # the same film with another header (``corrections.py``)


def record_instance(tx: sa.Connection, instance: NewInstance, *, priority: int = 0) -> Recorded:
    """Write an instance, its exam and, when that makes the exam complete, the job to judge it."""
    if (known := _seen_before(tx, instance)) is not None:
        return known
    exam_id = _exam_for(tx, instance)
    inserted = insert_if_absent(
        tx,
        t.instances,
        exam_id=exam_id,
        sop_instance_uid=instance.sop_instance_uid,
        sop_class_uid=instance.sop_class_uid,
        transfer_syntax_uid=instance.transfer_syntax_uid,
        study_instance_uid=instance.study_instance_uid,
        series_instance_uid=instance.series_instance_uid,
        sha256=instance.sha256,
        size=instance.size,
        path=instance.path,
        calling_ae=instance.calling_ae,
        received_at=instance.received_at,
    )
    if inserted is None:  # another process received it at the same moment
        return _seen_before(tx, instance) or Recorded.CONFLICT
    if instance.exam.complete:
        tx.execute(t.exams.update().where(t.exams.c.id == exam_id).values(complete=True))
        insert_job(tx, exam_id, priority=priority, now=instance.received_at)
    return Recorded.STORED


def _seen_before(tx: sa.Connection, instance: NewInstance) -> Recorded | None:
    same = t.instances.c.sop_instance_uid == instance.sop_instance_uid
    sha256 = tx.execute(sa.select(t.instances.c.sha256).where(same)).scalar()
    if sha256 is None:
        return None
    if sha256 != instance.sha256:
        return Recorded.CONFLICT
    # The sender's bytes lie in the archive again, should the rule of retention have taken them.
    gone = sa.and_(same, t.instances.c.removed_at.is_not(None))
    tx.execute(t.instances.update().where(gone).values(removed_at=None))
    return Recorded.DUPLICATE


def _exam_for(tx: sa.Connection, instance: NewInstance) -> int:
    known = sa.select(t.exams.c.id).where(
        t.exams.c.pathway == instance.exam.pathway, t.exams.c.key == instance.exam.key
    )
    found = tx.execute(known).scalar()
    if found is not None:
        return int(found)
    patient = instance.patient
    key = alarms.patient_key(patient, instance.study_instance_uid)
    alarms.ensure_patient(tx, key, instance.received_at)
    made = insert_if_absent(
        tx,
        t.exams,
        pathway=instance.exam.pathway,
        key=instance.exam.key,
        patient_key=key,
        patient_id=patient.patient_id,
        issuer=patient.issuer,
        patient_name=patient.name,
        birth_date=patient.birth_date,
        sex=patient.sex,
        age=patient.age,
        accession_number=instance.accession_number,
        study_instance_uid=instance.study_instance_uid,
        study_date=instance.study_date,
        modality=instance.modality,
        scanner=instance.scanner,
        calling_ae=instance.calling_ae,
        complete=False,
        received_at=instance.received_at,
    )
    return int(made) if made is not None else int(tx.execute(known).scalar_one())


@dataclass(frozen=True, kw_only=True)
class Exam:
    """An exam to be judged: its files (relative in the archive, as they arrived) and its patient."""

    id: int
    pathway: str
    key: str
    patient: Patient
    patient_key: str
    study_instance_uid: str
    study_date: dt.date
    paths: tuple[str, ...]


def exam(tx: sa.Connection, exam_id: int, *, lock: bool = False) -> Exam:
    """Read an exam. A film without a study date counts as taken on the day that it arrived. Raises NotFound.

    ``lock``: no instance can join the exam until the transaction ends.
    """
    statement = sa.select(t.exams).where(t.exams.c.id == exam_id)
    row = tx.execute(statement.with_for_update() if lock else statement).first()
    if row is None:
        raise NotFound(f"There is no exam {exam_id}.", fix="List them: screening-node exams list.")
    paths = sa.select(t.instances.c.path).where(t.instances.c.exam_id == exam_id).order_by(t.instances.c.id)
    return Exam(
        id=row.id,
        pathway=row.pathway,
        key=row.key,
        patient=patient_of(row),
        patient_key=row.patient_key,
        study_instance_uid=row.study_instance_uid,
        study_date=row.study_date or row.received_at.date(),
        paths=tuple(tx.execute(paths).scalars()),
    )


def patient_of(row: Any) -> Patient:
    """The patient in a row of exams."""
    return Patient(
        patient_id=row.patient_id,
        issuer=row.issuer,
        name=row.patient_name,
        birth_date=row.birth_date,
        sex=row.sex,
        age=row.age,
    )


@dataclass(frozen=True, kw_only=True)
class CurrentResult:
    """The result that stands for an exam now, with the decision that it led to.

    ``requested_at`` is the stored time of the job that gave it; ``outdated``: the film came again since, with another
    header, so that what was said was said of other data.
    """

    id: int
    revision: int
    result: ScreeningResult
    alarm: AlarmDecision
    requested_at: dt.datetime
    outdated: bool = False

    def says(self, result: ScreeningResult, alarm: AlarmDecision) -> bool:
        """Whether a new judgement says the same; then this result and its decision stand, and are no new revision.

        The step may differ: an alarm that this very result opened is one to update when it is judged again.
        """
        return not self.outdated and self.result.sha256 == result.sha256 and self.alarm.status == alarm.status


def current_result(tx: sa.Connection, exam_id: int) -> CurrentResult | None:
    """The exam's current result, or None where it was never judged."""
    row = tx.execute(
        sa.select(t.results, t.jobs.c.requested_at, t.exams.c.corrected_at)
        .join(t.jobs, t.jobs.c.id == t.results.c.job_id)
        .join(t.exams, t.exams.c.id == t.results.c.exam_id)
        .where(t.results.c.exam_id == exam_id, t.results.c.current)
    ).first()
    if row is None:
        return None
    return CurrentResult(
        id=row.id,
        revision=row.revision,
        result=ScreeningResult.from_dict(row.document),
        alarm=AlarmDecision(
            step=AlarmStep(row.alarm_step),
            status=AlarmStatus(row.alarm_status),
            reason=row.alarm_reason,
            alarm=row.alarm if row.alarm_step in (AlarmStep.UPDATE, AlarmStep.RETRACT) else None,
        ),
        requested_at=row.requested_at,
        outdated=row.corrected_at is not None and row.corrected_at > row.created_at,
    )


def reports_of(tx: sa.Connection, exam_id: int, revision: int, kind: str) -> dict[str, tuple[str, str]]:
    """By destination, SOP Class and SOP Instance UID of the object of a kind on a revision of an exam's result."""
    rows = tx.execute(
        sa.select(t.outbox.c.destination, t.outbox.c.sop_class_uid, t.outbox.c.sop_instance_uid)
        .join(t.results, t.results.c.id == t.outbox.c.result_id)
        .where(t.results.c.exam_id == exam_id, t.results.c.revision == revision, t.outbox.c.kind == kind)
        .order_by(t.outbox.c.id)
    )
    return {row.destination: (row.sop_class_uid, row.sop_instance_uid) for row in rows}


def owed(tx: sa.Connection, result_id: int) -> frozenset[tuple[str, str]]:
    """Destination and kind of every object on a result that is owed or was given."""
    rows = tx.execute(sa.select(t.outbox.c.destination, t.outbox.c.kind).where(t.outbox.c.result_id == result_id))
    return frozenset((row.destination, row.kind) for row in rows)


def commit_result(
    tx: sa.Connection,
    *,
    exam: Exam,
    job_id: int,
    result: ScreeningResult,
    alarm: AlarmDecision,
    reports: Sequence[Outgoing],
    now: dt.datetime,
) -> int:
    """Write a result with its estimates, take the alarm's step, and owe the reports; the result's number.

    The caller's transaction also ends the job (``queue.complete``), which is what fences it.
    """
    current = current_result(tx, exam.id)
    if current is not None and current.says(result, alarm):
        result_id = current.id
    else:
        number = alarms.apply(tx, alarm, key=exam.patient_key, result=result, study_date=exam.study_date, now=now)
        result_id = _insert_result(tx, current, exam.id, job_id, result, alarm, number, now)
        if number is not None:
            alarms.link(tx, number, result_id, exam.study_date)
    for report in reports:
        outbox_rows.add(tx, result_id, report, now)
    return result_id


def _insert_result(
    tx: sa.Connection,
    current: CurrentResult | None,
    exam_id: int,
    job_id: int,
    result: ScreeningResult,
    alarm: AlarmDecision,
    number: int | None,
    now: dt.datetime,
) -> int:
    if current is not None:
        tx.execute(t.results.update().where(t.results.c.id == current.id).values(current=False))
    lowest, refusal = result.lowest, result.refusal
    result_id = insert(
        tx,
        t.results,
        exam_id=exam_id,
        revision=1 if current is None else current.revision + 1,
        current=True,
        job_id=job_id,
        refusal_code=None if refusal is None else refusal.code,
        refusal_text=None if refusal is None else refusal.text,
        category=result.category,
        crossed=result.crossed,
        lowest_t=None if lowest is None else lowest.t_score,
        lowest_vertebra=None if lowest is None else lowest.vertebra,
        alarm_step=alarm.step,
        alarm_status=alarm.status,
        alarm_reason=alarm.reason,
        alarm=number,
        bundle=result.model.bundle,
        document=result.to_dict(),
        created_at=now,
    )
    for finding in result.findings:
        tx.execute(
            t.estimates.insert().values(
                result_id=result_id,
                vertebra=finding.vertebra,
                bmd=finding.bmd,
                sd=finding.sd,
                t_score=finding.t_score,
                threshold=finding.threshold,
                below=finding.below,
            )
        )
    return result_id


def audit(
    tx: sa.Connection,
    *,
    actor: str,
    action: str,
    subject: str,
    detail: Mapping[str, Any],
    at: dt.datetime | None = None,
) -> None:
    """Add to the record of who did what. No patient's name, ID or birth date belongs in it."""
    when = at or dt.datetime.now(dt.UTC)
    insert(tx, t.audit, at=when, actor=actor, action=action, subject=subject, detail=dict(detail))
