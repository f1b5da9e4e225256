"""What another process, another film or a death does to an exam that is being judged."""

from __future__ import annotations

import datetime as dt

import pytest
from builders import NOW, a_patient
from screening_bench import Bench, both
from scripted import HEALTHY, THIN, WritingReporter

from screening_node.domain.exam import ExamKey
from screening_node.errors import LeaseLost, StoreUnavailable
from screening_node.queue import queue
from screening_node.queue.job import Job, JobState
from screening_node.store import records
from screening_node.store import tables as t


def again(bench: Bench, job: Job) -> None:
    """The job comes back, as after its worker's death."""
    with bench.store.begin() as tx:
        queue.release(tx, job, now=NOW)


@both
def test_dying_between_report_and_commit_changes_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.film(THIN)
    screening = bench.screening()
    (job,) = bench.claim()
    with monkeypatch.context() as patch:
        patch.setattr(records, "commit_result", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("died")))
        assert [type(outcome) for outcome in screening.judge([(job, screening.prepare(job))])] == [RuntimeError]
    assert bench.rows(t.jobs)[0].state == JobState.RUNNING, "the job's end was undone with the rest"
    torn = set(bench.archive.kept())
    again(bench, job)
    assert bench.run() == [None]
    assert set(bench.archive.kept()) == torn, "the same report, byte for byte, under the same name"
    assert len(bench.rows(t.results)) == 1
    assert len(bench.rows(t.outbox)) == 2


@both
def test_a_worker_that_lost_its_lease_commits_nothing(bench: Bench) -> None:
    bench.film(THIN)
    screening = bench.screening()
    (stale,) = bench.claim()
    prepared = screening.prepare(stale)
    again(bench, stale)
    (fresh,) = bench.claim()
    assert [type(outcome) for outcome in screening.judge([(stale, prepared)])] == [LeaseLost]
    assert bench.rows(t.results) == []
    assert screening.judge([(fresh, prepared)]) == [None]
    assert screening.judge([(stale, prepared)]) != [None]
    assert [len(bench.rows(table)) for table in (t.results, t.alarms, t.outbox)] == [1, 1, 2]


@both
def test_a_decision_that_changes_while_the_report_is_written_is_taken_anew(bench: Bench) -> None:
    patient = a_patient()
    first = bench.film(THIN, patient=patient)
    (job,) = bench.claim()
    second = bench.film(THIN, patient=patient)
    other = bench.screening(reporter=WritingReporter())

    def another_worker() -> None:
        bench.reporter.hook = lambda: None
        assert bench.run(other) == [None]

    bench.reporter.hook = another_worker
    screening = bench.screening()
    assert screening.judge([(job, screening.prepare(job))]) == [None]
    assert [decision.step for decision, *_ in bench.reporter.calls] == ["open", "update"]
    assert len(bench.rows(t.alarms)) == 1
    assert [bench.result(exam).alarm_step for exam in (first, second)] == ["update", "open"]
    committed = {bench.archive.existing(row.path).read_bytes() for row in bench.rows(t.outbox, result_id=2)}
    assert [b"within the window stands" in data for data in committed] == [True]


def test_a_decision_that_never_rests_is_tried_again_later(bench: Bench) -> None:
    patient = a_patient()
    exam = bench.film(THIN, patient=patient)
    with bench.store.read() as tx:
        key = records.exam(tx, exam).patient_key
    days = iter(range(1, 28))

    def restless() -> None:
        with bench.store.begin() as tx:
            tx.execute(
                t.alarms.insert().values(
                    patient_key=key, state="open", category="osteoporosis", lowest_t=-3, lowest_vertebra="L1",
                    study_date=dt.date(2026, 2, next(days)), opened_at=NOW, updated_at=NOW,
                )
            )  # fmt: skip

    bench.reporter.hook = restless
    assert [type(outcome) for outcome in bench.run()] == [StoreUnavailable]
    assert bench.rows(t.results) == []


@both
def test_an_exam_that_grows_while_it_is_judged_is_judged_again_as_a_whole(bench: Bench) -> None:
    key = ExamKey(pathway="chest_film", key="pair", complete=True)
    exam = bench.film(HEALTHY, patient=a_patient(), exam=key)

    def grow() -> None:
        bench.reporter.hook = lambda: None
        bench.film(THIN, patient=a_patient(), exam=key)

    bench.reporter.hook = grow
    assert bench.run() == [None]
    assert bench.rows(t.results) == []
    assert bench.run() == [None]
    assert bench.result(exam).category == "osteoporosis"
    assert len(bench.rows(t.jobs)) == 1


@both
def test_a_late_instance_of_a_judged_exam_has_it_judged_again(bench: Bench) -> None:
    key = ExamKey(pathway="chest_film", key="pair", complete=True)
    exam = bench.film(HEALTHY, patient=a_patient(), exam=key)
    bench.run()
    bench.film(THIN, patient=a_patient(), exam=key)
    bench.run()
    assert (bench.result(exam).revision, bench.result(exam).category) == (2, "osteoporosis")
