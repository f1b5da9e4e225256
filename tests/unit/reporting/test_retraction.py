"""A report that was wrong is taken back in words, in every language and in every kind of object."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from unit.reporting import cases, trees
from unit.reporting.companions import REPORTER, companion
from unit.reporting.messages import key, made, resources, rows
from unit.reporting.test_page import pages

from screening_node.domain.alarm import HEADER_CORRECTED, RETRACTED_BY_A_PERSON, AlarmDecision
from screening_node.domain.result import RefusalCode
from screening_node.reporting import codes, wording
from screening_node.reporting.kinds import Kind
from screening_node.reporting.language import Language, words
from screening_node.reporting.message import MessageFormat
from screening_node.reporting.sentence import Sentences

FHIR = [MessageFormat.FHIR_R4, MessageFormat.FHIR_R5]
WRONG_BEFORE = [cases.RETRACTED, cases.CORRECTED]


def comment(alarm: AlarmDecision, language: Language = Language.ENGLISH) -> str:
    return wording.comment(cases.result(), alarm, cases.TABLE, (), 2, words(language))


def test_the_text_says_that_the_alarm_is_retracted_and_why() -> None:
    said = comment(cases.RETRACTED)
    assert f"BONE DENSITY ALARM RETRACTED. {RETRACTED_BY_A_PERSON} Reason given: “{cases.GIVEN}”" in said
    assert "Suggested follow-up" not in said
    assert "Revision 2: this report replaces the one before it." in said


@pytest.mark.parametrize("language", Language)
def test_every_language_says_it_and_quotes_the_person(language: Language) -> None:
    say = words(language)
    said = comment(cases.RETRACTED, language)
    assert say("BONE DENSITY ALARM RETRACTED.") in said
    assert say(RETRACTED_BY_A_PERSON) in said
    assert cases.GIVEN in said
    assert say(HEADER_CORRECTED) in comment(cases.CORRECTED, language)


def test_a_reason_that_looks_like_ours_is_the_persons() -> None:
    odd = replace(cases.RETRACTED, reason=f"{RETRACTED_BY_A_PERSON} Below threshold. {HEADER_CORRECTED} {{x}}")
    said = wording.alarm_reason(odd)
    assert said == f"{RETRACTED_BY_A_PERSON} Reason given: “Below threshold. {HEADER_CORRECTED} {{x}}”"


def test_the_page_says_it_in_its_band(tmp_path: Path) -> None:
    first, _ = pages(tmp_path, cases.result(), alarm=cases.RETRACTED, revision=2)
    assert "Bone density alarm RETRACTED" in first
    assert RETRACTED_BY_A_PERSON in first
    assert cases.GIVEN in first
    assert "DXA suggested" not in first


def test_the_page_says_that_the_header_was_corrected_beside_an_alarm(tmp_path: Path) -> None:
    first, _ = pages(tmp_path, cases.result(), alarm=cases.CORRECTED, revision=2)
    assert "Bone density ALARM" in first
    assert HEADER_CORRECTED in re.sub(r"\s+", " ", first)


def test_a_film_that_is_refused_now_still_says_that_its_alarm_is_retracted(tmp_path: Path) -> None:
    first, _ = pages(tmp_path, cases.refused(RefusalCode.EXPOSURE), alarm=cases.RETRACTED, revision=3)
    assert RETRACTED_BY_A_PERSON in re.sub(r"\s+", " ", first)


def test_the_sentence_for_dictation_says_it() -> None:
    said = Sentences().say(cases.result(), cases.RETRACTED)
    assert "alarm retracted; low bone density is not excluded" in said


def test_the_structured_report_codes_it_and_names_no_finding(tmp_path: Path) -> None:
    film = cases.film_file(tmp_path / "film.dcm")
    report = REPORTER.report(film, cases.result(), cases.RETRACTED, cases.AT, 2)
    group = trees.groups(trees.parsed(report))["Lumbar bone density of the patient"]
    assert trees.value(trees.child(group, codes.BONE_DENSITY_ALARM)).value == "ALARM-RETRACTED"
    for name in (codes.FINDING, codes.RECOMMENDED_FOLLOW_UP):
        assert trees.children(group, name) == []


def test_there_is_no_key_object_for_it(tmp_path: Path) -> None:
    assert companion(Kind.KO, tmp_path, cases.result(), alarm=cases.RETRACTED, revision=2) is None


@pytest.mark.parametrize("alarm", WRONG_BEFORE)
def test_hl7_corrects_what_it_sent_and_names_it(alarm: AlarmDecision, tmp_path: Path) -> None:
    first = made(tmp_path, cases.result())
    second = made(tmp_path, cases.result(), alarm=alarm, revision=2, previous=first.sop_instance_uid)
    (old,), (new,) = rows(first, "OBR"), rows(second, "OBR")
    assert (old[3], new[25]) == (new[3], "C")
    assert {row[11] for row in rows(second, "OBX")[1:]} == {"C"}
    control = first.data.decode().split("\r")[0].split("|")[9]
    replaced = [row[5] for row in rows(second, "OBX") if row[3].startswith("REPLACES^")]
    assert replaced == [control]


@pytest.mark.parametrize("form", FHIR)
@pytest.mark.parametrize("alarm", WRONG_BEFORE)
def test_fhir_says_corrected_not_amended(form: MessageFormat, alarm: AlarmDecision, tmp_path: Path) -> None:
    first = made(tmp_path, cases.result(), form)
    second = made(tmp_path, cases.result(), form, alarm=alarm, revision=2, previous=first.sop_instance_uid)
    (before,), (after,) = resources(first, "DiagnosticReport"), resources(second, "DiagnosticReport")
    assert (before["status"], after["status"]) == ("preliminary", "corrected")
    assert before["id"] == after["id"]
    assert {one["status"] for one in resources(second, "Observation")} == {"corrected"}
    assert first.sop_instance_uid in str(after["extension"])


def test_fhir_codes_the_retraction(tmp_path: Path) -> None:
    second = made(tmp_path, cases.result(), MessageFormat.FHIR_R5, alarm=cases.RETRACTED, revision=2)
    said = str(resources(second, "Observation"))
    assert key(codes.ALARM_VALUES[cases.RETRACTED.status])[0] in said
    assert "449781000" not in str(resources(second, "DiagnosticReport")), "no finding is left"
