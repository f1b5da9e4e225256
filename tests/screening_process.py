"""A worker process for tests/integration/test_queue_kill.py: the real worker and screening, a scripted pathway."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from scripted import REFERENCE, THRESHOLDS, ScriptedPathway, WritingReporter

from screening_node.queue.retry import RetryRules
from screening_node.queue.worker import Worker, WorkerRules
from screening_node.reporting.kinds import ObjectSet
from screening_node.screening import Screening
from screening_node.store.archive import Archive
from screening_node.store.session import Store


def main() -> None:
    """argv: the folder of node.db and archive, and the owner's name. Runs until it is killed."""
    folder, owner = Path(sys.argv[1]), sys.argv[2]
    store, archive = Store(f"sqlite:///{folder / 'node.db'}", busy_seconds=20.0), Archive(folder / "archive")
    screening = Screening(
        pathways={"chest_film": ScriptedPathway()},
        reference=REFERENCE,
        thresholds=THRESHOLDS,
        store=store,
        archive=archive,
        reporter=WritingReporter(),
        destinations={"pacs": ObjectSet(), "other": ObjectSet()},
        report_refusals=True,
        window_months=12,
    )
    rules = WorkerRules(retry=RetryRules(first_delay_s=0.01))
    worker = Worker(store, owner, prepare=screening.prepare, judge=screening.judge, rules=rules)
    worker.run(threading.Event())


if __name__ == "__main__":
    main()
