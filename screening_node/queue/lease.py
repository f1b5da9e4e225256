"""Keeps a worker's leases alive from a thread of its own, and ends a worker that hangs.

The heartbeat never shares a thread with native inference code: that may compute for longer than a lease lasts.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType

from screening_node.errors import Transient
from screening_node.queue import queue, rescue
from screening_node.queue.job import Job
from screening_node.queue.retry import RetryRules
from screening_node.store.session import Store

log = logging.getLogger(__name__)

#: Exit status of a worker that ended itself: EX_SOFTWARE of sysexits.h.
STUCK_EXIT_STATUS = 70


def utc_now() -> dt.datetime:
    """The time, aware."""
    return dt.datetime.now(dt.UTC)


def end_process() -> None:
    """End this process at once: a thread that hangs in native code can be stopped in no other way."""
    os._exit(STUCK_EXIT_STATUS)


class Leases:
    """The jobs that a worker holds. A context manager: the heartbeat runs inside it."""

    def __init__(
        self,
        store: Store,
        *,
        lease_s: float,
        time_limit_s: float,
        retry_rules: RetryRules,
        clock: Callable[[], dt.datetime] = utc_now,
        on_stuck: Callable[[], None] = end_process,
    ) -> None:
        """``time_limit_s``: how long the worker may hold jobs without finishing any before ``on_stuck``."""
        self._store = store
        self._lease_s = lease_s
        self._time_limit_s = time_limit_s
        self._retry_rules = retry_rules
        self._clock = clock
        self._on_stuck = on_stuck
        self._lock = threading.Lock()
        self._held: dict[int, Job] = {}
        self._progress = time.monotonic()
        self._rescue_from = clock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Leases:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def held(self) -> list[Job]:
        """The jobs held now."""
        with self._lock:
            return list(self._held.values())

    def hold(self, jobs: Iterable[Job]) -> None:
        """Jobs were claimed."""
        with self._lock:
            if not self._held:
                self._progress = time.monotonic()
            self._held |= {job.id: job for job in jobs}

    def drop(self, jobs: Iterable[Job]) -> None:
        """Jobs are finished, or given back."""
        with self._lock:
            for job in jobs:
                self._held.pop(job.id, None)
            self._progress = time.monotonic()

    def beat(self) -> None:
        """Extend the leases once, and take back those that others let run out."""
        now = self._clock()
        try:
            lost = queue.heartbeat(self._store, self.held, self._lease_s, now=now) if self.held else []
            if now >= self._rescue_from:
                rescue.rescue_expired(self._store, self._retry_rules, now=now)
        except Transient as error:
            # Nobody could extend a lease while the store was away: let everybody do so before any is taken back.
            self._rescue_from = self._clock() + dt.timedelta(seconds=self._lease_s)
            log.warning("No heartbeat: %s", error)
            return
        for job in lost:
            log.warning("The lease of job %d (exam %d) is lost; its work will not be committed.", job.id, job.exam_id)
        self._forget(lost)

    def _forget(self, lost: Iterable[Job]) -> None:
        with self._lock:
            for job in lost:
                if self._held.get(job.id) is job:
                    del self._held[job.id]

    def _stuck(self) -> bool:
        with self._lock:
            return bool(self._held) and time.monotonic() - self._progress > self._time_limit_s

    def _run(self) -> None:
        while not self._ended.wait(min(self._lease_s / 4, self._time_limit_s / 4)):
            if self._stuck():
                exams = [job.exam_id for job in self.held]
                log.critical(
                    "No film was finished for %.0f s; the worker ends itself. Exams: %s", self._time_limit_s, exams
                )
                self._on_stuck()
            self.beat()
