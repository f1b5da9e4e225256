"""A worker process for tests/integration/test_queue_worker.py that dies of one film, as native code would."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence

from screening_node.queue import queue
from screening_node.queue.job import Job
from screening_node.queue.lease import utc_now
from screening_node.queue.retry import RetryRules
from screening_node.queue.worker import Worker, WorkerRules
from screening_node.store.session import Store


def main() -> None:
    """argv: database URL, owner, the exam that kills, where it kills ("prepare", "judge", or "hang" in judge)."""
    url, owner, poison, where = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    store = Store(url, busy_seconds=20.0)

    def prepare(job: Job) -> int:
        if where == "prepare" and job.exam_id == poison:
            os.kill(os.getpid(), signal.SIGSEGV)
        return job.exam_id

    def judge(batch: Sequence[tuple[Job, int]]) -> list[Exception | None]:
        if poison in [exam for _, exam in batch]:
            if where == "judge":
                os.kill(os.getpid(), signal.SIGKILL)
            if where == "hang":
                threading.Event().wait()
        for job, _ in batch:
            with store.begin() as tx:
                queue.complete(tx, job, now=utc_now())
        return [None] * len(batch)

    rules = WorkerRules(time_limit_s=1.0 if where == "hang" else 60.0, retry=RetryRules(first_delay_s=0.01))
    Worker(store, owner, prepare=prepare, judge=judge, rules=rules).run(_stop_when_empty(store))


def _stop_when_empty(store: Store) -> threading.Event:
    """Set once nothing waits or runs."""
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.1):
            with store.read() as tx:
                counted = queue.count(tx)
            if not counted["queued"] and not counted["running"]:  # type: ignore[index]
                stop.set()

    threading.Thread(target=watch, daemon=True).start()
    return stop


if __name__ == "__main__":
    main()
