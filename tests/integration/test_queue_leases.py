"""Claims, leases and fences, on a real store."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from builders import NOW, OPEN, a_result, an_instance

from screening_node.errors import IllegalTransition, LeaseLost, NotFound
from screening_node.queue import queue, rescue
from screening_node.queue.job import Job, JobState
from screening_node.queue.retry import Dead, Retry, RetryRules
from screening_node.store import records
from screening_node.store import tables as t
from screening_node.store.session import Store

pytestmark = pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)
RULES = RetryRules()


def after(seconds: float) -> dt.datetime:
    return NOW + dt.timedelta(seconds=seconds)


def fill(store: Store, films: int, priority: int = 0, start: int = 1) -> None:
    with store.begin() as tx:
        for number in range(start, start + films):
            records.record_instance(tx, an_instance(f"1.{number}"), priority=priority)


def claim(
    store: Store, limit: int = 10, owner: str = "host/worker/1", at: float = 0.0, busy: bool = False
) -> list[Job]:
    return queue.claim(store, owner, limit, 60.0, now=after(at), busy=busy)


def job(store: Store, job_id: int) -> Job:
    with store.read() as tx:
        return queue.get(tx, job_id)


def complete(store: Store, held: Job) -> None:
    with store.begin() as tx:
        queue.complete(tx, held, now=after(5))


def fail(store: Store, held: Job, failures: int = 1, after_s: float = 1.0) -> None:
    decision = Retry(after_s=after_s, failures=failures, interruptions=0, reason="It failed.")
    with store.begin() as tx:
        queue.fail(tx, held, decision, now=NOW)


def test_claims_by_priority_and_then_age(store: Store) -> None:
    fill(store, 3)
    fill(store, 1, priority=5, start=4)
    assert [one.exam_id for one in claim(store, 2)] == [4, 1]
    assert [one.exam_id for one in claim(store, 5)] == [2, 3]
    assert claim(store) == []


def test_a_claim_says_who_until_when_and_which_attempt(store: Store) -> None:
    fill(store, 1)
    (held,) = claim(store)
    assert (held.state, held.owner, held.attempt, held.deadline) == (
        JobState.RUNNING,
        "host/worker/1",
        1,
        after(60),
    )
    assert job(store, held.id) == held


def test_many_workers_never_get_the_same_job(store: Store) -> None:
    fill(store, 40)
    claimed: list[int] = []

    def work(owner: str) -> None:
        while held := claim(store, 3, owner):
            claimed.extend(one.id for one in held)

    threads = [threading.Thread(target=work, args=(f"worker/{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == list(range(1, 41))


def test_done_is_done(store: Store) -> None:
    fill(store, 1)
    (held,) = claim(store)
    complete(store, held)
    assert (job(store, 1).state, job(store, 1).finished_at, job(store, 1).owner) == (JobState.DONE, after(5), None)
    with pytest.raises(LeaseLost):
        complete(store, held)


@pytest.mark.parametrize(
    "change",
    [
        lambda tx, held: queue.complete(tx, held, now=NOW),
        lambda tx, held: queue.release(tx, held, now=NOW),
        lambda tx, held: queue.fail(tx, held, Dead(failures=3, interruptions=0, reason="no"), now=NOW),
        lambda tx, held: queue.fail(tx, held, Retry(after_s=1, failures=1, interruptions=0, reason="no"), now=NOW),
    ],
)
@pytest.mark.parametrize("next_owner", ["host/worker/1", "host/worker/2"])
def test_a_stale_worker_changes_nothing(
    store: Store, change: Callable[[sa.Connection, Job], object], next_owner: str
) -> None:
    fill(store, 1)
    (stale,) = claim(store)
    assert rescue.rescue_expired(store, RULES, now=after(61)) == 1
    (fresh,) = claim(store, owner=next_owner, at=100)
    assert fresh.attempt == 2
    with pytest.raises(LeaseLost), store.begin() as tx:
        change(tx, stale)
    assert job(store, 1) == fresh


def test_a_lost_lease_undoes_the_result_in_the_same_transaction(store: Store) -> None:
    fill(store, 1)
    (stale,) = claim(store)
    rescue.rescue_expired(store, RULES, now=after(61))

    def commit() -> None:
        with store.begin() as tx:
            exam = records.exam(tx, 1)
            records.commit_result(tx, exam=exam, job_id=1, result=a_result(), alarm=OPEN, reports=[], now=NOW)
            queue.complete(tx, stale, now=NOW)

    with pytest.raises(LeaseLost):
        commit()
    with store.read() as tx:
        for table in (t.results, t.estimates, t.alarms):
            assert tx.execute(sa.select(sa.func.count()).select_from(table)).scalar() == 0


def test_a_heartbeat_extends_what_is_held_and_tells_what_is_lost(store: Store) -> None:
    fill(store, 2)
    first, second = claim(store)
    complete(store, second)
    lost = queue.heartbeat(store, [first, second], 60.0, now=after(30))
    assert [one.id for one in lost] == [second.id]
    assert job(store, first.id).deadline == after(90)
    assert rescue.rescue_expired(store, RULES, now=after(61)) == 0


def test_released_is_as_good_as_new(store: Store) -> None:
    fill(store, 1)
    (held,) = claim(store)
    with store.begin() as tx:
        queue.release(tx, held, now=NOW)
    back = job(store, 1)
    assert (back.state, back.failures, back.interruptions, back.owner) == (JobState.QUEUED, 0, 0, None)
    assert claim(store)[0].attempt == 2, "the fencing token never goes down"


def test_a_failed_job_waits_its_time(store: Store) -> None:
    fill(store, 1)
    fail(store, claim(store)[0], after_s=10.0)
    assert claim(store, at=9.9) == []
    assert claim(store, at=10.0)[0].error == "It failed."


def test_a_suspect_is_claimed_alone(store: Store) -> None:
    fill(store, 3)
    fail(store, claim(store, 1)[0])
    (alone,) = claim(store, at=2)
    assert (alone.exam_id, alone.suspect) == (1, True)
    assert [one.exam_id for one in claim(store, at=2, owner="host/worker/2")] == [2, 3]


def test_a_busy_worker_gets_nothing_while_a_suspect_is_next(store: Store) -> None:
    fill(store, 3)
    fail(store, claim(store, 1)[0])
    assert claim(store, at=2, busy=True) == []


def test_clean_jobs_before_a_suspect_are_claimed_together(store: Store) -> None:
    fill(store, 4)
    third = claim(store, 3)
    with store.begin() as tx:
        for held in third[:2]:
            queue.release(tx, held, now=NOW)
    fail(store, third[2])
    assert [one.exam_id for one in claim(store, at=2)] == [1, 2]
    assert [one.exam_id for one in claim(store, at=2)] == [3]
    assert [one.exam_id for one in claim(store, at=2)] == [4]


def test_a_death_is_told_in_words_and_ends_with_the_tries(store: Store) -> None:
    fill(store, 2)
    for number in range(3):
        at = number * 100.0
        held = claim(store, at=at)
        assert rescue.rescue_owner(store, "host/worker/1", RULES, now=after(at)) == len(held)
        if number == 0:  # the second film shared the first batch only: it passes as soon as it is alone
            (_, second) = held
            queue_second_passes(store, second)
    dead = job(store, 1)
    assert (dead.state, dead.failures) == (JobState.DEAD, 3)
    assert dead.error == "The worker process died while it judged this film."
    assert job(store, 2).state is JobState.DONE


def queue_second_passes(store: Store, second: Job) -> None:
    (first,) = claim(store, at=50)
    (alone,) = claim(store, at=50, owner="host/worker/2")
    assert (first.exam_id, alone.exam_id) == (1, second.exam_id)
    complete(store, alone)
    with store.begin() as tx:
        queue.release(tx, first, now=after(50))


def test_only_the_dead_owners_jobs_are_taken_back(store: Store) -> None:
    fill(store, 2)
    claim(store, 1, owner="host/worker/1")
    claim(store, 1, owner="host/worker/12")
    assert rescue.rescue_owner(store, "host/worker/1", RULES, now=NOW) == 1
    assert [job(store, number).state for number in (1, 2)] == [JobState.QUEUED, JobState.RUNNING]


def test_what_the_last_run_left_is_taken_back_at_start(store: Store) -> None:
    fill(store, 2)
    claim(store, 1, owner="host/worker/1")
    claim(store, 1, owner="other-host/worker/1")
    assert rescue.rescue_left_behind(store, "host/", RULES, now=NOW) == 1
    back = job(store, 1)
    assert (back.state, back.failures, back.interruptions) == (JobState.QUEUED, 0, 1)
    assert claim(store)[0].exam_id == 1, "at once, for nobody is to wait after a restart"
    assert job(store, 2).owner == "other-host/worker/1"


def test_a_film_that_ends_the_node_each_time_is_dead_in_the_end(store: Store) -> None:
    fill(store, 1)
    for _ in range(RULES.interruptions):
        assert len(claim(store)) == 1
        rescue.rescue_left_behind(store, "host/", RULES, now=NOW)
    assert job(store, 1).state is JobState.DEAD


def test_a_dead_job_gets_new_tries(store: Store) -> None:
    fill(store, 1)
    with store.begin() as tx:
        pass
    (held,) = claim(store)
    with store.begin() as tx:
        queue.fail(tx, held, Dead(failures=3, interruptions=0, reason="no"), now=NOW)
    assert claim(store, at=1e6) == []
    with store.begin() as tx:
        assert queue.retry_exam(tx, 1, now=after(10)) == 1
    (again,) = claim(store, at=10)
    assert (again.failures, again.error, again.attempt, again.suspect) == (0, None, 2, False)


def test_a_judged_exam_is_judged_again_by_a_new_job(store: Store) -> None:
    fill(store, 1)
    complete(store, claim(store)[0])
    with store.begin() as tx:
        assert queue.retry_exam(tx, 1, now=after(10)) == 2
        assert queue.of_exam(tx, 1) == queue.get(tx, 2)
    assert [one.id for one in claim(store, at=10)] == [2]


def test_an_exam_that_waits_is_not_asked_for_twice(store: Store) -> None:
    fill(store, 1)
    with pytest.raises(IllegalTransition, match="queued already"), store.begin() as tx:
        queue.retry_exam(tx, 1, now=NOW)
    with store.begin() as tx:
        assert queue.enqueue(tx, 1, now=NOW) is None


def test_exams_and_jobs_that_are_not_there(store: Store) -> None:
    with pytest.raises(NotFound), store.begin() as tx:
        queue.retry_exam(tx, 7, now=NOW)
    with pytest.raises(NotFound), store.begin() as tx:
        queue.retry(tx, 7, now=NOW)


def test_cancelling(store: Store) -> None:
    fill(store, 2)
    with store.begin() as tx:
        queue.cancel(tx, 1, now=NOW)
    (held,) = claim(store)
    assert held.exam_id == 2
    with pytest.raises(IllegalTransition), store.begin() as tx:
        queue.cancel(tx, held.id, now=NOW)


def test_counting(store: Store) -> None:
    fill(store, 3)
    claim(store, 1)
    with store.read() as tx:
        counted = queue.count(tx)
    assert counted == {**dict.fromkeys(JobState, 0), JobState.QUEUED: 2, JobState.RUNNING: 1}


def test_enqueueing_belongs_to_the_callers_transaction(store: Store) -> None:
    def fail_half_way() -> None:
        with store.begin() as tx:
            records.record_instance(tx, an_instance())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert claim(store) == []
