"""What arrives, and what is concluded, as rows."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa
from builders import NOW, OPEN, a_patient, a_refusal, a_result, an_instance, an_outgoing

from screening_node.domain.alarm import AlarmDecision, AlarmStatus, AlarmStep, PatientFacts
from screening_node.domain.exam import ExamKey
from screening_node.errors import IllegalTransition, NotFound
from screening_node.store import alarms, records
from screening_node.store import tables as t
from screening_node.store.alarms import AlarmState
from screening_node.store.records import Recorded
from screening_node.store.session import Store

pytestmark = pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)


def count(store: Store, table: sa.Table) -> int:
    with store.read() as tx:
        return tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def record(store: Store, *args: Any, **changes: Any) -> Recorded:
    with store.begin() as tx:
        return records.record_instance(tx, an_instance(*args, **changes))


def commit(store: Store, exam_id: int, result: Any, decision: AlarmDecision, *uids: str) -> int:
    """Commit a result for the exam's first job."""
    with store.begin() as tx:
        exam = records.exam(tx, exam_id)
        reports = [an_outgoing(uid=uid) for uid in uids]
        return records.commit_result(
            tx, exam=exam, job_id=exam_id, result=result, alarm=decision, reports=reports, now=NOW
        )


def test_an_instance_makes_its_exam_and_its_job(store: Store) -> None:
    assert record(store) is Recorded.STORED
    with store.read() as tx:
        exam = records.exam(tx, 1)
        job = tx.execute(sa.select(t.jobs)).one()
    assert exam.paths == ("objects/1.2.3.dcm",)
    assert exam.patient == a_patient()
    assert (job.exam_id, job.state, job.attempt, job.requested_at) == (1, "queued", 0, NOW)


def test_the_same_bytes_again_are_a_duplicate(store: Store) -> None:
    record(store)
    assert record(store) is Recorded.DUPLICATE
    assert [count(store, table) for table in (t.instances, t.exams, t.jobs)] == [1, 1, 1]


def test_other_bytes_under_the_same_uid_are_a_conflict(store: Store) -> None:
    record(store)
    elsewhere = ExamKey(pathway="chest_film", key="another exam", complete=True)
    assert record(store, content=b"other") is Recorded.CONFLICT
    assert record(store, content=b"other", exam=elsewhere) is Recorded.CONFLICT
    assert [count(store, table) for table in (t.instances, t.exams, t.jobs)] == [1, 1, 1]


def test_an_exam_of_several_instances_is_judged_when_complete(store: Store) -> None:
    parts = [ExamKey(pathway="chest_ct", key="series", complete=complete) for complete in (False, True)]
    record(store, "1.1", exam=parts[0])
    assert count(store, t.jobs) == 0
    record(store, "1.2", exam=parts[1])
    assert count(store, t.jobs) == 1
    with store.read() as tx:
        assert records.exam(tx, 1).paths == ("objects/1.1.dcm", "objects/1.2.dcm")


def test_priority_reaches_the_job(store: Store) -> None:
    with store.begin() as tx:
        records.record_instance(tx, an_instance(), priority=5)
        assert tx.execute(sa.select(t.jobs.c.priority)).scalar() == 5


def test_a_film_without_a_date_counts_from_its_arrival(store: Store) -> None:
    record(store, study_date=None)
    with store.read() as tx:
        assert records.exam(tx, 1).study_date == NOW.date()


def test_an_exam_that_is_not_there(store: Store) -> None:
    with pytest.raises(NotFound, match="no exam 7"), store.read() as tx:
        records.exam(tx, 7)


def test_a_result_with_everything_that_hangs_on_it(store: Store) -> None:
    record(store)
    result = a_result(-3.0)
    result_id = commit(store, 1, result, OPEN, "2.25.1")
    with store.read() as tx:
        row = tx.execute(sa.select(t.results)).one()
        current = records.current_result(tx, 1)
        alarm = tx.execute(sa.select(t.alarms)).one()
        estimates = tx.execute(sa.select(t.estimates.c.vertebra, t.estimates.c.t_score)).all()
        owed = records.owed(tx, result_id)
    assert (row.id, row.revision, row.current, row.category, row.crossed) == (result_id, 1, True, "osteoporosis", True)
    assert (row.lowest_t, row.lowest_vertebra, row.alarm) == (-3.0, "L1", alarm.number)
    assert (alarm.state, alarm.category, alarm.lowest_t, alarm.result_id) == ("open", "osteoporosis", -3.0, result_id)
    assert [vertebra for vertebra, _ in estimates] == ["L1", "L2", "L3", "L4"]
    assert owed == {("pacs", "SR")}
    assert current is not None
    assert current.result.sha256 == result.sha256
    assert current.alarm == OPEN
    assert current.requested_at == NOW


def test_a_refusal_is_a_result(store: Store) -> None:
    record(store)
    decision = AlarmDecision(step=AlarmStep.NONE, status=AlarmStatus.NOT_EVALUATED, reason="Not judged.")
    commit(store, 1, a_refusal(), decision)
    with store.read() as tx:
        row = tx.execute(sa.select(t.results)).one()
    assert (row.refusal_code, row.refusal_text, row.category) == ("not-frontal", "A lateral film.", None)
    assert [count(store, table) for table in (t.estimates, t.alarms, t.outbox)] == [0, 0, 0]


def test_the_same_result_again_is_no_new_revision(store: Store) -> None:
    record(store)
    first = commit(store, 1, a_result(), OPEN, "2.25.1")
    update = AlarmDecision(step=AlarmStep.UPDATE, status=AlarmStatus.RAISED, reason="It stands.", alarm=1)
    assert commit(store, 1, a_result(), update, "2.25.1") == first
    assert [count(store, table) for table in (t.results, t.alarms, t.outbox)] == [1, 1, 1]


def test_another_result_is_a_new_revision_and_the_only_current_one(store: Store) -> None:
    record(store)
    commit(store, 1, a_result(-3.0), OPEN, "2.25.1")
    update = AlarmDecision(step=AlarmStep.UPDATE, status=AlarmStatus.RAISED, reason="It stands.", alarm=1)
    commit(store, 1, a_result(-2.2), update, "2.25.2")
    with store.read() as tx:
        rows = tx.execute(sa.select(t.results.c.revision, t.results.c.current).order_by(t.results.c.id)).all()
        alarm = tx.execute(sa.select(t.alarms)).one()
        first_report, no_report = (records.reports_of(tx, 1, revision, "SR") for revision in (1, 3))
    assert rows == [(1, False), (2, True)]
    assert (alarm.category, alarm.lowest_t, alarm.result_id) == ("osteopenia", -2.2, 2)
    assert first_report == {"pacs": ("1.2.840.10008.5.1.4.1.1.88.33", "2.25.1")}
    assert no_report == {}


def test_two_current_results_of_an_exam_cannot_be(store: Store) -> None:
    record(store)
    commit(store, 1, a_result(), OPEN)
    with store.read() as tx:
        row = dict(tx.execute(sa.select(t.results)).mappings().one())
    with pytest.raises(sa.exc.IntegrityError), store.begin() as tx:
        tx.execute(t.results.insert().values({**row, "id": 2, "revision": 2}))


def test_two_active_jobs_of_an_exam_cannot_be(store: Store) -> None:
    record(store)
    with store.read() as tx:
        row = dict(tx.execute(sa.select(t.jobs)).mappings().one())
    with pytest.raises(sa.exc.IntegrityError), store.begin() as tx:
        tx.execute(t.jobs.insert().values({**row, "id": 2}))


def test_an_older_film_does_not_change_what_the_newest_says(store: Store) -> None:
    record(store, "1.1", study_date=dt.date(2026, 3, 1))
    record(store, "1.2", study_date=dt.date(2026, 1, 1))
    commit(store, 1, a_result(-2.2), OPEN)
    update = AlarmDecision(step=AlarmStep.UPDATE, status=AlarmStatus.RAISED, reason="It stands.", alarm=1)
    commit(store, 2, a_result(-3.5), update)
    with store.read() as tx:
        alarm = tx.execute(sa.select(t.alarms)).one()
        links = tx.execute(sa.select(t.results.c.alarm)).scalars().all()
    assert (alarm.lowest_t, alarm.study_date, alarm.result_id) == (-2.2, dt.date(2026, 3, 1), 1)
    assert links == [1, 1], "both films name the alarm that stands for them"


def test_facts_of_a_patient(store: Store) -> None:
    record(store)
    facts = PatientFacts(diagnosed=True, last_dxa=dt.date(2025, 12, 1))
    with store.begin() as tx:
        key = records.exam(tx, 1).patient_key
        assert alarms.facts_of(tx, key) == PatientFacts()
        alarms.set_facts(tx, key, facts, NOW)
        assert alarms.facts_of(tx, key) == facts
        assert alarms.facts_of(tx, "unknown") == PatientFacts()
        with pytest.raises(NotFound):
            alarms.set_facts(tx, "unknown", facts, NOW)


def test_facts_outlive_the_next_film(store: Store) -> None:
    record(store, "1.1")
    with store.begin() as tx:
        key = records.exam(tx, 1).patient_key
        alarms.set_facts(tx, key, PatientFacts(diagnosed=True), NOW)
    record(store, "1.2")
    with store.read() as tx:
        assert alarms.facts_of(tx, key).diagnosed


ACKNOWLEDGE, CLOSE = "acknowledge", "close"


def take(store: Store, number: int, step: str) -> None:
    with store.begin() as tx:
        if step == ACKNOWLEDGE:
            alarms.acknowledge(tx, number, by="Dr. A", comment="seen", now=NOW)
        else:
            alarms.close(tx, number, comment=None, now=NOW)


@pytest.mark.parametrize(
    ("steps", "state"),
    [
        ([ACKNOWLEDGE], AlarmState.ACKNOWLEDGED),
        ([CLOSE], AlarmState.CLOSED),
        ([ACKNOWLEDGE, CLOSE], AlarmState.CLOSED),
    ],
)
def test_what_people_may_do_with_an_alarm(store: Store, steps: list[str], state: AlarmState) -> None:
    record(store)
    commit(store, 1, a_result(), OPEN)
    for step in steps:
        take(store, 1, step)
    with store.read() as tx:
        row = tx.execute(sa.select(t.alarms)).one()
    assert row.state == state
    assert (row.acknowledged_by, row.comment) == (("Dr. A", "seen") if ACKNOWLEDGE in steps else (None, None))


@pytest.mark.parametrize(("before", "step"), [([ACKNOWLEDGE], ACKNOWLEDGE), ([CLOSE], ACKNOWLEDGE), ([CLOSE], CLOSE)])
def test_what_they_may_not(store: Store, before: list[str], step: str) -> None:
    record(store)
    commit(store, 1, a_result(), OPEN)
    for earlier in before:
        take(store, 1, earlier)
    with pytest.raises(IllegalTransition, match="already"):
        take(store, 1, step)


def test_an_alarm_that_is_not_there(store: Store) -> None:
    with pytest.raises(NotFound, match="no alert 9"):
        take(store, 9, ACKNOWLEDGE)
