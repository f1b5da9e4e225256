"""Work that is committed wakes those who wait for it: no test here could end by looking, which is an hour away."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Iterator

import pytest
from builders import NOW, OPEN, a_result, an_instance, an_outgoing
from integration import peers
from integration.test_queue_worker import QUICK, Bench
from postgresql_server import PostgresqlServer

from screening_node.queue import queue
from screening_node.queue.lease import utc_now
from screening_node.store import outbox, records
from screening_node.store.session import Store
from screening_node.store.wakeups import Bell, Listener, Topic

AN_HOUR = 3600.0
PATIENT_ENOUGH = 60.0


@pytest.fixture
def server() -> Iterator[PostgresqlServer]:
    """A server that the test may stop."""
    reason = PostgresqlServer.why_not()
    if reason is not None:
        peers.missing(reason)
    with PostgresqlServer.running() as running:
        yield running


class Waiting:
    """A thread that waits at a bell, and an event for when it went on."""

    def __init__(self, bell: Bell) -> None:
        self.woken = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(bell,), daemon=True)
        self._thread.start()

    def _run(self, bell: Bell) -> None:
        bell.wait(self._stop, AN_HOUR)
        self.woken.set()

    def end(self) -> None:
        self._stop.set()
        self._thread.join()


def a_film_comes(store: Store, number: int) -> None:
    with store.begin() as tx:
        records.record_instance(tx, an_instance(f"1.{number}"))


def test_a_wait_ends_by_notification_also_after_the_database_was_restarted(server: PostgresqlServer) -> None:
    store = Store(server.database())
    listener = Listener(store, Topic.JOBS, look_anyway_s=AN_HOUR)
    bell = listener.bell()
    with listener:
        assert Waiting(bell).woken.wait(PATIENT_ENOUGH)  # as soon as it listens: what came before was not heard
        waiting = Waiting(bell)
        a_film_comes(store, 1)
        assert waiting.woken.wait(PATIENT_ENOUGH)
        assert listener.heard == 1

        waiting = Waiting(bell)
        server.stop()
        server.start()
        assert waiting.woken.wait(PATIENT_ENOUGH), "it listens again, and looks for what it missed"
        waiting = Waiting(bell)
        a_film_comes(store, 2)
        assert waiting.woken.wait(PATIENT_ENOUGH)
        assert listener.heard == 2
    store.close()


def test_a_worker_judges_what_it_is_woken_for(server: PostgresqlServer) -> None:
    store = Store(server.database())
    rules = dataclasses.replace(QUICK, poll_s=AN_HOUR, look_anyway_s=AN_HOUR)
    bench = Bench(store, rules)

    def second_film_after_a_restart() -> None:
        a_film_comes(store, 1)
        while not bench.settled():
            time.sleep(0.01)
        server.stop()
        server.start()
        a_film_comes(store, 2)

    sender = threading.Thread(target=second_film_after_a_restart)
    sender.start()
    bench.run_until(lambda: not sender.is_alive() and bench.settled())
    sender.join()
    store.close()
    assert bench.batches == [[1], [2]]


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_what_is_rolled_back_wakes_nobody(store: Store) -> None:
    def fail() -> None:
        with store.begin() as tx:
            records.record_instance(tx, an_instance("1.1"))
            raise RuntimeError

    listener = Listener(store, Topic.JOBS, look_anyway_s=AN_HOUR)
    bell = listener.bell()
    with listener:
        assert Waiting(bell).woken.wait(PATIENT_ENOUGH)
        with pytest.raises(RuntimeError):
            fail()
        waiting = Waiting(bell)
        a_film_comes(store, 2)
        assert waiting.woken.wait(PATIENT_ENOUGH)
    assert listener.heard == 1  # notifications come in the order of commits: the first would have been counted


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_what_is_owed_or_asked_for_again_is_announced(store: Store) -> None:
    a_film_comes(store, 1)
    (job,) = queue.claim(store, "me", 1, 60.0, now=utc_now())
    listener = Listener(store, Topic.DELIVERIES, look_anyway_s=AN_HOUR)
    bell = listener.bell()
    with listener:
        assert Waiting(bell).woken.wait(PATIENT_ENOUGH)
        waiting = Waiting(bell)
        with store.begin() as tx:
            queue.complete(tx, job, now=NOW)
            exam = records.exam(tx, 1)
            owed = [an_outgoing("a"), an_outgoing("b")]
            records.commit_result(tx, exam=exam, job_id=job.id, result=a_result(), alarm=OPEN, reports=owed, now=NOW)
        assert waiting.woken.wait(PATIENT_ENOUGH)
        assert listener.heard == 1, "one commit is one call"
        waiting = Waiting(bell)
        with store.begin() as tx:
            outbox.requeue(tx, 1, NOW)
        assert waiting.woken.wait(PATIENT_ENOUGH)


def test_on_sqlite_nobody_listens_and_everybody_looks(store: Store) -> None:
    listener = Listener(store, Topic.JOBS, look_anyway_s=AN_HOUR)
    bell = listener.bell()
    with listener:
        assert not listener.possible
        bell.wait(threading.Event(), 0.01)
    assert not listener.connected


@pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)
def test_who_is_told_to_stop_does_not_wait(store: Store) -> None:
    stop = threading.Event()
    listener = Listener(store, Topic.JOBS, look_anyway_s=AN_HOUR)
    bell = listener.bell()
    with listener:
        thread = threading.Thread(target=bell.wait, args=(stop, AN_HOUR), daemon=True)
        thread.start()
        stop.set()
        thread.join(PATIENT_ENOUGH)
        assert not thread.is_alive()
