"""The patient's alarm, by all of the patient's films and by what the site knows."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest
from builders import IDENTITY, NOW, a_patient
from screening_bench import Bench, both, rescreen
from scripted import THIN, ScriptedPathway

from screening_node.domain.alarm import NO_LONGER_RAISED, AlarmStatus, PatientFacts, ThresholdSet
from screening_node.domain.result import Vertebra
from screening_node.store import alarms, records
from screening_node.store import tables as t


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


def test_an_alarm_outlives_a_newer_model_that_sees_none(bench: Bench) -> None:
    exam = bench.film(THIN)
    bench.run()
    lenient = ThresholdSet(name="lenient", source="test", by_vertebra=dict.fromkeys(Vertebra, -9.0))
    newer = ScriptedPathway(dataclasses.replace(IDENTITY, thresholds="lenient"))
    rescreen(bench, exam, bench.screening(pathways={"chest_film": newer}, thresholds=lenient))
    assert bench.result(exam).alarm_status == AlarmStatus.NOT_RAISED
    assert NO_LONGER_RAISED in bench.result(exam).alarm_reason
    assert [row.state for row in bench.rows(t.alarms)] == ["open"]
