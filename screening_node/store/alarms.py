"""The alarms of patients, as rows. Whether there is to be one is decided in ``domain/alarm.py``.

open -> acknowledged -> closed          (open -> closed, too)

A retracted alarm is closed with that outcome (``retractions.py``): it stands for nothing any more.
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
from screening_node.errors import ChangedMeanwhile, IllegalTransition, NotFound
from screening_node.store.sql import insert, insert_if_absent
from screening_node.store.tables import alarms, patients


class AlarmState(StrEnum):
    """What people have done about an alarm."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"


class Outcome(StrEnum):
    """How an alarm ended: what DXA said of the patient, or why there was none."""

    DXA_OSTEOPOROSIS = "dxa-osteoporosis"
    DXA_OSTEOPENIA = "dxa-osteopenia"
    DXA_NORMAL = "dxa-normal"
    DISMISSED = "dismissed"
    RETRACTED = "retracted"  # by a way of its own: it has consequences


#: What somebody who closes an alarm may choose from.
CLOSING_OUTCOMES = tuple(outcome for outcome in Outcome if outcome is not Outcome.RETRACTED)


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


def note_dxa(tx: sa.Connection, number: int, date: dt.date, now: dt.datetime) -> None:
    """Record the date of a DXA that an alarm led to, unless a later one is known already."""
    whose = sa.select(alarms.c.patient_key).where(alarms.c.number == number).scalar_subquery()
    older = sa.or_(patients.c.last_dxa.is_(None), patients.c.last_dxa < date)
    tx.execute(patients.update().where(patients.c.patient_key == whose, older).values(last_dxa=date, updated_at=now))


def known_alarms(tx: sa.Connection, key: str) -> list[KnownAlarm]:
    """Every alarm that the patient ever had, in any state, but for those that were taken back."""
    standing = sa.or_(alarms.c.outcome.is_(None), alarms.c.outcome != Outcome.RETRACTED)
    rows = tx.execute(
        sa.select(alarms.c.number, alarms.c.study_date)
        .where(alarms.c.patient_key == key, standing)
        .order_by(alarms.c.number)
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
        said = _what_it_says(result, study_date, now)
        tx.execute(alarms.update().where(newer).values(version=alarms.c.version + 1, **said))
        return decision.alarm
    return decision.alarm if decision.step is AlarmStep.RETRACT else None


def link(tx: sa.Connection, number: int, result_id: int, study_date: dt.date) -> None:
    """Let the alarm name the result of its newest film."""
    newest = sa.and_(alarms.c.number == number, alarms.c.study_date == study_date)
    tx.execute(alarms.update().where(newest).values(result_id=result_id))


def say_again(
    tx: sa.Connection, number: int, result_id: int, result: ScreeningResult, study_date: dt.date, now: dt.datetime
) -> None:
    """Let an alarm say what another of its films says, because the one that it spoke of is no film of the patient."""
    said = _what_it_says(result, study_date, now)
    changed = alarms.update().where(alarms.c.number == number)
    tx.execute(changed.values(version=alarms.c.version + 1, result_id=result_id, **said))


def acknowledge(
    tx: sa.Connection, number: int, *, by: str, comment: str | None, now: dt.datetime, version: int | None = None
) -> None:
    """Somebody has seen an open alarm. Raises NotFound, IllegalTransition or ChangedMeanwhile."""
    values: dict[str, Any] = {"acknowledged_by": by, "acknowledged_at": now}
    if comment is not None:
        values["comment"] = comment
    _leave(tx, number, (AlarmState.OPEN,), AlarmState.ACKNOWLEDGED, version, **values)


def close(
    tx: sa.Connection,
    number: int,
    *,
    by: str | None = None,
    comment: str | None,
    now: dt.datetime,
    version: int | None = None,
    outcome: Outcome | None = None,
    dxa_date: dt.date | None = None,
    dxa_t_score: float | None = None,
) -> None:
    """Nothing is left to do about an alarm. Raises NotFound, IllegalTransition or ChangedMeanwhile."""
    values: dict[str, Any] = {"closed_at": now, "closed_by": by, "outcome": outcome}
    values |= {"dxa_date": dxa_date, "dxa_t_score": dxa_t_score}
    if comment is not None:
        values["comment"] = comment
    _leave(tx, number, (AlarmState.OPEN, AlarmState.ACKNOWLEDGED), AlarmState.CLOSED, version, **values)


def retract(
    tx: sa.Connection, number: int, *, by: str, reason: str, now: dt.datetime, version: int | None = None
) -> None:
    """Take an alarm back, whatever its state. Raises NotFound, IllegalTransition or ChangedMeanwhile.

    The reports on its films are not touched: see ``retractions.retract``.
    """
    whose = sa.select(alarms.c.outcome).where(alarms.c.number == number).with_for_update()
    if tx.execute(whose).scalar() == Outcome.RETRACTED:
        raise IllegalTransition(f"Alert {number} is retracted already.")
    values = {"closed_at": now, "closed_by": by, "outcome": Outcome.RETRACTED, "comment": reason, "updated_at": now}
    _leave(tx, number, tuple(AlarmState), AlarmState.CLOSED, version, **values)


def annotate(tx: sa.Connection, number: int, *, version: int | None, **values: str | None) -> None:
    """Change ``comment`` or ``assigned_to`` in any state. Raises NotFound or ChangedMeanwhile."""
    _leave(tx, number, tuple(AlarmState), None, version, **values)


def _leave(
    tx: sa.Connection,
    number: int,
    before: tuple[AlarmState, ...],
    after: AlarmState | None,
    version: int | None,
    **values: Any,
) -> None:
    """Change an alarm that is in one of the states ``before``; ``version`` is what the caller has seen of it."""
    fitting = sa.and_(alarms.c.number == number, alarms.c.state.in_(before))
    if version is not None:
        fitting = sa.and_(fitting, alarms.c.version == version)
    if after is not None:
        values["state"] = after
    if tx.execute(alarms.update().where(fitting).values(version=alarms.c.version + 1, **values)).rowcount:
        return
    row = tx.execute(sa.select(alarms.c.state, alarms.c.version).where(alarms.c.number == number)).first()
    if row is None:
        raise NotFound(f"There is no alert {number}.", fix="List them: screening-node alerts list.")
    if version is not None and row.version != version:
        raise ChangedMeanwhile(
            f"Alert {number} was changed meanwhile; it is {row.state} now. Nothing of yours was written.",
            fix="Look at it again, then decide.",
        )
    raise IllegalTransition(f"Alert {number} is {row.state} already.")


def _what_it_says(result: ScreeningResult, study_date: dt.date, now: dt.datetime) -> dict[str, Any]:
    lowest = result.lowest
    assert lowest is not None  # decide() opens and updates only where a vertebra lies below its threshold
    assert result.category is not None
    return {
        "category": result.category,
        "lowest_t": lowest.t_score,
        "lowest_vertebra": lowest.vertebra,
        "confidence": result.confidence,
        "study_date": study_date,
        "updated_at": now,
    }
