"""An intake as a process of its own, that can be told to die where a power cut would hurt most.

    python intake_process.py DATABASE ARCHIVE PORT [CRASH]

Prints its port once it listens; PORT 0 takes a free one, any other is shared with other intakes. CRASH is "kept"
(bytes in their place, no row) or "committed" (row committed, no answer sent): the process ends there, at the first
film, without unwinding, as kill -9 would end it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from screening_node.imaging.header import patient_of
from screening_node.intake.commits import GroupedCommits
from screening_node.intake.scp import IntakeConfig, run_intake
from screening_node.pathways.registry import route
from screening_node.store.archive import Archive
from screening_node.store.records import NewInstance, Recorded
from screening_node.store.session import Store


def crash_at(point: str) -> None:
    """Put a sudden end into ``GroupedCommits.record``."""
    proper = GroupedCommits.record

    def record(self: GroupedCommits, instance: NewInstance, priority: int = 0) -> Recorded:
        if point == "committed":
            proper(self, instance, priority)
        os._exit(9)

    GroupedCommits.record = record  # type: ignore[method-assign]


def main() -> None:
    """Serve until SIGTERM."""
    database, archive, port, *rest = sys.argv[1:]
    if rest:
        crash_at(rest[0])
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    shared = int(port) > 0
    config = IntakeConfig(ae_title="NODE", host="127.0.0.1", port=int(port), min_free_bytes=0, share_ports=shared)
    store = Store(f"sqlite:///{database}")
    run_intake(config, store, Archive(Path(archive)), route, patient_of, stop, lambda at: print(at, flush=True))
    store.close()


if __name__ == "__main__":
    main()
