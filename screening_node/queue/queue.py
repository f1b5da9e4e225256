"""The jobs table as a queue. Every function that takes ``tx`` works inside the caller's transaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from screening_node.errors import IllegalTransition, LeaseLost, NotFound
from screening_node.queue.job import Job, JobEvent, JobState
from screening_node.queue.retry import Dead, Retry
from screening_node.store.jobs import insert_job
from screening_node.store.session import Store
from screening_node.store.tables import instances, jobs
from screening_node.store.wakeups import Topic, announce

_COLUMNS = tuple(jobs.c[field.name] for field in fields(Job))


def enqueue(tx: sa.Connection, exam_id: int, *, priority: int = 0, now: dt.datetime) -> int | None:
    """Ask for an exam to be judged; None where that is asked already and not yet done."""
    return insert_job(tx, exam_id, priority=priority, now=now)


def get(tx: sa.Connection, job_id: int) -> Job:
    """Read a job. Raises NotFound."""
    row = tx.execute(sa.select(*_COLUMNS).where(jobs.c.id == job_id)).first()
    if row is None:
        raise NotFound(f"There is no job {job_id}.")
    return _as_job(row)


def of_exam(tx: sa.Connection, exam_id: int) -> Job | None:
    """The newest job of an exam."""
    newest = sa.select(*_COLUMNS).where(jobs.c.exam_id == exam_id).order_by(jobs.c.id.desc()).limit(1)
    row = tx.execute(newest).first()
    return None if row is None else _as_job(row)


def claim(store: Store, owner: str, limit: int, lease_s: float, *, now: dt.datetime, busy: bool = False) -> list[Job]:
    """Take up to ``limit`` due jobs, by priority and age.

    A suspect job (see ``Job.suspect``) is taken alone, and only by a worker that holds no other job; a ``busy``
    worker that meets one gets nothing more until it has finished what it holds.
    """
    with store.read() as tx:
        if tx.execute(sa.select(jobs.c.id).where(_due(now)).limit(1)).first() is None:
            return []  # a poll of an empty queue takes no write lock
    with store.begin() as tx:
        due = sa.select(*_COLUMNS).where(_due(now)).order_by(jobs.c.priority.desc(), jobs.c.id).limit(limit)
        rows = tx.execute(due.with_for_update(skip_locked=True)).all()
        taken = _together([_as_job(row) for row in rows], busy)
        deadline = now + dt.timedelta(seconds=lease_s)
        claimed = [job.after(JobEvent.CLAIM, attempt=job.attempt + 1, owner=owner, deadline=deadline) for job in taken]
        for job in claimed:
            _write(tx, job)
        return claimed


def heartbeat(store: Store, held: Sequence[Job], lease_s: float, *, now: dt.datetime) -> list[Job]:
    """Extend the leases of jobs; returns those that are held no more, whose work is in vain."""
    lost = []
    with store.begin() as tx:
        for job in held:
            values = {"deadline": now + dt.timedelta(seconds=lease_s)}
            if not tx.execute(jobs.update().where(_held_as(job)).values(**values)).rowcount:
                lost.append(job)
    return lost


def complete(tx: sa.Connection, job: Job, *, now: dt.datetime) -> Job:
    """End a job in the transaction that writes its result. Raises LeaseLost, which undoes that transaction."""
    done = job.after(JobEvent.COMPLETE, owner=None, deadline=None, finished_at=now, error=None)
    return _leave(tx, job, done)


def fail(tx: sa.Connection, job: Job, decision: Retry | Dead, *, now: dt.datetime) -> Job:
    """Carry out what ``retry`` decided. Raises LeaseLost."""
    counters: dict[str, Any] = {"failures": decision.failures, "interruptions": decision.interruptions}
    given_up: dict[str, Any] = {"owner": None, "deadline": None, "error": decision.reason}
    if isinstance(decision, Dead):
        return _leave(tx, job, job.after(JobEvent.BURY, **counters, **given_up, finished_at=now))
    not_before = now + dt.timedelta(seconds=decision.after_s)
    return _leave(tx, job, job.after(JobEvent.POSTPONE, **counters, **given_up, not_before=not_before))


def release(tx: sa.Connection, job: Job, *, now: dt.datetime) -> Job:
    """Give a job back unjudged; nothing is held against the film. Raises LeaseLost."""
    announce(tx, Topic.JOBS)
    return _leave(tx, job, job.after(JobEvent.RELEASE, owner=None, deadline=None, not_before=now))


def retry(tx: sa.Connection, job_id: int, *, now: dt.datetime) -> Job:
    """Give a dead job a new set of tries. Raises NotFound or IllegalTransition."""
    job = _locked(tx, job_id)
    fresh = job.after(JobEvent.REVIVE, failures=0, interruptions=0, not_before=now, finished_at=None, error=None)
    _write(tx, fresh)
    announce(tx, Topic.JOBS)
    return fresh


def cancel(tx: sa.Connection, job_id: int, *, now: dt.datetime) -> Job:
    """Drop a job that waits or is dead. Raises NotFound or IllegalTransition."""
    cancelled = _locked(tx, job_id).after(JobEvent.CANCEL, finished_at=now)
    _write(tx, cancelled)
    return cancelled


def retry_exam(tx: sa.Connection, exam_id: int, *, now: dt.datetime) -> int:
    """Judge an exam again: revive its dead job, or ask anew where it was judged. Returns the job's number.

    Raises NotFound where there is no such exam or it is not complete yet, IllegalTransition where a job waits or
    runs already, or the film is gone.
    """
    job = of_exam(tx, exam_id)
    if job is None:
        raise NotFound(f"Exam {exam_id} does not exist or is not complete yet.")
    if (removed_at := _film_removed_at(tx, exam_id)) is not None:
        raise IllegalTransition(
            f"The film of exam {exam_id} was removed by the rule of retention on {removed_at:%Y-%m-%d}.",
            fix="Send it to the node once more; then it can be judged again.",
        )
    if job.state is JobState.DEAD:
        return retry(tx, job.id, now=now).id
    made = enqueue(tx, exam_id, priority=job.priority, now=now)
    if made is None:
        raise IllegalTransition(f"Exam {exam_id} is {job.state} already.", fix="Wait until it is judged.")
    return made


def _film_removed_at(tx: sa.Connection, exam_id: int) -> dt.datetime | None:
    gone = sa.select(sa.func.max(instances.c.removed_at)).where(instances.c.exam_id == exam_id)
    return tx.execute(gone).scalar()


def held_by(tx: sa.Connection, owner_prefix: str) -> list[Job]:
    """The running jobs of owners whose names begin so, locked for this transaction."""
    return _running(tx, jobs.c.owner.startswith(owner_prefix, autoescape=True))


def expired(tx: sa.Connection, now: dt.datetime) -> list[Job]:
    """The running jobs whose lease has run out, locked for this transaction."""
    return _running(tx, jobs.c.deadline <= now)


def any_expired(tx: sa.Connection, now: dt.datetime) -> bool:
    """Whether a lease has run out; cheap, for polling."""
    late = sa.select(jobs.c.id).where(jobs.c.state == JobState.RUNNING, jobs.c.deadline <= now).limit(1)
    return tx.execute(late).first() is not None


def count(tx: sa.Connection) -> dict[JobState, int]:
    """How many jobs stand where; states without jobs are 0."""
    rows = tx.execute(sa.select(jobs.c.state, sa.func.count()).group_by(jobs.c.state)).all()
    return dict.fromkeys(JobState, 0) | {JobState(state): int(number) for state, number in rows}


def _together(due: list[Job], busy: bool) -> list[Job]:
    """Those of the due jobs, in order, that may be held at once."""
    if due and due[0].suspect:
        return [] if busy else due[:1]
    clean = []
    for job in due:
        if job.suspect:
            break
        clean.append(job)
    return clean


def _running(tx: sa.Connection, which: sa.ColumnElement[bool]) -> list[Job]:
    statement = sa.select(*_COLUMNS).where(jobs.c.state == JobState.RUNNING, which).order_by(jobs.c.id)
    return [_as_job(row) for row in tx.execute(statement.with_for_update(skip_locked=True))]


def _locked(tx: sa.Connection, job_id: int) -> Job:
    tx.execute(sa.select(jobs.c.id).where(jobs.c.id == job_id).with_for_update()).all()
    return get(tx, job_id)


def _due(now: dt.datetime) -> sa.ColumnElement[bool]:
    return sa.and_(jobs.c.state == JobState.QUEUED, jobs.c.not_before <= now)


def _held_as(job: Job) -> sa.ColumnElement[bool]:
    return sa.and_(
        jobs.c.id == job.id,
        jobs.c.state == JobState.RUNNING,
        jobs.c.owner == job.owner,
        jobs.c.attempt == job.attempt,
    )


def _leave(tx: sa.Connection, job: Job, after: Job) -> Job:
    if not tx.execute(jobs.update().where(_held_as(job)).values(**_values(after))).rowcount:
        raise LeaseLost(f"Job {job.id} is held by another worker, or ended.")
    return after


def _write(tx: sa.Connection, job: Job) -> None:
    tx.execute(jobs.update().where(jobs.c.id == job.id).values(**_values(job)))


def _values(job: Job) -> dict[str, Any]:
    return {field.name: getattr(job, field.name) for field in fields(Job) if field.name != "id"}


def _as_job(row: sa.Row[Any]) -> Job:
    values = dict(row._mapping)
    return Job(**{**values, "state": JobState(values["state"])})
