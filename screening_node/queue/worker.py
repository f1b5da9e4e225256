"""The worker's loop: claim, decode ahead on threads, judge in batches on this thread, settle what failed.

It knows nothing of films. ``prepare(job)`` and ``judge([(job, prepared), ...])`` come from above; ``judge``
completes each job in the transaction that writes its result, and answers with one error or None a job.

    claim ---> prepare (threads) ---> judge (this thread) ---> next batch, which was prepared meanwhile
"""

from __future__ import annotations

import datetime as dt
import functools
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import sqlalchemy as sa

from screening_node.errors import LeaseLost, ScreeningNodeError, Transient
from screening_node.queue import queue, retry
from screening_node.queue.job import Job
from screening_node.queue.lease import Leases, end_process, utc_now
from screening_node.queue.retry import RetryRules
from screening_node.store.session import Store
from screening_node.store.wakeups import LOOK_ANYWAY_S, Topic, one_bell

log = logging.getLogger(__name__)

PreparedT = TypeVar("PreparedT")
Judge = Callable[[Sequence[tuple[Job, PreparedT]]], Sequence[Exception | None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerRules:
    """How a worker works. At most two batches are decoded at any time, which bounds its memory."""

    batch_size: int = 4
    decoders: int = 2
    lease_s: float = 60.0
    poll_s: float = 0.1
    #: How often it looks without having been called, where the database announces new jobs.
    look_anyway_s: float = LOOK_ANYWAY_S
    #: After so long without one finished film the worker ends itself; its supervisor starts another.
    time_limit_s: float = 600.0
    retry: RetryRules = field(default_factory=RetryRules)


@dataclass(frozen=True, slots=True)
class _Ahead(Generic[PreparedT]):
    """A claimed job and its preparation, under way or done."""

    job: Job
    prepared: Future[PreparedT]


class Worker(Generic[PreparedT]):
    """One worker, on one thread, with a few beside it for decoding and the heartbeat."""

    def __init__(
        self,
        store: Store,
        owner: str,
        *,
        prepare: Callable[[Job], PreparedT],
        judge: Judge[PreparedT],
        rules: WorkerRules,
        clock: Callable[[], dt.datetime] = utc_now,
        on_stuck: Callable[[], None] = end_process,
    ) -> None:
        """``owner`` names this worker in leases: no two live workers may share it."""
        self._store = store
        self._owner = owner
        self._prepare = prepare
        self._judge = judge
        self._rules = rules
        self._clock = clock
        self._on_stuck = on_stuck

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set; then finish the batch at hand and give back the rest, uncounted."""
        leases = Leases(
            self._store,
            lease_s=self._rules.lease_s,
            time_limit_s=self._rules.time_limit_s,
            retry_rules=self._rules.retry,
            clock=self._clock,
            on_stuck=self._on_stuck,
        )
        bell_of_jobs = one_bell(self._store, Topic.JOBS, look_anyway_s=self._rules.look_anyway_s)
        with (
            leases,
            bell_of_jobs as bell,
            ThreadPoolExecutor(self._rules.decoders, thread_name_prefix="decoder") as pool,
        ):
            batch: list[_Ahead[PreparedT]] = []
            while not stop.is_set():
                if not batch:
                    batch = self._claim(leases, pool)
                if not batch:
                    bell.wait(stop, self._rules.poll_s)
                    continue
                following = self._claim(leases, pool)  # is decoded while this thread computes
                self._work(batch, leases, stop)
                batch = following
            self._give_back(batch, leases, stop)

    def _claim(self, leases: Leases, pool: ThreadPoolExecutor) -> list[_Ahead[PreparedT]]:
        held = leases.held
        if any(job.suspect for job in held):
            return []
        try:
            jobs = queue.claim(
                self._store,
                self._owner,
                self._rules.batch_size,
                self._rules.lease_s,
                now=self._clock(),
                busy=bool(held),
            )
        except Transient as error:
            log.warning("No job can be claimed: %s", error)
            return []
        leases.hold(jobs)
        return [_Ahead(job, pool.submit(self._prepare, job)) for job in jobs]

    def _work(self, batch: list[_Ahead[PreparedT]], leases: Leases, stop: threading.Event) -> None:
        """Judge one batch and settle each of its jobs."""
        ready: list[tuple[Job, PreparedT]] = []
        for ahead in batch:
            error = ahead.prepared.exception()
            if error is None:
                ready.append((ahead.job, ahead.prepared.result()))
            else:
                self._settle(ahead.job, error, leases, stop)
        batch.clear()  # frees the decoded pixels of those that failed
        for (job, _), outcome in zip(ready, self._outcomes(ready), strict=True):
            self._settle(job, outcome, leases, stop)

    def _outcomes(self, ready: Sequence[tuple[Job, PreparedT]]) -> Sequence[BaseException | None]:
        if not ready:
            return []
        try:
            return self._judge(ready)
        except Exception as error:
            return [error] * len(ready)

    def _settle(self, job: Job, error: BaseException | None, leases: Leases, stop: threading.Event) -> None:
        if error is not None and not isinstance(error, LeaseLost):
            decision = retry.decide(job.tried, error, self._rules.retry)
            log.warning(
                "Job %d of exam %d failed (%s): %s", job.id, job.exam_id, type(decision).__name__, decision.reason
            )
            if not isinstance(error, ScreeningNodeError):
                log.error("%s", retry.where(error))
            self._persist(functools.partial(queue.fail, job=job, decision=decision, now=self._clock()), stop)
        leases.drop([job])

    def _give_back(self, batch: list[_Ahead[PreparedT]], leases: Leases, stop: threading.Event) -> None:
        for ahead in batch:
            ahead.prepared.cancel()
            self._persist(functools.partial(queue.release, job=ahead.job, now=self._clock()), stop)
            leases.drop([ahead.job])

    def _persist(self, change: Callable[[sa.Connection], object], stop: threading.Event) -> None:
        """Write a change, waiting for the store if need be; on the way out the lease's end does it for us."""
        while True:
            try:
                with self._store.begin() as tx:
                    change(tx)
                return
            except LeaseLost as error:
                log.warning("%s", error)
                return
            except Transient as error:
                log.warning("The store does not answer, waiting: %s", error)
                if stop.wait(1.0):
                    return
