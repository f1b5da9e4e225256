"""What films are sent to when the intake is measured: the node's own, DCMTK's storescp, Orthanc.

For ``ingest.py``, which puts the tests' helpers on the path.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any

import psutil
from integration import peers

from screening_node.imaging.header import patient_of
from screening_node.intake.scp import IntakeConfig, run_intake
from screening_node.pathways.registry import route
from screening_node.store.archive import Archive
from screening_node.store.session import Store

#: What a DCMTK receiver needs to be fast: no Nagle delay, large socket buffers.
NO_DELAY = {"TCP_NODELAY": "1", "TCP_BUFFER_LENGTH": "131072"}
OURS = "ours"
PDU = 131072


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """A running receiver: where it listens and the process that it is (with its children)."""

    port: int
    process: psutil.Process


@contextlib.contextmanager
def storescp(folder: Path, *options: str, environment: dict[str, str] | None = None) -> Iterator[Receiver]:
    """DCMTK's storescp; a child for each association."""
    store = folder / "store"
    store.mkdir()
    port = peers.free_port()
    command = [peers.require("storescp", "dcmtk"), "--fork", "-od", str(store), *options, str(port)]
    with _program(command, port, environment or {}) as process:
        yield Receiver(port=port, process=process)


@contextlib.contextmanager
def orthanc(folder: Path, tuned: bool) -> Iterator[Receiver]:
    """Orthanc with its own database in ``folder``."""
    port = peers.free_port()
    settings: dict[str, Any] = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "index"),
        "HttpPort": peers.free_port(),
        "DicomPort": port,
    }
    if tuned:
        settings |= {"MaximumPduLength": PDU, "StoreMD5ForAttachments": False, "SaveJobs": False}
    file = folder / "orthanc.json"
    file.write_text(json.dumps(settings))
    with _program([peers.require("Orthanc", "orthanc"), str(file)], port, NO_DELAY if tuned else {}) as process:
        yield Receiver(port=port, process=process)


@contextlib.contextmanager
def ours(folder: Path, processes: int) -> Iterator[Receiver]:
    """The node's intake with a database and an archive of its own, in processes of their own."""
    store = Store(f"sqlite:///{folder / 'node.db'}")
    store.migrate()
    store.close()
    port = peers.free_port()
    context = multiprocessing.get_context("spawn")
    parent = context.Process(target=_intake, args=(folder, port, processes))
    parent.start()
    assert parent.pid is not None
    try:
        peers.wait_until(lambda: (folder / "ready").exists() or not parent.is_alive())
        yield Receiver(port=port, process=psutil.Process(parent.pid))
    finally:
        parent.terminate()
        parent.join()


def _intake(folder: Path, port: int, processes: int, sibling: bool = False) -> None:
    """Body of the receiving process, which starts the others where there are to be several."""
    context = multiprocessing.get_context("spawn")
    siblings = [] if sibling else [_sibling(context, folder, port, processes) for _ in range(processes - 1)]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    store = Store(f"sqlite:///{folder / 'node.db'}")
    config = IntakeConfig(ae_title="NODE", host="127.0.0.1", port=port, share_ports=processes > 1)
    ready = folder / ("sibling" if sibling else "ready")
    peers.wait_until(lambda: not siblings or (folder / "sibling").exists())
    run_intake(config, store, Archive(folder / "archive"), route, patient_of, stop, lambda _: ready.touch())
    for other in siblings:
        other.terminate()
        other.join()


def _sibling(context: SpawnContext, folder: Path, port: int, processes: int) -> SpawnProcess:
    process = context.Process(target=_intake, args=(folder, port, processes, True))
    process.start()
    return process


@contextlib.contextmanager
def _program(command: Sequence[str], port: int, environment: dict[str, str]) -> Iterator[psutil.Process]:
    null = subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=null, stdout=null, stderr=null, env=os.environ | environment)
    try:
        peers.wait_until(lambda: process.poll() is not None or peers.listens(port))
        yield psutil.Process(process.pid)
    finally:
        peers.stop(process)


RECEIVERS: dict[str, Callable[[Path, int], contextlib.AbstractContextManager[Receiver]]] = {
    OURS: ours,
    "storescp": lambda folder, _: storescp(folder),
    "storescp_best": lambda folder, _: storescp(folder, "--max-pdu", str(PDU), environment=NO_DELAY),
    "orthanc": lambda folder, _: orthanc(folder, tuned=False),
    "orthanc_tuned": lambda folder, _: orthanc(folder, tuned=True),
}
