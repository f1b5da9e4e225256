"""A film that comes again with another header: the same picture, but of another patient, order or date."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa

from screening_node.store import alarms, retractions
from screening_node.store import tables as t
from screening_node.store.jobs import insert_job
from screening_node.store.records import NewInstance, Recorded, audit


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """What is kept under a SOP Instance UID: hash of its data set, path in the archive, and whose exam it is."""

    sha256: str
    path: str
    pathway: str
    key: str


def kept(tx: sa.Connection, sop_instance_uid: str) -> Kept | None:
    """What is kept under the UID, if anything."""
    row = tx.execute(
        sa.select(t.instances.c.sha256, t.instances.c.path, t.exams.c.pathway, t.exams.c.key)
        .join(t.exams, t.exams.c.id == t.instances.c.exam_id)
        .where(t.instances.c.sop_instance_uid == sop_instance_uid)
    ).first()
    return None if row is None else Kept(**row._mapping)


def correct(tx: sa.Connection, instance: NewInstance, *, now: dt.datetime) -> Recorded:
    """Put a film with its new header in the place of the kept one, and have it judged again.

    The caller has made sure that both show the same picture, of the same study. DUPLICATE where just that is kept by
    now; CONFLICT, and nothing written, where nothing is, or where the new header makes another exam of it.
    """
    before = kept(tx, instance.sop_instance_uid)
    if before is None or (instance.exam.pathway, instance.exam.key) != (before.pathway, before.key):
        return Recorded.CONFLICT
    if before.sha256 == instance.sha256:
        return Recorded.DUPLICATE
    mine = sa.and_(t.instances.c.sop_instance_uid == instance.sop_instance_uid, t.instances.c.sha256 == before.sha256)
    changed = t.instances.update().where(mine)
    if not tx.execute(changed.values(sha256=instance.sha256, size=instance.size, path=instance.path)).rowcount:
        return Recorded.CONFLICT  # somebody was faster
    exam_id = _exam(tx, instance, now)
    insert_job(tx, exam_id, priority=0, now=now)
    audit(
        tx,
        actor=instance.calling_ae,
        action="film.corrected",
        subject=f"exam {exam_id}",
        detail={"sop_instance_uid": instance.sop_instance_uid},
        at=now,
    )
    return Recorded.CORRECTED


def _exam(tx: sa.Connection, instance: NewInstance, now: dt.datetime) -> int:
    """Let the exam say what the new header says; its number."""
    key = sa.and_(t.exams.c.pathway == instance.exam.pathway, t.exams.c.key == instance.exam.key)
    exam = tx.execute(sa.select(t.exams.c.id, t.exams.c.patient_key).where(key)).one()
    patient = instance.patient
    whose = alarms.patient_key(patient, instance.study_instance_uid)
    alarms.ensure_patient(tx, whose, now)
    for each in sorted({whose, exam.patient_key}):  # always in the same order, so that nobody waits for each other
        alarms.lock_patient(tx, each)
    if whose != exam.patient_key:
        retractions.let_go(tx, exam.id, now=now)
    values = {
        "patient_key": whose,
        "patient_id": patient.patient_id,
        "issuer": patient.issuer,
        "patient_name": patient.name,
        "birth_date": patient.birth_date,
        "sex": patient.sex,
        "age": patient.age,
        "accession_number": instance.accession_number,
        "study_date": instance.study_date,
        "modality": instance.modality,
        "scanner": instance.scanner,
        "corrected_at": now,
    }
    tx.execute(t.exams.update().where(t.exams.c.id == exam.id).values(**values))
    return int(exam.id)
