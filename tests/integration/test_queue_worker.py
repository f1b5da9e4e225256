"""The worker's loop over a real store: batches, decoding ahead, bad films, stopping, a store that goes away."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import queue_processes
from builders import an_instance

from screening_node.errors import DiskFull, StoreUnavailable, UnreadablePixels
from screening_node.queue import queue, rescue
from screening_node.queue.job import Job, JobState
from screening_node.queue.lease import STUCK_EXIT_STATUS, utc_now
from screening_node.queue.retry import RetryRules
from screening_node.queue.worker import Worker, WorkerRules
from screening_node.store import records
from screening_node.store.session import Store

QUICK = WorkerRules(batch_size=4, poll_s=0.01, retry=RetryRules(first_delay_s=0.01))


def fill(store: Store, films: int) -> None:
    with store.begin() as tx:
        for number in range(1, films + 1):
            records.record_instance(tx, an_instance(f"1.{number}"))


def jobs(store: Store, films: int) -> list[Job]:
    with store.read() as tx:
        return [queue.get(tx, number) for number in range(1, films + 1)]


class Bench:
    """A worker whose films do as the test says, and a record of what it did."""

    def __init__(self, store: Store, rules: WorkerRules = QUICK) -> None:
        self.store = store
        self.stop = threading.Event()
        self.batches: list[list[int]] = []
        self.held = 0
        self.most_held = 0
        self.prepare_hook: Callable[[Job], None] = lambda job: None
        self.judge_hook: Callable[[list[int]], None] = lambda exams: None
        self.film_hook: Callable[[Job], None] = lambda job: None
        self.lock = threading.Lock()
        self.worker = Worker(
            store, "host/worker/1", prepare=self.prepare, judge=self.judge, rules=rules, on_stuck=self.stop.set
        )

    def prepare(self, job: Job) -> int:
        self.prepare_hook(job)
        with self.lock:
            self.held += 1
            self.most_held = max(self.most_held, self.held)
        return job.exam_id

    def judge(self, batch: Sequence[tuple[Job, int]]) -> list[Exception | None]:
        exams = [exam for _, exam in batch]
        self.batches.append(exams)
        self.judge_hook(exams)
        outcomes = [self.one(job) for job, _ in batch]
        with self.lock:
            self.held -= len(batch)
        return outcomes

    def one(self, job: Job) -> Exception | None:
        try:
            self.film_hook(job)
            with self.store.begin() as tx:
                queue.complete(tx, job, now=utc_now())
        except Exception as error:
            return error
        return None

    def run_until(self, true: Callable[[], bool]) -> None:
        """Run the worker until a condition holds, then stop it."""
        thread = threading.Thread(target=self.worker.run, args=(self.stop,))
        thread.start()
        end = time.monotonic() + 60
        try:
            while not true():
                assert time.monotonic() < end, "it did not happen in time"
                assert thread.is_alive(), "the worker ended by itself"
                time.sleep(0.01)
        finally:
            self.stop.set()
            thread.join()

    def run_until_settled(self) -> None:
        self.run_until(self.settled)

    def settled(self) -> bool:
        with self.store.read() as tx:
            counted = queue.count(tx)
        return counted[JobState.QUEUED] + counted[JobState.RUNNING] == 0


def test_every_film_is_judged_once_in_batches(store: Store) -> None:
    fill(store, 10)
    bench = Bench(store)
    bench.run_until_settled()
    assert sorted(exam for batch in bench.batches for exam in batch) == list(range(1, 11))
    assert [len(batch) for batch in bench.batches] == [4, 4, 2]
    assert {job.state for job in jobs(store, 10)} == {JobState.DONE}


def test_decodes_the_next_batch_while_the_first_is_judged(store: Store) -> None:
    fill(store, 8)
    bench = Bench(store)
    prepared = [threading.Event() for _ in range(9)]
    ahead: list[bool] = []
    bench.prepare_hook = lambda job: prepared[job.exam_id].set()
    bench.judge_hook = lambda exams: ahead.append(all(prepared[exam].wait(10) for exam in range(5, 9)))
    bench.run_until_settled()
    assert ahead == [True, True]


def test_never_more_than_two_batches_are_decoded(store: Store) -> None:
    fill(store, 30)
    bench = Bench(store)
    bench.judge_hook = lambda exams: time.sleep(0.02)
    bench.run_until_settled()
    assert bench.most_held <= 8


def fail_on(exam_id: int, error: Exception) -> Callable[[Job], None]:
    def hook(job: Job) -> None:
        if job.exam_id == exam_id:
            raise error

    return hook


@pytest.mark.parametrize("where", ["prepare_hook", "film_hook"])
def test_a_film_that_fails_is_dead_after_its_tries_and_the_others_pass(store: Store, where: str) -> None:
    fill(store, 6)
    bench = Bench(store)
    setattr(bench, where, fail_on(2, ValueError("Nobody^Real")))
    bench.run_until_settled()
    dead = jobs(store, 6)[1]
    assert (dead.state, dead.failures, dead.attempt) == (JobState.DEAD, 3, 3)
    assert dead.error == "Unexpected error while judging the film: ValueError. The log has the details."
    assert [job.exam_id for job in jobs(store, 6) if job.state is JobState.DONE] == [1, 3, 4, 5, 6]


def test_no_patient_reaches_the_log(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    fill(store, 1)
    bench = Bench(store)
    bench.film_hook = fail_on(1, ValueError("Nobody^Real"))
    bench.run_until_settled()
    assert "ValueError" in caplog.text
    assert "Nobody" not in caplog.text


def test_what_is_permanent_is_dead_at_once(store: Store) -> None:
    fill(store, 1)
    bench = Bench(store)
    bench.prepare_hook = fail_on(1, UnreadablePixels("Cut off."))
    bench.run_until_settled()
    (dead,) = jobs(store, 1)
    assert (dead.state, dead.attempt, dead.error) == (JobState.DEAD, 1, "Cut off.")


def test_a_judgement_that_fails_as_a_whole_is_tried_film_by_film(store: Store) -> None:
    fill(store, 4)
    bench = Bench(store)

    def poison(exams: list[int]) -> None:
        if 3 in exams:
            raise MemoryError

    bench.judge_hook = poison
    bench.run_until_settled()
    assert [job.state for job in jobs(store, 4)] == [JobState.DONE, JobState.DONE, JobState.DEAD, JobState.DONE]
    assert bench.batches[0] == [1, 2, 3, 4]
    assert all(len(batch) == 1 for batch in bench.batches[1:])


@pytest.mark.parametrize("error", [StoreUnavailable("away"), DiskFull("full")])
def test_what_is_transient_costs_a_film_nothing(store: Store, error: Exception) -> None:
    fill(store, 2)
    bench = Bench(store)
    times = 0

    def away(job: Job) -> None:
        nonlocal times
        times += 1
        if times <= 8:
            raise error

    bench.film_hook = away
    bench.run_until_settled()
    assert [(job.state, job.failures) for job in jobs(store, 2)] == [(JobState.DONE, 0)] * 2


def test_a_store_that_is_locked_for_a_while(store: Store, tmp_path: Path) -> None:
    fill(store, 3)
    impatient = Store(f"sqlite:///{tmp_path / 'node.db'}", busy_seconds=0.02)
    bench = Bench(impatient)
    locked, failed = threading.Event(), threading.Event()

    def judged(job: Job) -> None:
        locked.set()
        failed.wait(20)

    bench.film_hook = judged

    def lock() -> None:
        locked.wait(20)
        with store.begin():
            failed.set()
            time.sleep(0.5)

    locker = threading.Thread(target=lock)
    locker.start()
    bench.run_until(lambda: failed.is_set() and {job.state for job in jobs(store, 3)} == {JobState.DONE})
    locker.join()
    impatient.close()
    assert [job.failures for job in jobs(store, 3)] == [0, 0, 0]


def test_stopping_finishes_the_batch_and_gives_back_the_rest(store: Store) -> None:
    fill(store, 12)
    bench = Bench(store)
    bench.judge_hook = lambda exams: bench.stop.set()
    bench.run_until(bench.stop.is_set)
    after = jobs(store, 12)
    assert [job.state for job in after] == [JobState.DONE] * 4 + [JobState.QUEUED] * 8
    assert {(job.failures, job.interruptions) for job in after} == {(0, 0)}


def test_work_whose_lease_was_lost_is_dropped(store: Store) -> None:
    fill(store, 1)
    bench = Bench(store)
    takes = 0

    def lose(job: Job) -> None:
        nonlocal takes
        takes += 1
        if takes == 1:
            with store.begin() as tx:
                queue.release(tx, job, now=utc_now())  # as another process would, having rescued it

    bench.film_hook = lose
    bench.run_until_settled()
    (done,) = jobs(store, 1)
    assert (done.state, done.attempt, done.failures) == (JobState.DONE, 2, 0)


def test_the_heartbeat_keeps_a_long_judgement_alive(store: Store) -> None:
    fill(store, 1)
    bench = Bench(store, WorkerRules(poll_s=0.01, lease_s=0.4))
    deadlines: list[object] = []

    def long(job: Job) -> None:
        end = time.monotonic() + 20
        while time.monotonic() < end and len(set(deadlines)) < 4:
            deadlines.append(jobs(store, 1)[0].deadline)
            time.sleep(0.02)

    bench.film_hook = long
    bench.run_until_settled()
    (done,) = jobs(store, 1)
    assert (done.state, done.attempt) == (JobState.DONE, 1)
    assert len(set(deadlines)) >= 4


def test_a_worker_takes_over_what_another_let_run_out(store: Store) -> None:
    fill(store, 1)
    queue.claim(store, "vanished", 1, 0.05, now=utc_now())
    bench = Bench(store, WorkerRules(poll_s=0.01, lease_s=0.4, retry=RetryRules(first_delay_s=0.01)))
    bench.run_until_settled()
    (done,) = jobs(store, 1)
    assert (done.state, done.attempt, done.failures) == (JobState.DONE, 2, 1)


@pytest.mark.parametrize("where", ["prepare", "judge", "hang"])
def test_a_film_that_kills_its_worker_is_buried_and_the_others_pass(store: Store, tmp_path: Path, where: str) -> None:
    """As the supervisor does: start a worker, and when it dies, rescue what it held and start another."""
    fill(store, 6)
    statuses = []
    for run in range(5):
        owner = f"host/worker/{run}"
        command = [sys.executable, queue_processes.__file__, f"sqlite:///{tmp_path / 'node.db'}", owner, "2", where]
        statuses.append(subprocess.run(command, timeout=60, check=False).returncode)
        if statuses[-1] == 0:
            break
        rescue.rescue_owner(store, owner, QUICK.retry, now=utc_now())
    expected = {"prepare": -11, "judge": -9, "hang": STUCK_EXIT_STATUS}[where]
    assert statuses == [expected] * 3 + [0]
    after = jobs(store, 6)
    assert [job.state for job in after] == [JobState.DONE, JobState.DEAD] + [JobState.DONE] * 4
    assert after[1].error == rescue.DIED
