"""A job's first row, written where its exam becomes complete; all that happens to it later is the queue's."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from screening_node.store.sql import insert_if_absent
from screening_node.store.tables import jobs
from screening_node.store.wakeups import Topic, announce


def insert_job(tx: sa.Connection, exam_id: int, *, priority: int, now: dt.datetime) -> int | None:
    """Ask for an exam to be judged; None where that is asked already and not yet done."""
    job = insert_if_absent(
        tx,
        jobs,
        exam_id=exam_id,
        state="queued",
        priority=priority,
        attempt=0,
        failures=0,
        interruptions=0,
        not_before=now,
        requested_at=now,
    )
    if job is None:
        return None
    announce(tx, Topic.JOBS)
    return int(job)
