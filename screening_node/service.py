"""Which processes run on this host, and how they stop.

    serve          holds the store's lock; starts the others, restarts those that die, stops all on SIGTERM or SIGINT
      |- intake    each a process of its own (spawned, so that nothing is shared but the store):
      |- worker    a film that kills the worker does not touch the intake
      `- delivery

A child stops when it is told (SIGTERM: it drains), and ends at once when ``serve`` is gone, so that a new run
never meets the old one's children.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from screening_node import __version__
from screening_node.errors import AlreadyRunning, Misconfigured, ScreeningNodeError

log = logging.getLogger(__name__)

#: Exit status of a child whose configuration cannot work: EX_CONFIG of sysexits.h.
MISCONFIGURED_EXIT_STATUS = 78
#: Exit status of a child whose parent is gone.
ORPHANED_EXIT_STATUS = 75
_LOOK_EVERY_S = 0.2
_LONGEST_DELAY_S = 30.0
#: A child that ran for so long was well; its next death is not one more of a series.
_WELL_AFTER_S = 60.0

Target = Callable[..., None]


@dataclass(frozen=True, kw_only=True)
class ProcessSpec:
    """A process to keep running: ``target(stop, owner, *args)``, a function of a module, with picklable arguments.

    The target works until the ``threading.Event`` is set, and signs what it holds in the store with ``owner``.
    """

    name: str
    target: Target
    args: tuple[Any, ...] = ()


def host_prefix() -> str:
    """What the names of all owners on this host begin with."""
    return f"{socket.gethostname()}/"


def owner_name(name: str, pid: int) -> str:
    """How a process signs its leases."""
    return f"{host_prefix()}{name}/{pid}"


def serve(
    processes: Sequence[ProcessSpec],
    lock_path: Path,
    stop_seconds: float = 10.0,
    *,
    at_start: Callable[[], None] = lambda: None,
    on_death: Callable[[str], None] = lambda owner: None,
    stop: threading.Event | None = None,
) -> None:
    """Run the processes until SIGTERM or SIGINT (or ``stop``); to be called on the main thread.

    ``at_start`` runs once the lock is held and nothing else runs: migrations, rescue, sweeping. ``on_death`` gets
    the owner name of each child that died, again and again until it raises no ScreeningNodeError. Raises
    AlreadyRunning, or Misconfigured where a child says at its first start that it cannot work.
    """
    stop = stop or threading.Event()
    with single_run(lock_path), _signals(stop):
        at_start()
        _Supervisor(processes, stop_seconds, on_death).run(stop)


@contextlib.contextmanager
def single_run(lock_path: Path) -> Iterator[None]:
    """Hold the lock that only one node on a store can have; the kernel frees it when the process ends, however.

    Raises AlreadyRunning, or Misconfigured where the lock file cannot be made.
    """
    try:
        lock_path.parent.mkdir(parents=True, exist_ok=True)
        file = lock_path.open("a+")
    except OSError as error:
        raise Misconfigured(
            f"The lock file {lock_path} cannot be written: {error.strerror}.",
            fix="Give the node's user the right to write that folder.",
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            who = file.read().strip()
            raise AlreadyRunning(
                f"Another node{f' (process {who})' if who else ''} works on this store already; it holds {lock_path}.",
                fix="Stop it first, or give this one a [store] of its own.",
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()}, version {__version__}\n")
        file.flush()
        yield
        file.truncate(0)


@contextlib.contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    """SIGTERM and SIGINT set ``stop``; the former handlers come back afterwards."""
    wanted = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in wanted}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass
class _Child:
    """One kept process: what runs now, and how its earlier runs went."""

    spec: ProcessSpec
    process: SpawnProcess | None = None
    started_at: float = 0.0
    starts: int = 0
    deaths_in_a_row: int = 0
    start_at: float = field(default_factory=time.monotonic)

    @property
    def owner(self) -> str:
        assert self.process is not None
        assert self.process.pid is not None
        return owner_name(self.spec.name, self.process.pid)


class _Supervisor:
    """Starts, watches and stops children; all on one thread."""

    def __init__(self, processes: Sequence[ProcessSpec], stop_seconds: float, on_death: Callable[[str], None]) -> None:
        self._children = [_Child(spec=spec) for spec in processes]
        self._stop_seconds = stop_seconds
        self._on_death = on_death
        self._untold: list[str] = []
        self._context = multiprocessing.get_context("spawn")

    def run(self, stop: threading.Event) -> None:
        try:
            while not stop.is_set():
                for child in self._children:
                    self._look_after(child)
                self._untold = [owner for owner in self._untold if not self._tell(owner)]
                self._wait_for_a_death()
        finally:
            self._stop_all()

    def _look_after(self, child: _Child) -> None:
        if child.process is not None and not child.process.is_alive():
            self._bury(child)
        if child.process is None and time.monotonic() >= child.start_at:
            self._start(child)

    def _start(self, child: _Child) -> None:
        spec = child.spec
        process = self._context.Process(target=run_child, name=spec.name, args=(spec.name, spec.target, spec.args))
        process.start()
        child.process, child.started_at = process, time.monotonic()
        child.starts += 1
        log.info("Started %s as process %d.", spec.name, process.pid)

    def _bury(self, child: _Child) -> None:
        assert child.process is not None
        status, owner = child.process.exitcode, child.owner
        child.process.close()
        child.process = None
        if status == MISCONFIGURED_EXIT_STATUS and child.starts == 1:
            raise Misconfigured(
                f"The {child.spec.name} process cannot work as configured.", fix="Its message in the log says why."
            )
        ran_well = time.monotonic() - child.started_at > _WELL_AFTER_S
        child.deaths_in_a_row = 1 if ran_well else child.deaths_in_a_row + 1
        delay = min(_LONGEST_DELAY_S, 0.25 * 2.0 ** min(child.deaths_in_a_row - 1, 10))
        child.start_at = time.monotonic() + delay
        log.error("The %s process ended (%s); another starts in %.1f s.", child.spec.name, ending(status), delay)
        self._untold.append(owner)

    def _tell(self, owner: str) -> bool:
        """Whether ``on_death`` has taken note; it may fail while the store is away, and is asked again."""
        try:
            self._on_death(owner)
        except ScreeningNodeError as error:
            log.warning("What %s held is not rescued yet: %s", owner, error)
            return False
        return True

    def _wait_for_a_death(self) -> None:
        alive = [child.process.sentinel for child in self._children if child.process is not None]
        if alive:
            connection.wait(alive, timeout=_LOOK_EVERY_S)
        else:
            time.sleep(_LOOK_EVERY_S)

    def _stop_all(self) -> None:
        running = [child.process for child in self._children if child.process is not None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + self._stop_seconds
        for process in running:
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                log.warning("The %s process does not stop; it is killed.", process.name)
                process.kill()
                process.join()
            process.close()


def ending(status: int | None) -> str:
    """An exit status in words."""
    if status is not None and status < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-status).name}"
    return f"exit status {status}"


def run_child(name: str, target: Target, args: tuple[Any, ...]) -> None:
    """A child's life, in the child: run the target until SIGTERM; end at once when the parent is gone."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent passes it on in order
    threading.Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()
    try:
        target(stop, owner_name(name, os.getpid()), *args)
    except Misconfigured as error:
        log.error("%s", error)
        sys.exit(MISCONFIGURED_EXIT_STATUS)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(ORPHANED_EXIT_STATUS)
