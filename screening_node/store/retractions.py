"""What follows where a report turns out wrong: its alarm is taken back, or its film comes again with another header.

Both end in a new judgement of the films concerned, asked for in the transaction that changes the rows. The worker
writes the new reports: a report is only ever made from a film, in one place.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from screening_node.domain.alarm import Retraction
from screening_node.domain.result import ScreeningResult
from screening_node.errors import NotFound
from screening_node.store import alarms
from screening_node.store import tables as t
from screening_node.store.alarms import AlarmState, Outcome
from screening_node.store.jobs import insert_job

#: Who is named where nobody decided.
NODE = "node"


def retract(
    tx: sa.Connection, number: int, *, by: str, reason: str, now: dt.datetime, version: int | None = None
) -> list[int]:
    """Take an alarm back and have its films judged again; their exams' numbers.

    Films that the rule of retention has removed are none of them: nothing new can be reported of those. Raises
    NotFound, IllegalTransition or ChangedMeanwhile, as ``alarms.retract``.
    """
    key = tx.execute(sa.select(t.alarms.c.patient_key).where(t.alarms.c.number == number)).scalar()
    if key is None:
        raise NotFound(f"There is no alert {number}.", fix="List them: screening-node alerts list.")
    alarms.lock_patient(tx, key)  # a film of the patient that is just being committed decides again
    alarms.retract(tx, number, by=by, reason=reason, now=now, version=version)
    removed = sa.select(t.instances.c.id).where(
        t.instances.c.exam_id == t.results.c.exam_id, t.instances.c.removed_at.is_not(None)
    )
    films = sa.select(t.results.c.exam_id).where(t.results.c.alarm == number, t.results.c.current, ~removed.exists())
    exams = [int(exam) for exam in tx.execute(films.order_by(t.results.c.exam_id)).scalars()]
    for exam in exams:
        insert_job(tx, exam, priority=0, now=now)
    return exams


def of_film(tx: sa.Connection, exam_id: int, patient_key: str) -> Retraction | None:
    """The newest alarm of the film's patient that the film raised and that was taken back."""
    row = tx.execute(
        sa.select(t.alarms.c.number, t.alarms.c.comment)
        .join(t.results, t.results.c.alarm == t.alarms.c.number)
        .where(
            t.results.c.exam_id == exam_id,
            t.alarms.c.patient_key == patient_key,
            t.alarms.c.outcome == Outcome.RETRACTED,
        )
        .order_by(t.alarms.c.number.desc())
        .limit(1)
    ).first()
    return None if row is None else Retraction(alarm=row.number, reason=row.comment or "")


def let_go(tx: sa.Connection, exam_id: int, *, now: dt.datetime) -> None:
    """The film turned out to be of another patient: the alarm that it raised does not stand for it any more.

    Where other films of the patient stand behind the alarm, it says what the newest of those says; else it is closed
    as retracted.
    """
    mine = sa.select(t.results.c.alarm).where(t.results.c.exam_id == exam_id, t.results.c.current)
    number = tx.execute(mine).scalar()
    if number is None:
        return
    others = (
        sa.select(t.results.c.id, t.results.c.document, t.exams.c.study_date, t.exams.c.received_at)
        .join(t.exams, t.exams.c.id == t.results.c.exam_id)
        .where(t.results.c.alarm == number, t.results.c.current, t.results.c.exam_id != exam_id)
    )
    rows = tx.execute(others).all()
    if rows:
        newest = max(rows, key=lambda row: (row.study_date or row.received_at.date(), row.id))
        result = ScreeningResult.from_dict(newest.document)
        alarms.say_again(tx, number, newest.id, result, newest.study_date or newest.received_at.date(), now)
        return
    tx.execute(
        t.alarms.update()
        .where(t.alarms.c.number == number)
        .values(
            state=AlarmState.CLOSED,
            outcome=Outcome.RETRACTED,
            closed_at=now,
            closed_by=NODE,
            comment="The film turned out to be of another patient.",
            updated_at=now,
            version=t.alarms.c.version + 1,
        )
    )
