import re

import pytest
from unit.reporting import cases

from screening_node.domain.alarm import AlarmDecision, AlarmStatus, AlarmStep
from screening_node.domain.result import RefusalCode, ScreeningResult
from screening_node.reporting import wording
from screening_node.reporting.source import Fault, Note

NOTE = Note(attribute="Patient ID", fault=Fault.MISSING)
SUPPRESSED = AlarmDecision(
    step=AlarmStep.SUPPRESS,
    status=AlarmStatus.NOT_RAISED,
    reason="Below threshold, but the site has recorded a known diagnosis.",
)


def comment(result: ScreeningResult, alarm: AlarmDecision, *, notes: tuple[Note, ...] = (), revision: int = 1) -> str:
    return wording.comment(result, alarm, cases.TABLE, notes, revision)


def test_the_text_says_everything_of_an_alarm() -> None:
    lines = comment(cases.result(), cases.RAISED).split("\r\n")
    assert lines[0] == "RESEARCH USE - NOT FOR DIAGNOSTIC USE"
    assert "BONE DENSITY ALARM RAISED. Below threshold." in lines
    assert "Estimated T-score below the alarm threshold: L1, L2." in lines
    assert "Lowest estimated T-score: -2.61 (L2)." in lines
    assert "Suggested follow-up: DXA." in lines
    assert "L1: 0.732 g/cm2 (SD 0.061), T-score -2.50, alarm below -2.20: BELOW" in lines
    assert "L4: 1.024 g/cm2 (SD 0.061), T-score -0.40, alarm below -1.90: not below" in lines
    assert f"T-scores by {cases.TABLE.citation}" in lines
    assert lines[-1] == f"Limits of use: {cases.MODEL.limits_of_use}"


def test_a_refusal_says_that_nothing_was_judged_and_why() -> None:
    said = comment(cases.refused(RefusalCode.AGE_UNKNOWN), cases.NOT_EVALUATED, notes=(NOTE,))
    assert "NOT EVALUATED: no bone density was estimated from this film." in said
    assert "Reason: The film was refused (AGE_UNKNOWN). (age-unknown)" in said
    assert "This says nothing about the patient's bone density." in said
    assert "- Patient ID is missing." in said
    assert "T-score" not in said


def test_a_film_without_alarm_excludes_nothing() -> None:
    said = comment(cases.normal(), cases.NOT_RAISED)
    assert "BONE DENSITY ALARM not raised. No vertebra is below its threshold." in said
    assert "A single film cannot exclude low bone density." in said
    assert "DXA." not in said.replace("No densitometry (DXA) was done.", "")


def test_a_suppressed_alarm_says_why() -> None:
    said = comment(cases.result(), SUPPRESSED)
    assert f"BONE DENSITY ALARM not raised. {SUPPRESSED.reason}" in said
    assert "Suggested follow-up" not in said


def test_a_revision_says_so() -> None:
    assert "Revision 2: this report replaces the one before it." in comment(
        cases.normal(), cases.NOT_RAISED, revision=2
    )
    assert "Revision" not in comment(cases.normal(), cases.NOT_RAISED)


@pytest.mark.parametrize(
    ("result", "alarm"),
    [
        (cases.result(), cases.RAISED),
        (cases.result(), SUPPRESSED),
        (cases.normal(), cases.NOT_RAISED),
        *((cases.refused(code), cases.NOT_EVALUATED) for code in RefusalCode),
    ],
)
def test_no_text_is_a_diagnosis_or_rules_one_out(result: ScreeningResult, alarm: AlarmDecision) -> None:
    words = comment(result, alarm).casefold()
    assert not re.search(
        r"osteopor|osteopen|\bnormal|healthy|no evidence|ruled out|rules out|unremarkable|negative", words
    )


@pytest.mark.parametrize(
    ("value", "threshold", "shown"),
    [
        (-2.5, -2.2, "-2.50"),
        (-2.2, -2.2, "-2.20"),
        (-2.2004, -2.2, "-2.2004"),  # below, and seen to be
        (-2.1996, -2.2, "-2.20"),
        (-2.196, -2.2, "-2.20"),
        (-2.2 - 1e-7, -2.2, "-2.200000"),
        (0.0, -2.2, "0.00"),
        (float("nan"), -2.2, None),
        (float("inf"), -2.2, None),
    ],
)
def test_a_t_score_is_shown_on_its_own_side_of_the_threshold(value: float, threshold: float, shown: str | None) -> None:
    assert wording.t_score(value, threshold) == shown


def test_a_bmd_that_is_no_number_is_not_shown() -> None:
    assert wording.bmd(0.98765) == "0.988"
    assert wording.bmd(float("nan")) is None
