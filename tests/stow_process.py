"""STOW-RS as a process of its own, that can be told to die where a power cut would hurt most; see intake_process.

python stow_process.py DATABASE ARCHIVE [CRASH]
"""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from intake_process import crash_at

from screening_node.imaging.header import patient_of
from screening_node.intake.files import Limits
from screening_node.intake.stow.app import StowRules
from screening_node.intake.stow.server import StowConfig, run_stow
from screening_node.pathways.registry import route
from screening_node.store.archive import Archive
from screening_node.store.session import Store


def main() -> None:
    """Serve until SIGTERM; print the port once it listens."""
    database, archive, *rest = sys.argv[1:]
    if rest:
        crash_at(rest[0])
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    config = StowConfig(host="127.0.0.1", port=0, rules=StowRules(), limits=Limits(min_free_bytes=0))
    store = Store(f"sqlite:///{database}")
    run_stow(config, store, Archive(Path(archive)), route, patient_of, stop, lambda at: print(at, flush=True))
    store.close()


if __name__ == "__main__":
    main()
