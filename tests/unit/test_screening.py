"""One exam from stored bytes to committed result, with a pathway and a reporter that do as the test says."""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pydicom
import pytest
import sqlalchemy as sa
from builders import IDENTITY, NOW, a_patient, an_instance
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from scripted import HEALTHY, REFERENCE, THIN, THRESHOLDS, ScriptedPathway, WritingReporter

from screening_node.domain.alarm import NO_LONGER_RAISED, AlarmStatus, PatientFacts, ThresholdSet
from screening_node.domain.exam import ExamKey
from screening_node.domain.result import (
    Category,
    Vertebra,
)
from screening_node.errors import LeaseLost, Misconfigured, Permanent, StoreUnavailable, UnreadableObject
from screening_node.pathways.files import judge_files
from screening_node.queue import queue
from screening_node.queue.job import Job, JobState
from screening_node.queue.lease import utc_now
from screening_node.reporting.kinds import COMPREHENSIVE_SR, Kind, ObjectSet, SopReference
from screening_node.screening import Prepared, Screening
from screening_node.store import alarms, records
from screening_node.store import tables as t
from screening_node.store.archive import Archive
from screening_node.store.session import Store

both = pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)


class Bench:
    """A screening with its store and archive, and films to put in."""

    def __init__(self, store: Store, archive: Archive) -> None:
        self.store = store
        self.archive = archive
        self.pathway = ScriptedPathway()
        self.reporter = WritingReporter()
        self.films = 0

    def screening(self, **changes: Any) -> Screening:
        arguments: dict[str, Any] = {
            "pathways": {"chest_film": self.pathway},
            "reference": REFERENCE,
            "thresholds": THRESHOLDS,
            "store": self.store,
            "archive": self.archive,
            "reporter": self.reporter,
            "destinations": {"pacs": ObjectSet(), "other": ObjectSet()},
            "report_refusals": True,
            "window_months": 12,
        }
        return Screening(**{**arguments, **changes})

    def film(self, says: object, **changes: Any) -> int:
        """A film comes in; the number of its exam."""
        self.films += 1
        uid = f"1.2.{self.films}"
        temp = self.archive.spool()
        temp.write_bytes(str(says).encode())
        patient = changes.pop("patient", a_patient(patient_id=f"P{self.films}"))
        path = self.archive.keep(temp, uid)
        with self.store.begin() as tx:
            records.record_instance(tx, an_instance(uid, path=path, patient=patient, **changes))
            key = changes.get("exam", ExamKey(pathway="chest_film", key=uid, complete=True)).key
            return int(tx.execute(sa.select(t.exams.c.id).where(t.exams.c.key == key)).scalar_one())

    def claim(self) -> list[Job]:
        return queue.claim(self.store, "me", 10, 60.0, now=utc_now())

    def run(self, screening: Screening | None = None) -> list[Exception | None]:
        """Claim all that is due, and judge it as one batch."""
        screening = screening or self.screening()
        return screening.judge([(job, screening.prepare(job)) for job in self.claim()])

    def rows(self, table: sa.Table, **where: object) -> Sequence[Any]:
        statement = sa.select(table).order_by(*table.primary_key.columns)
        for name, value in where.items():
            statement = statement.where(table.c[name] == value)
        with self.store.read() as tx:
            return tx.execute(statement).all()

    def result(self, exam_id: int) -> Any:
        (row,) = self.rows(t.results, exam_id=exam_id, current=True)
        return row


@pytest.fixture
def bench(store: Store, archive: Archive) -> Bench:
    return Bench(store, archive)


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
def test_two_films_of_one_patient_share_an_alarm(bench: Bench) -> None:
    patient = a_patient()
    exams = [
        bench.film(THIN, patient=patient, study_date=dt.date(2026, 1, 1)),
        bench.film(0.65, patient=patient, study_date=dt.date(2026, 6, 1)),
    ]
    assert bench.run() == [None, None]
    (alarm,) = bench.rows(t.alarms)
    assert [bench.result(exam).alarm for exam in exams] == [alarm.number] * 2
    assert (alarm.study_date, alarm.lowest_t) == (dt.date(2026, 6, 1), pytest.approx(-3.5))


def test_films_outside_the_window_do_not(bench: Bench) -> None:
    for day in (dt.date(2024, 1, 1), dt.date(2026, 1, 1)):
        bench.film(THIN, patient=a_patient(), study_date=day)
    bench.run()
    assert len(bench.rows(t.alarms)) == 2


def test_films_without_an_id_are_never_one_patient(bench: Bench) -> None:
    for study in ("9.1", "9.2"):
        bench.film(THIN, patient=a_patient(patient_id=None), study_instance_uid=study)
    bench.run()
    assert len(bench.rows(t.alarms)) == 2


def test_what_the_site_knows_suppresses_the_alarm_and_the_report_says_so(bench: Bench) -> None:
    exam = bench.film(THIN)
    with bench.store.begin() as tx:
        key = records.exam(tx, exam).patient_key
        alarms.set_facts(tx, key, PatientFacts(diagnosed=True), NOW)
    bench.run()
    assert bench.rows(t.alarms) == []
    assert bench.result(exam).alarm_step == "suppress"
    assert "known diagnosis" in bench.reporter.calls[0][0].reason


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


def rescreen(bench: Bench, exam: int, screening: Screening | None = None) -> None:
    with bench.store.begin() as tx:
        queue.retry_exam(tx, exam, now=utc_now())
    assert bench.run(screening) == [None]


@both
def test_judging_again_with_the_same_model_changes_nothing(bench: Bench) -> None:
    exam = bench.film(THIN)
    bench.run()
    before = [bench.rows(table) for table in (t.results, t.alarms, t.outbox, t.estimates)]
    kept = set(bench.archive.kept())
    rescreen(bench, exam)
    assert [bench.rows(table) for table in (t.results, t.alarms, t.outbox, t.estimates)] == before
    assert set(bench.archive.kept()) == kept
    assert [job.state for job in bench.rows(t.jobs)] == [JobState.DONE, JobState.DONE]


def test_judging_again_serves_a_destination_that_was_added(bench: Bench) -> None:
    exam = bench.film(THIN)
    bench.run()
    rescreen(bench, exam, bench.screening(destinations=dict.fromkeys(["pacs", "other", "new"], ObjectSet())))
    owed = bench.rows(t.outbox)
    assert [row.destination for row in owed] == ["pacs", "other", "new"]
    assert len({(row.sop_instance_uid, row.path) for row in owed}) == 1, "the very same report"


def test_judging_again_serves_a_kind_that_was_added(bench: Bench) -> None:
    exam = bench.film(THIN)
    bench.run()
    rescreen(bench, exam, bench.screening(destinations={"pacs": ObjectSet(kinds=(Kind.SR, Kind.PDF))}))
    owed = [(row.destination, row.kind) for row in bench.rows(t.outbox)]
    assert owed == [("pacs", "SR"), ("other", "SR"), ("pacs", "PDF")]
    assert [one.kind for one in bench.reporter.asked] == [Kind.PDF], "the report that is there is not made again"


def test_each_destination_gets_its_own_objects_and_each_is_made_once(bench: Bench) -> None:
    destinations = {
        "pacs": ObjectSet(kinds=(Kind.SR, Kind.SC, Kind.KO)),
        "old": ObjectSet(sr_class=COMPREHENSIVE_SR, kinds=(Kind.SR, Kind.SC)),
        "papers": ObjectSet(kinds=(Kind.SC,)),
    }
    bench.film(THIN)
    bench.run(bench.screening(destinations=destinations))
    owed = [(row.destination, row.kind) for row in bench.rows(t.outbox)]
    assert owed == [("pacs", "SR"), ("pacs", "SC"), ("pacs", "KO"), ("old", "SR"), ("old", "SC"), ("papers", "SC")]
    assert [one.kind for one in bench.reporter.asked] == [Kind.SR, Kind.SC, Kind.KO, Kind.SR]
    pages = {row.sop_instance_uid for row in bench.rows(t.outbox, kind="SC")}
    reports = {row.sop_class_uid for row in bench.rows(t.outbox, kind="SR")}
    assert (len(pages), len(reports)) == (1, 2)


def test_the_reporter_is_given_the_film_that_was_decoded(bench: Bench) -> None:
    bench.film(THIN)
    bench.run()
    assert bench.reporter.picture is not None
    bench.film("refuse")
    bench.run()
    assert bench.reporter.picture is None, "it was refused before it was decoded"


def test_what_has_nothing_to_show_is_owed_to_nobody(bench: Bench) -> None:
    bench.film(HEALTHY)
    assert bench.run(bench.screening(destinations={"pacs": ObjectSet(kinds=(Kind.KO, Kind.SR))})) == [None]
    assert [row.kind for row in bench.rows(t.outbox)] == ["SR"]


def test_a_revision_names_the_report_that_its_destination_has(bench: Bench) -> None:
    destinations = {"pacs": ObjectSet(), "old": ObjectSet(sr_class=COMPREHENSIVE_SR)}
    exam = bench.film(THIN)
    bench.run(bench.screening(destinations=destinations))
    first = {row.destination: row.sop_instance_uid for row in bench.rows(t.outbox)}
    newer = ScriptedPathway(dataclasses.replace(IDENTITY, bundle="test-2", weights_sha256="ef" * 32))
    rescreen(bench, exam, bench.screening(pathways={"chest_film": newer}, destinations=destinations))
    named = [one.previous.sop_instance_uid for one in bench.reporter.asked if one.previous is not None]
    assert named == [first["pacs"], first["old"]]


@both
def test_another_model_gives_a_new_revision_that_names_the_old_report(bench: Bench) -> None:
    exam = bench.film(THIN)
    bench.run()
    first = bench.rows(t.outbox)[0]
    newer = ScriptedPathway(dataclasses.replace(IDENTITY, bundle="test-2", weights_sha256="ef" * 32))
    rescreen(bench, exam, bench.screening(pathways={"chest_film": newer}))
    assert [(row.revision, row.current, row.bundle) for row in bench.rows(t.results)] == [
        (1, False, "test-1"),
        (2, True, "test-2"),
    ]
    _, _, revision, previous = bench.reporter.calls[-1]
    assert revision == 2
    assert previous == SopReference(sop_class_uid=first.sop_class_uid, sop_instance_uid=first.sop_instance_uid)
    assert len(bench.rows(t.alarms)) == 1
    assert len(bench.rows(t.outbox)) == 4


def test_an_alarm_outlives_a_newer_model_that_sees_none(bench: Bench) -> None:
    exam = bench.film(THIN)
    bench.run()
    lenient = ThresholdSet(name="lenient", source="test", by_vertebra=dict.fromkeys(Vertebra, -9.0))
    newer = ScriptedPathway(dataclasses.replace(IDENTITY, thresholds="lenient"))
    rescreen(bench, exam, bench.screening(pathways={"chest_film": newer}, thresholds=lenient))
    assert bench.result(exam).alarm_status == AlarmStatus.NOT_RAISED
    assert NO_LONGER_RAISED in bench.result(exam).alarm_reason
    assert [row.state for row in bench.rows(t.alarms)] == ["open"]


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


def dicom(folder: Path, name: str, says: str, **header: object) -> Path:
    """A Part 10 file whose last bytes are what the scripted pathway reads."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = "1.2.3"
    dataset.PatientSex = "F"
    dataset.StudyDate = "20260301"
    for keyword, value in header.items():
        setattr(dataset, keyword, value)
    dataset.add_new(0xFFFCFFFC, "OB", says.ljust(16).encode())
    pydicom.dcmwrite(folder / name, dataset, enforce_file_format=True)
    return folder / name


def test_files_are_judged_as_the_node_would(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "damaged.dcm").write_bytes(b"no DICOM")
    (tmp_path / "empty.dcm").write_bytes(b"")
    files = [
        dicom(tmp_path, "thin.dcm", str(THIN)),
        dicom(tmp_path, "man.dcm", "1.0", PatientSex="M"),
        tmp_path / "damaged.dcm",
        tmp_path / "empty.dcm",
        tmp_path / "missing.dcm",
        tmp_path,
        dicom(tmp_path, "poison.dcm", "poison"),
        dicom(tmp_path, "lateral.dcm", "refuse"),
    ]
    with caplog.at_level(logging.ERROR):
        thin, man, *broken, poison, lateral = judge_files(
            files, pathway=ScriptedPathway(), reference=REFERENCE, thresholds=THRESHOLDS, at=NOW
        )
    assert thin.result is not None
    assert thin.alarm is not None
    assert (thin.result.category, thin.alarm.status) == (Category.OSTEOPOROSIS, AlarmStatus.RAISED)
    assert man.result is not None
    assert man.result.findings[0].t_score == pytest.approx(-1.0)
    assert {type(one.error) for one in broken} == {UnreadableObject}
    assert [one.result for one in broken] == [None] * 4
    assert isinstance(poison.error, Permanent)
    assert "ValueError" in str(poison.error)
    assert "Nobody" not in str(poison.error) + caplog.text
    assert lateral.result is not None
    assert lateral.result.refusal is not None
    assert lateral.error is None
    assert lateral.alarm is not None
    assert lateral.alarm.status is AlarmStatus.NOT_EVALUATED


def test_node_and_command_line_say_the_same(bench: Bench, tmp_path: Path) -> None:
    exam = bench.film(THIN)
    bench.run()
    (judged,) = judge_files(
        [dicom(tmp_path, "thin.dcm", str(THIN))],
        pathway=bench.pathway,
        reference=REFERENCE,
        thresholds=THRESHOLDS,
        at=NOW,
    )
    with bench.store.read() as tx:
        current = records.current_result(tx, exam)
    assert current is not None
    assert judged.result is not None
    assert current.result.sha256 == judged.result.sha256


def test_prepared_keeps_what_the_pathway_made(bench: Bench) -> None:
    bench.film(THIN)
    (job,) = bench.claim()
    prepared = bench.screening().prepare(job)
    assert isinstance(prepared, Prepared)
    assert prepared.work == str(THIN)
