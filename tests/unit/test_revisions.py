"""A report that was wrong: its alarm is retracted, or its film comes again with another header."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from builders import a_patient, an_instance
from screening_bench import Bench, rescreen
from scripted import HEALTHY, THIN, ScriptedPathway

from screening_node.admin import actions
from screening_node.domain.alarm import HEADER_CORRECTED, NO_LONGER_RAISED, RETRACTED_BY_A_PERSON, AlarmStatus
from screening_node.domain.exam import ExamKey
from screening_node.errors import ChangedMeanwhile, IllegalTransition, NotFound, Permanent
from screening_node.queue.lease import utc_now
from screening_node.reporting.kinds import SopReference
from screening_node.store import corrections
from screening_node.store import tables as t
from screening_node.store.archive import Archive
from screening_node.store.records import Recorded
from screening_node.store.session import Store

pytestmark = pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def bench(store: Store, archive: Archive) -> Bench:
    return Bench(store, archive)


def alarmed(bench: Bench, **changes: Any) -> int:
    exam = bench.film(THIN, **changes)
    assert bench.run() == [None]
    return exam


def retract(bench: Bench, number: int = 1, reason: str | None = "A metal marker lay on the clavicle.") -> list[int]:
    return actions.retract(bench.store, number, actor="dr", reason=reason)


def test_a_retraction_gives_a_new_report_that_names_the_old_one_and_says_why(bench: Bench) -> None:
    exam = alarmed(bench)
    first = bench.rows(t.outbox)[0]
    assert retract(bench) == [exam]
    assert bench.run() == [None]
    result = bench.result(exam)
    assert (result.revision, result.alarm_status, result.alarm) == (2, AlarmStatus.RETRACTED, 1)
    decision, _, revision, previous = bench.reporter.calls[-1]
    assert decision.reason == f"{RETRACTED_BY_A_PERSON} A metal marker lay on the clavicle."
    assert decision.corrects
    assert revision == 2
    assert previous == SopReference(sop_class_uid=first.sop_class_uid, sop_instance_uid=first.sop_instance_uid)
    assert len(bench.rows(t.outbox)) == 4


def test_a_retracted_alarm_is_closed_and_audited(bench: Bench) -> None:
    exam = alarmed(bench)
    retract(bench)
    (alarm,) = bench.rows(t.alarms)
    assert (alarm.state, alarm.outcome, alarm.closed_by) == ("closed", "retracted", "dr")
    (row,) = bench.rows(t.audit, action="alert.retract")
    assert (row.actor, row.subject, row.detail) == ("dr", "alert 1", {"exams": [exam]})


def test_a_retraction_stays_however_often_the_film_is_judged(bench: Bench) -> None:
    exam = alarmed(bench)
    retract(bench)
    bench.run()
    rescreen(bench, exam)
    assert bench.result(exam).revision == 2
    newer = ScriptedPathway(replace(bench.pathway.identity, weights_sha256="ef" * 32))
    rescreen(bench, exam, bench.screening(pathways={"chest_film": newer}))
    assert (bench.result(exam).revision, bench.result(exam).alarm_status) == (3, AlarmStatus.RETRACTED)
    assert len(bench.rows(t.alarms)) == 1


def test_another_film_of_the_patient_raises_an_alarm_of_its_own(bench: Bench) -> None:
    patient = a_patient(patient_id="P9")
    alarmed(bench, patient=patient)
    retract(bench)
    bench.run()
    later = alarmed(bench, patient=patient)
    assert (bench.result(later).alarm_status, bench.result(later).alarm) == (AlarmStatus.RAISED, 2)


def test_every_film_behind_an_alarm_is_reported_again(bench: Bench) -> None:
    patient = a_patient(patient_id="P9")
    films = [alarmed(bench, patient=patient), alarmed(bench, patient=patient)]
    assert retract(bench) == films
    assert bench.run() == [None, None]
    assert {bench.result(exam).alarm_status for exam in films} == {AlarmStatus.RETRACTED}


def test_a_film_that_retention_removed_is_not_asked_for(bench: Bench) -> None:
    alarmed(bench)
    with bench.store.begin() as tx:
        tx.execute(t.instances.update().values(removed_at=utc_now()))
    assert retract(bench) == []
    assert bench.rows(t.alarms)[0].outcome == "retracted"
    assert bench.claim() == []


def test_what_was_dismissed_can_still_be_retracted_and_nothing_twice(bench: Bench) -> None:
    alarmed(bench)
    actions.close(bench.store, 1, actor="dr", comment="Nothing.")
    retract(bench)
    with pytest.raises(IllegalTransition, match="retracted already"):
        retract(bench)


def test_a_retraction_needs_a_reason_an_alert_and_the_version_that_was_seen(bench: Bench) -> None:
    alarmed(bench)
    for reason in (None, " \n ", "x" * 301, "a\x1bb"):
        with pytest.raises(Permanent, match="needs a reason"):
            retract(bench, reason=reason)
    with pytest.raises(NotFound):
        retract(bench, 7)
    with pytest.raises(ChangedMeanwhile):
        actions.retract(bench.store, 1, actor="dr", reason="Wrong.", version=5)
    assert bench.rows(t.alarms)[0].state == "open"
    assert bench.claim() == []


# The same film, another header


def corrected(bench: Bench, exam: int, says: object = THIN, **changes: Any) -> bool:
    """The exam's film comes again, as ``changes`` of its row have it."""
    (row,) = bench.rows(t.instances, exam_id=exam)
    temp = bench.archive.spool()
    temp.write_bytes(f"again{says!s:>24}".encode())
    path = bench.archive.keep(temp, row.sop_instance_uid)
    instance = an_instance(row.sop_instance_uid, b"again", path=path, **changes)
    with bench.store.begin() as tx:
        return corrections.correct(tx, instance, now=utc_now()) is Recorded.CORRECTED


def test_a_corrected_header_gives_a_new_report_though_the_numbers_are_the_same(bench: Bench) -> None:
    exam = alarmed(bench)
    assert corrected(bench, exam, patient=a_patient(patient_id="P1", name="Right^Name"))
    assert bench.run() == [None]
    result = bench.result(exam)
    assert (result.revision, result.alarm_status, result.alarm) == (2, AlarmStatus.RAISED, 1)
    assert bench.reporter.calls[-1][0].reason.startswith(HEADER_CORRECTED)
    assert bench.rows(t.exams)[0].patient_name == "Right^Name"
    assert [row.action for row in bench.rows(t.audit)] == ["film.corrected"]
    rescreen(bench, exam)
    assert bench.result(exam).revision == 2, "judged again, it is the same report"


def test_a_film_of_another_patient_takes_the_alarm_with_it(bench: Bench) -> None:
    exam = alarmed(bench)
    assert corrected(bench, exam, patient=a_patient(patient_id="RIGHT"))
    (old,) = bench.rows(t.alarms)
    assert (old.state, old.outcome, old.closed_by) == ("closed", "retracted", "node")
    bench.run()
    _, new = bench.rows(t.alarms)
    assert (new.patient_key, new.state) == (bench.rows(t.exams)[0].patient_key, "open")
    assert (bench.result(exam).alarm, bench.result(exam).alarm_status) == (2, AlarmStatus.RAISED)


def test_an_alarm_with_other_films_stays_with_them(bench: Bench) -> None:
    patient = a_patient(patient_id="P9")
    first = alarmed(bench, patient=patient)
    second = bench.film(0.6, patient=patient)
    bench.run()
    assert bench.rows(t.alarms)[0].lowest_t == pytest.approx(-4.0)
    corrected(bench, second, patient=a_patient(patient_id="RIGHT"))
    (alarm,) = bench.rows(t.alarms)
    assert (alarm.state, alarm.lowest_t) == ("open", pytest.approx(-3.0))
    assert alarm.result_id == bench.result(first).id


def test_a_correction_may_change_the_answer(bench: Bench) -> None:
    exam = alarmed(bench)
    corrected(bench, exam, HEALTHY, patient=a_patient(patient_id="P1", sex="M"))
    bench.run()
    result = bench.result(exam)
    assert result.alarm_status == AlarmStatus.NOT_RAISED
    assert result.alarm_reason.startswith(HEADER_CORRECTED)
    assert NO_LONGER_RAISED not in result.alarm_reason, "of other data nothing was said before"


def test_a_film_that_is_being_judged_is_judged_as_corrected(bench: Bench) -> None:
    exam = bench.film(THIN)
    (job,) = bench.claim()
    screening = bench.screening()
    prepared = screening.prepare(job)
    corrected(bench, exam, HEALTHY, patient=a_patient(patient_id="P1"))
    assert screening.judge([(job, prepared)]) == [None]
    assert bench.rows(t.results) == []
    bench.run()
    assert (bench.result(exam).revision, bench.result(exam).alarm_status) == (1, AlarmStatus.NOT_RAISED)


def test_what_makes_another_exam_of_a_film_or_nothing_new_is_no_correction(bench: Bench) -> None:
    exam = alarmed(bench)
    (row,) = bench.rows(t.instances)
    elsewhere = ExamKey(pathway="chest_film", key="elsewhere", complete=True)
    for instance, outcome in (
        (an_instance(row.sop_instance_uid, b"again", exam=elsewhere), Recorded.CONFLICT),
        (an_instance("1.2.3.4", b"again"), Recorded.CONFLICT),
        (an_instance(row.sop_instance_uid), Recorded.DUPLICATE),
    ):
        with bench.store.begin() as tx:
            assert corrections.correct(tx, instance, now=utc_now()) is outcome
    assert bench.rows(t.instances) == [row]
    assert bench.result(exam).revision == 1
    assert bench.claim() == []


def test_nothing_is_kept_under_a_strange_uid(bench: Bench) -> None:
    with bench.store.read() as tx:
        assert corrections.kept(tx, "1.2.3.4") is None
        assert tx.execute(sa.select(sa.func.count()).select_from(t.instances)).scalar_one() == 0
