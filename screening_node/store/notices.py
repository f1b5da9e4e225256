"""What people have been told: each alarm, each dead letter, each trouble once.

A notice stands until it ends; only troubles ever do. Of one subject no two stand at a time, whichever of several
hosts was first. Subjects name numbers and destinations, never a patient.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from screening_node.errors import ChangedMeanwhile
from screening_node.store.outbox import DeliveryState
from screening_node.store.sql import insert_if_absent
from screening_node.store.tables import alarms, jobs, notices, outbox


class NoticeKind(StrEnum):
    """What a notice is about."""

    ALARM = "alarm"
    DEAD_LETTER = "dead-letter"
    TROUBLE = "trouble"


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """Something to tell: its name, and since when it is so."""

    name: str
    began_at: dt.datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class NewAlarm:
    """An alarm that nobody was told of."""

    number: int
    subject: Subject


@dataclass(frozen=True, kw_only=True, slots=True)
class FailedFilm:
    """An exam whose newest job is dead, and that nobody was told of."""

    exam: int
    subject: Subject


@dataclass(frozen=True, kw_only=True, slots=True)
class ParkedReport:
    """A report that waits for a person, and that nobody was told of."""

    delivery: int
    destination: str
    subject: Subject


def new_alarms(tx: sa.Connection, since: dt.datetime) -> list[NewAlarm]:
    """The alarms opened since some time, without a notice."""
    subject = sa.literal("alarm/").concat(sa.cast(alarms.c.number, sa.Text))
    statement = (
        sa.select(alarms.c.number, alarms.c.opened_at, subject.label("subject"))
        .where(alarms.c.opened_at >= since, ~_standing(subject))
        .order_by(alarms.c.number)
    )
    return [
        NewAlarm(number=row.number, subject=Subject(name=row.subject, began_at=row.opened_at))
        for row in tx.execute(statement)
    ]


def failed_films(tx: sa.Connection, state: str) -> list[FailedFilm]:
    """The exams whose newest job is in ``state`` (dead), each time that it died."""
    later = jobs.alias("later")
    redone = sa.exists().where(later.c.exam_id == jobs.c.exam_id, later.c.id > jobs.c.id)
    subject = _numbered("job/", jobs.c.id, jobs.c.attempt)
    statement = (
        sa.select(jobs.c.exam_id, sa.func.coalesce(jobs.c.finished_at, jobs.c.not_before), subject)
        .where(jobs.c.state == state, ~redone, ~_standing(subject))
        .order_by(jobs.c.id)
    )
    return [
        FailedFilm(exam=exam, subject=Subject(name=name, began_at=when)) for exam, when, name in tx.execute(statement)
    ]


def parked_reports(tx: sa.Connection) -> list[ParkedReport]:
    """The reports that are parked, each time that they were; notifications are left out, or they would breed."""
    subject = _numbered("delivery/", outbox.c.id, outbox.c.attempt)
    statement = (
        sa.select(outbox.c.id, outbox.c.destination, outbox.c.not_before, subject)
        .where(outbox.c.state == DeliveryState.PARKED, outbox.c.result_id.is_not(None), ~_standing(subject))
        .order_by(outbox.c.id)
    )
    return [
        ParkedReport(delivery=number, destination=name, subject=Subject(name=said, began_at=when))
        for number, name, when, said in tx.execute(statement)
    ]


def standing(tx: sa.Connection, kind: NoticeKind) -> set[str]:
    """The subjects of a kind that were told of and are not over."""
    which = sa.and_(notices.c.kind == kind, notices.c.ended_at.is_(None))
    return set(tx.execute(sa.select(notices.c.subject).where(which)).scalars())


def newest_beginning(tx: sa.Connection, kind: NoticeKind) -> dt.datetime | None:
    """When the newest thing of a kind began that was told of."""
    return tx.execute(sa.select(sa.func.max(notices.c.began_at)).where(notices.c.kind == kind)).scalar()


def last_told(tx: sa.Connection, kind: NoticeKind) -> dt.datetime | None:
    """When something of a kind was last told."""
    return tx.execute(sa.select(sa.func.max(notices.c.told_at)).where(notices.c.kind == kind)).scalar()


def tell(tx: sa.Connection, kind: NoticeKind, subjects: Iterable[Subject], now: dt.datetime) -> None:
    """Write down that people are told. Raises ChangedMeanwhile where another process was first."""
    for subject in subjects:
        row = {"kind": kind, "subject": subject.name, "began_at": subject.began_at, "told_at": now}
        if insert_if_absent(tx, notices, **row, ended_at=None) is None:
            raise ChangedMeanwhile(f"{subject.name} was told of by another process.")


def end(tx: sa.Connection, subjects: Collection[str], now: dt.datetime) -> None:
    """Write down that it is over. Raises ChangedMeanwhile where another process was first."""
    over = sa.and_(notices.c.subject.in_(subjects), notices.c.ended_at.is_(None))
    if tx.execute(notices.update().where(over).values(ended_at=now)).rowcount != len(subjects):
        raise ChangedMeanwhile("The end was told of by another process.")


def _numbered(prefix: str, number: sa.Column[int], attempt: sa.Column[int]) -> sa.ColumnElement[str]:
    """Such as "job/17/3": the same row dies anew with another attempt."""
    return (
        sa.literal(prefix)
        .concat(sa.cast(number, sa.Text))
        .concat(sa.literal("/"))
        .concat(sa.cast(attempt, sa.Text))
        .label("subject")
    )


def _standing(subject: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    element = subject.element if isinstance(subject, sa.Label) else subject
    return sa.exists().where(notices.c.subject == element, notices.c.ended_at.is_(None))
