"""The calibrated 90 % interval: in the Structured Report, the messages and the page; nowhere without a calibration."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from unit.reporting import cases, trees
from unit.reporting.companions import REPORTER
from unit.reporting.messages import in_fhir, in_hl7, made
from unit.reporting.test_messages import SITES
from unit.reporting.test_page import pages

from screening_node.domain.result import ScreeningResult
from screening_node.reporting import codes, wording
from screening_node.reporting.language import Language, words
from screening_node.reporting.message import MessageFormat

LIMITS = (codes.INTERVAL_LOW, codes.INTERVAL_HIGH)
#: L1: 0.7325 g/cm2, SD 0.061.
LOW, HIGH = 0.632, 0.833


def l1_bmd(folder: Path, result: ScreeningResult) -> dict[str, tuple[float, str]]:
    """What stands below L1's density in the Structured Report, by code: number and unit."""
    film = cases.film_file(folder / "film.dcm")
    document = trees.parsed(REPORTER.report(film, result, cases.RAISED, cases.AT))
    density, _ = trees.children(trees.groups(document)["Bone density of L1"], codes.BONE_DENSITY)
    items = [item for item in density.ContentSequence if item.ValueType == "NUM"]
    found = {str(item.ConceptNameCodeSequence[0].CodeValue): trees.value(item) for item in items}
    return {name: (float(value), unit.value) for name, (value, unit) in found.items()}


def test_the_structured_report_gives_its_limits_and_how_far_they_lie(tmp_path: Path) -> None:
    found = l1_bmd(tmp_path, cases.calibrated())
    half = 1.645 * 0.061
    assert found["INTERVAL-LOW"] == (LOW, "g/cm2")
    assert found["INTERVAL-HIGH"] == (HIGH, "g/cm2")
    for code in (codes.UNCERTAINTY_BELOW, codes.UNCERTAINTY_ABOVE):
        assert found[code.value] == (pytest.approx(half, abs=5e-4), "g/cm2")


def test_messages_give_the_same_limits(tmp_path: Path) -> None:
    judged = cases.calibrated()
    for said in (
        in_hl7(made(tmp_path, judged)),
        in_fhir(made(tmp_path, judged, MessageFormat.FHIR_R4), SITES),
        in_fhir(made(tmp_path, judged, MessageFormat.FHIR_R5), SITES),
    ):
        limits = {(one.concept[0], one.value, one.unit) for one in said if one.group == "L1"}
        assert {("INTERVAL-LOW", LOW, "g/cm2"), ("INTERVAL-HIGH", HIGH, "g/cm2")} <= limits


def test_nothing_says_an_interval_without_a_calibration(tmp_path: Path) -> None:
    names = {code.value for code in (*LIMITS, codes.UNCERTAINTY_BELOW, codes.UNCERTAINTY_ABOVE)}
    assert not names & set(l1_bmd(tmp_path, cases.result()))
    for form in MessageFormat:
        assert "INTERVAL-" not in made(tmp_path, cases.result(), form).data.decode()
    said = wording.comment(cases.result(), cases.RAISED, cases.TABLE, (), 1)
    assert "90 %" not in said
    assert wording.SPREAD in said


def test_people_read_it_in_the_text(tmp_path: Path) -> None:
    said = wording.comment(cases.calibrated(), cases.RAISED, cases.TABLE, (), 1)
    row = "L1: 0.732 g/cm2 (SD 0.061, 90 % interval 0.632 to 0.833), T-score -2.50, alarm below -2.20: BELOW"
    assert row in said
    assert wording.INTERVAL in said
    assert "not a confidence interval" not in said


@pytest.mark.parametrize("language", Language)
def test_every_language_says_the_limits(language: Language) -> None:
    say = words(language)
    said = wording.comment(cases.calibrated(), cases.RAISED, cases.TABLE, (), 1, say)
    assert say.decimal(f"{LOW}") in said
    assert say.decimal(f"{HIGH}") in said
    assert say(wording.INTERVAL) in said


def test_the_page_draws_it_and_says_so(tmp_path: Path) -> None:
    first, second = pages(tmp_path, cases.calibrated())
    assert "0.632 to 0.833" in first
    assert "Bar: 90 % interval" in first
    assert "not a confidence interval" not in first + second


def test_a_measurement_that_failed_has_no_limits(tmp_path: Path) -> None:
    broken = replace(cases.calibrated().findings[0], bmd=math.nan)
    found = in_hl7(made(tmp_path, replace(cases.calibrated(), findings=(broken,))))
    assert {one.value for one in found if one.concept[0].startswith("INTERVAL")} == {None}
