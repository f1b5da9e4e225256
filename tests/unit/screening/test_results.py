"""A film ends in a result or an error, and nothing of it touches its neighbours in a batch."""

from __future__ import annotations

import pytest
from builders import a_patient
from screening_bench import Bench, both
from scripted import HEALTHY, THIN, ScriptedPathway

from screening_node.domain.exam import ExamKey
from screening_node.domain.result import Category
from screening_node.errors import Misconfigured, UnreadableObject
from screening_node.queue.job import JobState
from screening_node.screening import Prepared
from screening_node.store import tables as t


@both
def test_a_film_ends_in_a_result_an_alarm_and_a_report_for_every_destination(bench: Bench) -> None:
    exam = bench.film(THIN)
    assert bench.run() == [None]
    result, (alarm,), (job,) = bench.result(exam), bench.rows(t.alarms), bench.rows(t.jobs)
    assert (result.category, result.lowest_t, result.alarm_status) == ("osteoporosis", pytest.approx(-3.0), "raised")
    assert (alarm.number, alarm.state, alarm.result_id) == (result.alarm, "open", result.id)
    assert (job.state, result.job_id) == (JobState.DONE, job.id)
    assert [row.vertebra for row in bench.rows(t.estimates)] == ["L1", "L2"]
    owed = bench.rows(t.outbox)
    assert [(row.destination, row.state) for row in owed] == [("pacs", "pending"), ("other", "pending")]
    assert len({row.path for row in owed}) == 1
    assert bench.archive.existing(owed[0].path).read_bytes()


def test_a_healthy_film_is_reported_without_an_alarm(bench: Bench) -> None:
    exam = bench.film(HEALTHY)
    bench.run()
    assert (bench.result(exam).category, bench.result(exam).alarm_status) == (Category.NORMAL, "not raised")
    assert bench.rows(t.alarms) == []
    assert len(bench.rows(t.outbox)) == 2


def test_the_patients_sex_decides_the_t_score(bench: Bench) -> None:
    exams = [bench.film(1.0, patient=a_patient(patient_id=sex, sex=sex)) for sex in ("F", "M")]
    bench.run()
    assert [bench.result(exam).lowest_t for exam in exams] == [pytest.approx(0.0), pytest.approx(-1.0)]


@both
@pytest.mark.parametrize(
    ("says", "report_refusals", "code", "reports"),
    [
        ("refuse", True, "not-frontal", 2),
        ("refuse", False, "not-frontal", 0),
        ("hardware", True, "hardware-on-bone", 2),
        ("own", True, "own-object", 0),
        ("nan", True, "estimate-implausible", 2),
        ("inf", True, "estimate-implausible", 2),
        ("nothing", True, "estimate-implausible", 2),
    ],
)
def test_refusals_are_results(bench: Bench, says: str, report_refusals: bool, code: str, reports: int) -> None:
    exam = bench.film(says)
    assert bench.run(bench.screening(report_refusals=report_refusals)) == [None]
    result = bench.result(exam)
    assert (result.refusal_code, result.alarm_status, result.category) == (code, "not evaluated", None)
    assert len(bench.rows(t.outbox)) == reports
    assert bench.rows(t.jobs)[0].state == JobState.DONE


def test_landmarks_of_a_refused_film_are_kept(bench: Bench) -> None:
    exam = bench.film("hardware")
    bench.run()
    assert bench.result(exam).document["landmarks"] == [{"name": "c7", "x": 1.0, "y": 2.0}]


def test_no_destination_no_report(bench: Bench) -> None:
    exam = bench.film(THIN)
    bench.run(bench.screening(destinations={}))
    assert bench.result(exam).alarm_status == "raised"
    assert bench.reporter.calls == []


def test_a_batch_goes_through_the_networks_together_and_refused_films_do_not(bench: Bench) -> None:
    exams = [bench.film(says) for says in (THIN, "refuse", HEALTHY, THIN)]
    assert bench.run() == [None] * 4
    assert bench.pathway.batches == [3]
    outcomes = [(bench.result(exam).category, bench.result(exam).refusal_code) for exam in exams]
    assert outcomes == [("osteoporosis", None), (None, "not-frontal"), ("normal", None), ("osteoporosis", None)]


@pytest.mark.parametrize("bad", ["poison", "short"])
def test_one_bad_film_does_not_touch_its_batch(bench: Bench, bad: str) -> None:
    exams = [bench.film(says) for says in (THIN, bad, HEALTHY)]
    outcomes = bench.run()
    assert [type(outcome) for outcome in outcomes] == [type(None), ValueError, type(None)]
    assert [bench.result(exam).category for exam in (exams[0], exams[2])] == ["osteoporosis", "normal"]
    assert bench.rows(t.results, exam_id=exams[1]) == []
    assert bench.rows(t.jobs, exam_id=exams[1])[0].state == JobState.RUNNING, "the worker decides what becomes of it"


def test_a_report_that_fails_leaves_nothing_behind(bench: Bench) -> None:
    bench.film(THIN)

    def fail() -> None:
        raise OSError("no")

    bench.reporter.hook = fail
    assert [type(outcome) for outcome in bench.run()] == [OSError]
    assert [bench.rows(table) for table in (t.results, t.alarms, t.outbox)] == [[], [], []]


def test_a_film_that_vanished_from_the_archive(bench: Bench) -> None:
    bench.film(THIN)
    for path in bench.archive.kept():
        bench.archive.path(path).unlink()
    (job,) = bench.claim()
    with pytest.raises(UnreadableObject, match="missing from the archive"):
        bench.screening().prepare(job)


def test_a_pathway_that_this_node_does_not_have(bench: Bench) -> None:
    bench.film(THIN, exam=ExamKey(pathway="chest_ct", key="series", complete=True))
    (job,) = bench.claim()
    with pytest.raises(Misconfigured, match=r"no pathway chest_ct.*\[pathways.chest_ct\]"):
        bench.screening().prepare(job)


def test_exams_of_several_pathways_in_one_batch(bench: Bench) -> None:
    other = ScriptedPathway()
    exams = [
        bench.film(THIN),
        bench.film(HEALTHY, exam=ExamKey(pathway="lumbar_film", key="pair", complete=True)),
        bench.film(HEALTHY),
    ]
    assert bench.run(bench.screening(pathways={"chest_film": bench.pathway, "lumbar_film": other})) == [None] * 3
    assert (bench.pathway.batches, other.batches) == ([2], [1])
    assert [bench.result(exam).category for exam in exams] == ["osteoporosis", "normal", "normal"]


def test_prepared_keeps_what_the_pathway_made(bench: Bench) -> None:
    bench.film(THIN)
    (job,) = bench.claim()
    prepared = bench.screening().prepare(job)
    assert isinstance(prepared, Prepared)
    assert prepared.work == str(THIN)
