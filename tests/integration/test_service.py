"""The supervisor with real child processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import service_children

from screening_node.errors import AlreadyRunning, Misconfigured, StoreUnavailable
from screening_node.service import ProcessSpec, ending, host_prefix, owner_name, serve, single_run


def until(true: Callable[[], object], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A running node with two children."""
    process = subprocess.Popen([sys.executable, service_children.__file__, str(tmp_path)])
    try:
        until(lambda: len(running(tmp_path)) == 2)
        yield process
    finally:
        process.kill()
        process.wait()


def running(folder: Path) -> set[int]:
    pids = {int(path.stem) for path in folder.glob("*.running") if path.read_text()}
    return {pid for pid in pids if alive(pid)}


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_sigterm_drains_every_child(node: subprocess.Popen[bytes], tmp_path: Path) -> None:
    children = running(tmp_path)
    node.terminate()
    assert node.wait(timeout=20) == 0
    assert {int(path.stem) for path in tmp_path.glob("*.drained")} == children
    assert not running(tmp_path)
    assert (tmp_path / "at_start").read_text() == "yes"


def test_sigint_drains_as_well(node: subprocess.Popen[bytes], tmp_path: Path) -> None:
    node.send_signal(signal.SIGINT)
    assert node.wait(timeout=20) == 0
    assert len(list(tmp_path.glob("*.drained"))) == 2


def test_kill_9_of_the_parent_ends_the_children(node: subprocess.Popen[bytes], tmp_path: Path) -> None:
    node.kill()
    node.wait()
    until(lambda: not running(tmp_path))
    with single_run(tmp_path / "node.lock"):
        pass  # the lock is free again


def test_a_dead_child_is_reported_and_replaced(node: subprocess.Popen[bytes], tmp_path: Path) -> None:
    victim = min(running(tmp_path))
    owner = (tmp_path / f"{victim}.running").read_text()
    os.kill(victim, signal.SIGKILL)
    until(lambda: victim not in running(tmp_path) and len(running(tmp_path)) == 2)
    assert (tmp_path / "deaths").read_text() == f"{owner}\n"


def test_a_second_run_on_the_same_store_says_so(node: subprocess.Popen[bytes], tmp_path: Path) -> None:
    started: list[str] = []
    with pytest.raises(AlreadyRunning, match=f"process {node.pid}.*Stop it first"):
        serve([], tmp_path / "node.lock", at_start=lambda: started.append("yes"))
    assert started == []
    assert len(running(tmp_path)) == 2


def test_a_child_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    stop = threading.Event()
    deaf = ProcessSpec(name="deaf", target=service_children.ignore_stop, args=(str(tmp_path),))

    def stop_when_running() -> None:
        until(lambda: running(tmp_path))
        stop.set()

    threading.Thread(target=stop_when_running).start()
    serve([deaf], tmp_path / "node.lock", 0.3, stop=stop)
    assert list(tmp_path.glob("*.running"))
    assert not running(tmp_path)


def test_a_misconfigured_child_ends_the_node_at_its_first_start(tmp_path: Path) -> None:
    processes = [
        ProcessSpec(name="good", target=service_children.drain, args=(str(tmp_path),)),
        ProcessSpec(name="bad", target=service_children.misconfigured),
    ]
    with pytest.raises(Misconfigured, match="The bad process cannot work"):
        serve(processes, tmp_path / "node.lock")
    assert not running(tmp_path)


def test_a_death_is_told_until_it_is_heard(tmp_path: Path) -> None:
    stop = threading.Event()
    told: list[str] = []

    def on_death(owner: str) -> None:
        told.append(owner)
        if len(told) == 1:
            raise StoreUnavailable("The store is away.")
        stop.set()

    dying = ProcessSpec(name="dying", target=service_children.die)
    serve([dying], tmp_path / "node.lock", on_death=on_death, stop=stop)
    assert len(told) >= 2
    assert told[0] == told[1]


def test_handlers_of_signals_come_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    stop = threading.Event()
    stop.set()
    serve([], tmp_path / "node.lock", stop=stop)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_lock_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="cannot be written"), single_run(tmp_path / "file" / "node.lock"):
        pass


def test_owners_begin_with_their_host() -> None:
    assert owner_name("worker", 12).startswith(host_prefix())
    assert owner_name("worker", 12) != owner_name("worker", 13)


@pytest.mark.parametrize(
    ("status", "words"), [(-9, "killed by SIGKILL"), (1, "exit status 1"), (-999, "exit status -999")]
)
def test_an_ending_in_words(status: int, words: str) -> None:
    assert ending(status) == words
