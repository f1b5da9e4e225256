"""Jobs whose worker is no more, put back or buried.

Three ways to know that a worker is gone: its lease ran out (another host's worker, or one that hangs); the
supervisor saw it die; or this node has just started, so that nobody of its last run can be alive.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable

import sqlalchemy as sa

from screening_node.queue import queue, retry
from screening_node.queue.job import Job, Tried
from screening_node.queue.retry import Dead, Retry, RetryRules
from screening_node.store.session import Store

log = logging.getLogger(__name__)

DIED = "The worker process died while it judged this film."
EXPIRED = "The worker gave no sign of life while it judged this film."
NODE_ENDED = "The node was ended, or lost power, while it judged this film."

_Decide = Callable[[Tried, str, RetryRules], Retry | Dead]


def rescue_expired(store: Store, rules: RetryRules, *, now: dt.datetime) -> int:
    """Take back the jobs whose lease ran out; returns how many."""
    with store.read() as tx:
        if not queue.any_expired(tx, now):
            return 0
    with store.begin() as tx:
        return _take_back(tx, queue.expired(tx, now), retry.after_death, EXPIRED, rules, now)


def rescue_owner(store: Store, owner: str, rules: RetryRules, *, now: dt.datetime) -> int:
    """Take back what a worker held that is known to have died; returns how many."""
    with store.begin() as tx:
        held = [job for job in queue.held_by(tx, owner) if job.owner == owner]
        return _take_back(tx, held, retry.after_death, DIED, rules, now)


def rescue_left_behind(store: Store, owner_prefix: str, rules: RetryRules, *, now: dt.datetime) -> int:
    """At start, before any worker runs: take back what this host's last run still held; returns how many."""
    with store.begin() as tx:
        return _take_back(tx, queue.held_by(tx, owner_prefix), retry.after_interruption, NODE_ENDED, rules, now)


def _take_back(
    tx: sa.Connection, held: list[Job], decide: _Decide, reason: str, rules: RetryRules, now: dt.datetime
) -> int:
    for job in held:
        decision = decide(job.tried, reason, rules)
        queue.fail(tx, job, decision, now=now)
        log.warning("Job %d of exam %d taken back (%s): %s", job.id, job.exam_id, type(decision).__name__, reason)
    return len(held)
