"""The alarms of patients, as rows. Whether there is to be one is decided in ``domain/alarm.py``.

open -> acknowledged -> closed          (open -> closed, too)
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from screening_node.domain.alarm import AlarmDecision, AlarmStep, KnownAlarm, PatientFacts
from screening_node.domain.exam import Patient
from screening_node.domain.result import ScreeningResult
from screening_node.errors import IllegalTransition, NotFound
from screening_node.store.sql import insert, insert_if_absent
from screening_node.store.tables import alarms, patients


class AlarmState(StrEnum):
    """What people have done about an alarm."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"


def patient_key(patient: Patient, study_instance_uid: str) -> str:
    """Who a patient is, as a hash that may stand in logs.

    Issuer and patient ID decide; a film without an ID is a patient of its own study, never merged with others.
    """
    who = ["study", study_instance_uid] if not patient.patient_id else ["patient", patient.issuer, patient.patient_id]
    return hashlib.sha256(json.dumps(who).encode()).hexdigest()[:40]


def ensure_patient(tx: sa.Connection, key: str, now: dt.datetime) -> None:
    """A row for the patient, without facts, unless there is one."""
    insert_if_absent(tx, patients, patient_key=key, diagnosed=False, updated_at=now)


def lock_patient(tx: sa.Connection, key: str) -> None:
    """Hold other workers off this patient's alarms until the transaction ends (SQLite has one writer anyway)."""
    tx.execute(sa.select(patients.c.patient_key).where(patients.c.patient_key == key).with_for_update()).all()


def facts_of(tx: sa.Connection, key: str) -> PatientFacts:
    """What the site has told the node about the patient."""
    row = tx.execute(sa.select(patients).where(patients.c.patient_key == key)).first()
    return PatientFacts() if row is None else PatientFacts(diagnosed=row.diagnosed, last_dxa=row.last_dxa)


def set_facts(tx: sa.Connection, key: str, facts: PatientFacts, now: dt.datetime) -> None:
    """Record what the site knows. Raises NotFound for a patient of whom nothing ever came in."""
    statement = patients.update().where(patients.c.patient_key == key)
    if not tx.execute(statement.values(diagnosed=facts.diagnosed, last_dxa=facts.last_dxa, updated_at=now)).rowcount:
        raise NotFound("No film of this patient has come in.", fix="Check patient ID and issuer.")


def known_alarms(tx: sa.Connection, key: str) -> list[KnownAlarm]:
    """Every alarm that the patient ever had, in any state."""
    rows = tx.execute(
        sa.select(alarms.c.number, alarms.c.study_date).where(alarms.c.patient_key == key).order_by(alarms.c.number)
    )
    return [KnownAlarm(number=row.number, study_date=row.study_date) for row in rows]


def apply(
    tx: sa.Connection,
    decision: AlarmDecision,
    *,
    key: str,
    result: ScreeningResult,
    study_date: dt.date,
    now: dt.datetime,
) -> int | None:
    """Take the decided step; the number of the alarm that stands for the film, or None. Then call ``link``."""
    if decision.step is AlarmStep.OPEN:
        return insert(
            tx,
            alarms,
            patient_key=key,
            state=AlarmState.OPEN,
            opened_at=now,
            **_what_it_says(result, study_date, now),
        )
    if decision.step is AlarmStep.UPDATE:
        newer = sa.and_(alarms.c.number == decision.alarm, alarms.c.study_date <= study_date)
        tx.execute(alarms.update().where(newer).values(**_what_it_says(result, study_date, now)))
        return decision.alarm
    return None


def link(tx: sa.Connection, number: int, result_id: int, study_date: dt.date) -> None:
    """Let the alarm name the result of its newest film."""
    newest = sa.and_(alarms.c.number == number, alarms.c.study_date == study_date)
    tx.execute(alarms.update().where(newest).values(result_id=result_id))


def acknowledge(tx: sa.Connection, number: int, *, by: str, comment: str | None, now: dt.datetime) -> None:
    """Somebody has seen an open alarm. Raises NotFound or IllegalTransition."""
    values = {"acknowledged_by": by, "acknowledged_at": now, "comment": comment}
    _leave(tx, number, (AlarmState.OPEN,), AlarmState.ACKNOWLEDGED, **values)


def close(tx: sa.Connection, number: int, *, comment: str | None, now: dt.datetime) -> None:
    """Nothing is left to do about an alarm. Raises NotFound or IllegalTransition."""
    kept = {} if comment is None else {"comment": comment}
    _leave(tx, number, (AlarmState.OPEN, AlarmState.ACKNOWLEDGED), AlarmState.CLOSED, closed_at=now, **kept)


def _leave(tx: sa.Connection, number: int, before: tuple[AlarmState, ...], after: AlarmState, **values: Any) -> None:
    fitting = sa.and_(alarms.c.number == number, alarms.c.state.in_(before))
    if tx.execute(alarms.update().where(fitting).values(state=after, **values)).rowcount:
        return
    state = tx.execute(sa.select(alarms.c.state).where(alarms.c.number == number)).scalar()
    if state is None:
        raise NotFound(f"There is no alert {number}.", fix="List them: screening-node alerts list.")
    raise IllegalTransition(f"Alert {number} is {state} already.")


def _what_it_says(result: ScreeningResult, study_date: dt.date, now: dt.datetime) -> dict[str, Any]:
    lowest = result.lowest
    assert lowest is not None  # decide() opens and updates only where a vertebra lies below its threshold
    assert result.category is not None
    return {
        "category": result.category,
        "lowest_t": lowest.t_score,
        "lowest_vertebra": lowest.vertebra,
        "study_date": study_date,
        "updated_at": now,
    }
