"""What befalls a node, drawn at random from a seed: each fault begins, lasts, and ends."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

from chaos.world import World

_MIB = 2**20
#: Of ten kills, how many strike each process: a worker takes long to come back, and then nothing else is tried.
_KILLED = {"intake": 4, "delivery": 2, "worker": 2, "admin": 1, "serve": 1}
Fault = Callable[[World, random.Random], contextlib.AbstractContextManager[None]]


@contextlib.contextmanager
def connections_cut(world: World, chance: random.Random) -> Iterator[None]:
    """Every open connection is reset."""
    world.wire.cut()
    yield


@contextlib.contextmanager
def wire_silent(world: World, chance: random.Random) -> Iterator[None]:
    """Nothing arrives, nothing is closed, sometimes for longer than the node waits."""
    with world.wire.silent():
        time.sleep(chance.uniform(1, 14))
        yield


@contextlib.contextmanager
def pacs_away(world: World, chance: random.Random) -> Iterator[None]:
    """The destination is gone, in mid-association if there is one."""
    world.pacs.stop()
    time.sleep(chance.uniform(1, 8))
    world.pacs.start()
    yield


@contextlib.contextmanager
def store_away(world: World, chance: random.Random) -> Iterator[None]:
    """PostgreSQL is stopped and started; SQLite is locked by somebody else."""
    if world.database is not None:
        world.database.stop()
        time.sleep(chance.uniform(0.5, 5))
        world.database.start()
    else:
        connection = sqlite3.connect(world.node.database, timeout=30, isolation_level=None)
        with contextlib.closing(connection), contextlib.suppress(sqlite3.OperationalError):
            connection.execute("begin immediate")
            time.sleep(chance.uniform(0.5, 8))
            connection.execute("rollback")
    yield


@contextlib.contextmanager
def disk_full(world: World, chance: random.Random) -> Iterator[None]:
    """Somebody else fills the disk to the last byte, in one go: the watermark cannot see it coming."""
    assert world.disk is not None
    ballast = world.disk / "ballast"
    try:
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(_MIB))
        time.sleep(chance.uniform(0.5, 4))
        yield
    finally:
        ballast.unlink(missing_ok=True)


@contextlib.contextmanager
def disk_read_only(world: World, chance: random.Random) -> Iterator[None]:
    """The archive's file system turns read-only, as file systems with errors do."""
    if not _remount(world, "ro"):
        yield  # a file is open for writing just now: the kernel declines
        return
    try:
        time.sleep(chance.uniform(0.5, 4))
        yield
    finally:
        while not _remount(world, "rw"):
            time.sleep(0.1)


@contextlib.contextmanager
def process_frozen(world: World, chance: random.Random) -> Iterator[None]:
    """A process stands still for longer than its lease, then goes on as if nothing had been."""
    pids = [pid for pid, name in world.victims().items() if name in ("worker", "delivery", "intake")]
    if pids:
        pid = chance.choice(pids)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(chance.uniform(2, 16))
            os.kill(pid, signal.SIGCONT)
    yield


def faults_of(world: World) -> list[Fault]:
    """Those that can be made here."""
    always: list[Fault] = [connections_cut, wire_silent, pacs_away, store_away, process_frozen]
    return always + ([disk_full, disk_read_only] if world.disk is not None else [])


class Trouble(threading.Thread):
    """Kills and faults one after another until so many kills are done."""

    def __init__(self, world: World, kills: int, seed: int, *, pause: float) -> None:
        super().__init__(name="trouble", daemon=True)
        self._world, self._kills, self._chance, self._pause = world, kills, random.Random(seed), pause
        self.faults: Counter[str] = Counter()
        self.ended_by: BaseException | None = None

    @property
    def killed(self) -> int:
        return sum(self._world.kills.values())

    @property
    def progress(self) -> float:
        """Share of the kills that are done, the next one included: films and blows are to fall together."""
        return min(1.0, (self.killed + 1) / max(1, self._kills))

    def run(self) -> None:
        try:
            while self.killed < self._kills:
                time.sleep(self._chance.uniform(0, 2 * self._pause))
                self._kill() if self._chance.random() < 0.7 else self._fault()
        except BaseException as error:  # told by the driver, which would otherwise wait for kills that never come
            self.ended_by = error

    def _kill(self) -> None:
        victims = self._world.victims()
        present = [name for name in _KILLED if name in victims.values()]
        if present:
            name = self._chance.choices(present, [_KILLED[one] for one in present])[0]
            self._world.kill(next(pid for pid, own in victims.items() if own == name), name)

    def _fault(self) -> None:
        fault = self._chance.choice(faults_of(self._world))
        with fault(self._world, self._chance):
            self.faults[getattr(fault, "__name__", str(fault))] += 1


def _remount(world: World, how: str) -> bool:
    command = ["mount", "-o", f"remount,{how}", str(world.disk)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
