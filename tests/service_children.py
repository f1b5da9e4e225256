"""Processes for tests/integration/test_service.py: spawned children import their target from a module."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

from screening_node.errors import Misconfigured
from screening_node.service import ProcessSpec, serve


def drain(stop: threading.Event, owner: str, folder: str) -> None:
    """Say who runs, then wait for the end and say that it came in order."""
    own = Path(folder) / f"{os.getpid()}.running"
    own.write_text(owner)
    stop.wait()
    (Path(folder) / f"{os.getpid()}.drained").write_text(owner)


def ignore_stop(stop: threading.Event, owner: str, folder: str) -> None:
    (Path(folder) / f"{os.getpid()}.running").write_text(owner)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(1)


def die(stop: threading.Event, owner: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def misconfigured(stop: threading.Event, owner: str) -> None:
    raise Misconfigured("The port is taken.", fix="Take another.")


def main() -> None:
    """A node of its own: argv is the folder of its files."""
    folder = sys.argv[1]
    serve(
        [ProcessSpec(name=name, target=drain, args=(folder,)) for name in ("one", "two")],
        Path(folder) / "node.lock",
        5.0,
        at_start=lambda: (Path(folder) / "at_start").write_text("yes") and None,
        on_death=lambda owner: (Path(folder) / "deaths").open("a").write(owner + "\n") and None,
    )


if __name__ == "__main__":
    main()
