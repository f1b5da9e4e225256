"""A card's calibration: applied by vertebra and scanner, part of the model's identity, read back as written."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
import torch

from screening_node.domain.exam import ExamFiles
from screening_node.domain.result import BmdEstimate, Estimate, Refusal, RefusalCode, Vertebra
from screening_node.errors import BundleInvalid
from screening_node.imaging import header
from screening_node.pathways.calibration import ALL, Calibration, Line
from screening_node.pathways.chest_film.admission import AdmissionRules
from screening_node.pathways.chest_film.ensemble import calibrate
from screening_node.pathways.chest_film.pathway import ChestFilmPathway
from screening_node.pathways.weights import CARD, load_bundle, write_card
from screening_node.phantom.dicom_film import write_film

from .networks_for_tests import OPEN_GATE, REFERENCE, THRESHOLDS, make_bundle

NAMES = [str(vertebra) for vertebra in Vertebra]
PLAIN = dict.fromkeys(NAMES, Line(slope=1.0, intercept=0.0))
SPECIAL = {name: Line(slope=0.9, intercept=0.1 * number) for number, name in enumerate(NAMES)}
CALIBRATION = Calibration(
    lines={ALL: PLAIN, 'Maker "X" Modell Ä': SPECIAL}, interval_scale={**dict.fromkeys(NAMES, 1.5), "L4": 2.0}
)


def estimates(bmd: float = 1.0) -> tuple[BmdEstimate, ...]:
    return tuple(BmdEstimate(vertebra=vertebra, bmd=bmd, sd=0.1) for vertebra in Vertebra)


def test_a_scanner_with_lines_of_its_own_gets_them_and_every_other_the_common_ones() -> None:
    own = calibrate(estimates(), CALIBRATION, 'Maker "X" Modell Ä')
    assert isinstance(own, tuple)
    assert all(estimate.calibrated for estimate in own)
    assert [estimate.bmd for estimate in own] == pytest.approx([0.9, 1.0, 1.1, 1.2])
    assert [estimate.sd for estimate in own] == pytest.approx([0.135, 0.135, 0.135, 0.18])
    for scanner in (None, "Maker Y"):
        common = calibrate(estimates(), CALIBRATION, scanner)
        assert isinstance(common, tuple)
        assert [estimate.bmd for estimate in common] == [1.0] * 4
        assert common[0].sd == pytest.approx(0.15)


def test_what_becomes_impossible_is_refused() -> None:
    wild = replace(CALIBRATION, lines={ALL: dict.fromkeys(NAMES, Line(slope=3.0, intercept=0.0))})
    refusal = calibrate(estimates(), wild, None)
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode.ESTIMATE_IMPLAUSIBLE


@pytest.mark.parametrize(("slope", "intercept"), [(0.0, 0.0), (-1.0, 0.0), (float("nan"), 0.0), (1.0, float("inf"))])
def test_a_line_that_calibrates_nothing_is_none(slope: float, intercept: float) -> None:
    with pytest.raises(ValueError, match="no calibration"):
        Line(slope=slope, intercept=intercept)


def test_the_card_keeps_it_and_the_model_is_another(tmp_path: Path) -> None:
    before = make_bundle(tmp_path)
    text = (tmp_path / CARD).read_text(encoding="utf-8")
    write_card(tmp_path, replace(before, calibration=CALIBRATION))
    card = load_bundle(tmp_path).card
    assert card.calibration == CALIBRATION
    assert card.configuration_sha256 != before.configuration_sha256
    write_card(tmp_path, replace(card, calibration=None))
    assert (tmp_path / CARD).read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    "change", [("slope = 0.9", "slope = -0.9"), ("[calibration.lines.all.L2]", "[calibration.lines.all.L9]")]
)
def test_a_calibration_that_is_none_makes_the_bundle_invalid(tmp_path: Path, change: tuple[str, str]) -> None:
    write_card(tmp_path, replace(make_bundle(tmp_path), calibration=CALIBRATION))
    text = (tmp_path / CARD).read_text(encoding="utf-8")
    assert change[0] in text
    (tmp_path / CARD).write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(BundleInvalid, match="not a complete card"):
        load_bundle(tmp_path)


def test_the_pathway_calibrates_by_the_scanner_in_the_header(tmp_path: Path) -> None:
    plain_card = make_bundle(tmp_path / "bundle", gate=OPEN_GATE)
    write_film(21, tmp_path / "film.dcm", size=512)
    scanner = header.equipment(pydicom.dcmread(tmp_path / "film.dcm", stop_before_pixels=True))
    assert scanner is not None
    exam = ExamFiles(files=(tmp_path / "film.dcm",), requested_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))

    def answer() -> tuple[ChestFilmPathway, Estimate]:
        rules = AdmissionRules(reference=REFERENCE)
        pathway = ChestFilmPathway.load(tmp_path / "bundle", torch.device("cpu"), rules, thresholds=THRESHOLDS)
        (judged,) = pathway.judge([pathway.prepare(exam)])  # type: ignore[list-item]
        assert isinstance(judged, Estimate)
        return pathway, judged

    plain, before = answer()
    own = {scanner: SPECIAL, ALL: PLAIN}
    write_card(tmp_path / "bundle", replace(plain_card, calibration=replace(CALIBRATION, lines=own)))
    calibrated, after = answer()
    for number, (one, other) in enumerate(zip(before.bmd, after.bmd, strict=True)):
        assert other.bmd == pytest.approx(0.1 * number + 0.9 * one.bmd, abs=2e-4)
        assert other.sd == pytest.approx(one.sd * 0.9 * (2.0 if number == 3 else 1.5), abs=2e-4)
    assert plain.identity.weights_sha256 == calibrated.identity.weights_sha256
    assert plain.identity.configuration_sha256 != calibrated.identity.configuration_sha256
