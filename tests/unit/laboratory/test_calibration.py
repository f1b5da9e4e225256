"""Estimates that are off by a known line and SD are brought back; thresholds reach what was wanted; all loads again."""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from builders import a_reference
from pathways.networks_for_tests import make_bundle

from screening_node.domain.alarm import ThresholdSet
from screening_node.domain.result import Vertebra
from screening_node.errors import Misconfigured
from screening_node.laboratory import calibrated_bundle
from screening_node.laboratory.calibrated_bundle import Order, calibrate_bundle, table
from screening_node.laboratory.calibration import (
    SENSITIVITY,
    SPECIFICITY,
    Sample,
    Wanted,
    apply,
    fit,
    held_out,
    threshold,
)
from screening_node.laboratory.folder import Cohort, CohortFilm
from screening_node.laboratory.metrics import coverage
from screening_node.laboratory.predictions import Predictions
from screening_node.pathways.calibration import ALL, Calibration, Line
from screening_node.pathways.chest_film.admission import AdmissionRules
from screening_node.pathways.weights import CARD, load_bundle, write_card
from screening_node.settings import load_threshold_set

Floats = npt.NDArray[np.float64]
REFERENCE = a_reference(("any", "any", 1.1, 0.11))
BEFORE = ThresholdSet(name="before", source="", by_vertebra=dict.fromkeys(Vertebra, -2.0))
NINETY = Wanted(kind=SENSITIVITY, value=0.9)
#: How far the estimates are off: estimate = (truth - INTERCEPT) / SLOPE + noise, and they think their SD is SAID.
SLOPE, INTERCEPT, NOISE, SAID = 1.25, -0.2, 0.01, 0.1


def sample(count: int, seed: int = 0, scanners: Sequence[str | None] = ("Maker A",)) -> Sample:
    rng = np.random.default_rng(seed)
    truth = rng.normal(0.95, 0.13, (count, 4))
    estimate = (truth - INTERCEPT) / SLOPE + NOISE * rng.standard_normal((count, 4))
    return Sample(
        truth=truth,
        bmd=estimate,
        sd=np.full((count, 4), SAID),
        scanners=tuple(scanners[index % len(scanners)] for index in range(count)),
        patients=tuple(f"p{index // 2}" for index in range(count)),
        sexes=("F",) * count,
        reference=REFERENCE,
    )


def test_estimates_off_by_a_known_line_and_sd_are_brought_back() -> None:
    fitted = fit(sample(2000), NINETY)
    for line in fitted.calibration.lines[ALL].values():
        assert line.slope == pytest.approx(SLOPE, rel=0.04)
        assert line.intercept == pytest.approx(INTERCEPT, abs=0.035)
    fresh = sample(2000, seed=1)
    bmd, sd = apply(fitted.calibration, fresh)
    assert np.abs(bmd - fresh.truth).mean() < 0.012
    assert float((bmd - fresh.truth).mean()) == pytest.approx(0.0, abs=0.003)
    for column in range(4):
        assert 0.87 < (coverage(fresh.truth[:, column], bmd[:, column], sd[:, column], 0.9) or 0) < 0.93
        assert coverage(fresh.truth[:, column], fresh.bmd[:, column], fresh.sd[:, column], 0.9) != pytest.approx(
            0.9, abs=0.03
        )


def test_apply_is_what_the_pathway_does() -> None:
    calibration = fit(sample(300), NINETY).calibration
    some = sample(3, seed=2)
    bmd, sd = apply(calibration, some)
    for column, vertebra in enumerate(Vertebra):
        said = calibration.apply(vertebra, some.bmd[1, column], some.sd[1, column], "Maker B")
        assert (bmd[1, column], sd[1, column]) == pytest.approx(said)


@pytest.mark.parametrize(
    ("kind", "value"), [(SENSITIVITY, 0.9), (SENSITIVITY, 0.97), (SPECIFICITY, 0.9), (SPECIFICITY, 0.6)]
)
def test_thresholds_reach_the_wanted_figure_and_not_more_than_needed(kind: str, value: float) -> None:
    own = sample(1500)
    fitted = fit(own, Wanted(kind=kind, value=value))
    scores = own.t_scores(apply(fitted.calibration, own)[0])
    positive = own.positive() == 1
    for column, found in enumerate(fitted.thresholds):
        right = (scores[:, column] < found) == positive[:, column]
        wanted = positive[:, column] if kind == SENSITIVITY else ~positive[:, column]
        assert right[wanted].mean() >= value
        # Further by the two decimals and the margin, and the figure would be missed.
        step = -0.03 if kind == SENSITIVITY else 0.03
        further = (scores[:, column] < found + step) == positive[:, column]
        assert further[wanted].mean() < value


def test_a_threshold_at_the_deciding_film() -> None:
    scores = np.array([-4.0, -3.0, -2.0, -1.0, 0.0, 1.0])
    positive = np.array([True, True, True, False, False, False])
    assert threshold(scores, positive, Wanted(kind=SENSITIVITY, value=0.6)) == pytest.approx(-2.99)
    assert threshold(scores, positive, Wanted(kind=SENSITIVITY, value=0.99)) == pytest.approx(-1.99)
    assert threshold(scores, positive, Wanted(kind=SPECIFICITY, value=0.99)) == pytest.approx(-1.01)
    assert threshold(scores, positive, Wanted(kind=SPECIFICITY, value=0.6)) == pytest.approx(-0.01)
    with pytest.raises(Misconfigured, match="no threshold set can hold"):
        threshold(scores + 9, positive, NINETY)


def test_figures_held_out_are_of_films_that_nothing_was_fitted_on() -> None:
    own = sample(1000)
    found = held_out(own, NINETY)
    for vertebra in Vertebra:
        assert found[vertebra]["films"] == 1000
        assert 0.85 < found[vertebra]["coverage_90"] < 0.95
        assert found[vertebra]["slope"] == pytest.approx(1.0, abs=0.03)
        assert 0.7 < found[vertebra]["sensitivity"] <= 1.0


def test_a_scanner_with_enough_films_gets_its_own_lines_and_a_rare_one_those_of_all() -> None:
    own = sample(400, scanners=("Maker A", "Maker B"))
    moved = np.array([scanner == "Maker B" for scanner in own.scanners])
    own = replace(own, bmd=own.bmd + 0.1 * moved[:, None])
    rare = replace(own, scanners=(*own.scanners[:390], *[None] * 4, *["Maker C"] * 6))
    fitted = fit(rare, NINETY, by_scanner=True)
    assert list(fitted.calibration.lines) == [ALL, "Maker A", "Maker B"]
    assert fitted.rare == {"Maker C": 6, "no maker in the header": 4}
    lines = fitted.calibration.lines
    shift = lines["Maker A"]["L1"].intercept - lines["Maker B"]["L1"].intercept
    assert shift == pytest.approx(0.1 * SLOPE, abs=0.06)
    assert list(fit(rare, NINETY).calibration.lines) == [ALL]


def test_what_was_not_measured_or_refused_is_left_out() -> None:
    own = sample(400)
    truth, bmd = own.truth.copy(), own.bmd.copy()
    truth[::5, 0], bmd[::7, 2] = np.nan, np.nan
    holes = replace(own, truth=truth, bmd=bmd)
    assert fit(holes, NINETY).calibration.lines[ALL]["L1"].slope == pytest.approx(SLOPE, rel=0.1)
    assert held_out(holes, NINETY)["L1"]["films"] == 320


def test_too_few_cases_are_told_with_their_numbers() -> None:
    healthy = sample(200)
    with pytest.raises(Misconfigured, match=r"L1: 200 films, 0 at T <= -2.5, 200 above"):
        fit(replace(healthy, truth=healthy.truth + 0.9), NINETY)
    with pytest.raises(Misconfigured, match="L1: 20 films"):
        fit(sample(20), NINETY)


def test_estimates_that_do_not_follow_the_truth_are_not_calibrated() -> None:
    own = sample(400)
    with pytest.raises(Misconfigured, match="L1 do not rise with the truth"):
        fit(replace(own, bmd=2 - own.bmd), NINETY)


@pytest.mark.parametrize(
    ("kind", "value"), [(SENSITIVITY, 0.0), (SENSITIVITY, 1.0), ("accuracy", 0.9), (SPECIFICITY, 90.0)]
)
def test_a_figure_that_none_can_reach_is_refused(kind: str, value: float) -> None:
    with pytest.raises(Misconfigured, match="No threshold can be fitted"):
        Wanted(kind=kind, value=value)


def cohort_of(own: Sample) -> tuple[Cohort, Predictions]:
    films = tuple(
        CohortFilm(
            row=index + 2,
            film=f"{index}.dcm",
            path=Path(f"{index}.dcm"),
            patient_id=own.patients[index],
            sex="F",
            age=60,
            bmi=None,
            bmd=own.truth[index],
            landmarks=None,
            equipment=own.scanners[index],
        )
        for index in range(len(own))
    )
    refusals = tuple("not-chest" if index % 50 == 0 else None for index in range(len(own)))
    predictions = Predictions(
        model="tiny",
        films=tuple(film.film for film in films),
        bmd=own.bmd,
        sd=own.sd,
        refusals=refusals,
        landmarks=None,
    )
    return Cohort(folder=Path(), name="ward 7, Süd", films=films), predictions


@pytest.fixture
def old(tmp_path: Path) -> Path:
    make_bundle(tmp_path / "old")
    (tmp_path / "old" / "MODEL_CARD.md").write_text("# tiny 0\n\nInvented.\n", encoding="utf-8")
    return tmp_path / "old"


def order_of(old: Path) -> Order:
    return Order(bundle=old, wanted=NINETY, reference=REFERENCE, thresholds=BEFORE, day=dt.date(2026, 11, 21))


def calibrated(
    old: Path, to: Path, monkeypatch: pytest.MonkeyPatch, order: Order | None = None
) -> calibrated_bundle.Written:
    cohort, predictions = cohort_of(sample(400))
    monkeypatch.setattr(calibrated_bundle, "judge_cohort", lambda *_, **__: predictions)
    rules = AdmissionRules(reference=REFERENCE)
    return calibrate_bundle(cohort, order or order_of(old), to, rules=rules, device=torch.device("cpu"))


def test_a_new_bundle_and_thresholds_are_written_and_load(
    old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in old.iterdir()}
    written = calibrated(old, tmp_path / "new", monkeypatch)
    assert {path.name: path.read_bytes() for path in old.iterdir()} == before

    card, first = load_bundle(written.bundle).card, load_bundle(old).card
    assert card.version.startswith("0+ward-7-S-d.20261121.")
    assert card.calibration is not None
    assert card.calibration.lines[ALL]["L1"].slope == pytest.approx(SLOPE, rel=0.1)
    assert card.metrics["calibration"]["judged"] == 392
    assert card.metrics["L1"] == first.metrics["L1"]
    assert (card.weights_sha256, card.limits_of_use) == (first.weights_sha256, first.limits_of_use)
    assert card.configuration_sha256 != first.configuration_sha256

    thresholds = load_threshold_set(written.thresholds)
    assert thresholds.name == f"ward-7-S-d-sensitivity-90 {written.summary['version']}"
    assert "on 392 films of 200 patients of the cohort ward 7, Süd, 2026-11-21" in thresholds.source
    model_card = (written.bundle / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert first.limits_of_use in model_card
    assert "Invented." in model_card
    summary = json.loads((tmp_path / "new" / "calibration.json").read_text(encoding="utf-8"))
    row = summary["vertebrae"]["L2"]
    assert row["before"]["slope"] == pytest.approx(SLOPE, rel=0.1)
    assert row["after, same films"]["slope"] == pytest.approx(1.0, abs=1e-6)
    assert row["after, same films"]["sensitivity"] >= 0.9
    assert (row["before"]["threshold"], row["after, held out"]["threshold"]) == (
        -2.0,
        thresholds.by_vertebra[Vertebra.L2],
    )
    assert table(summary).row_count == 12


def test_a_calibrated_bundle_is_calibrated_from_its_raw_answers(
    old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [str(vertebra) for vertebra in Vertebra]
    wrong = Calibration(
        lines={ALL: dict.fromkeys(names, Line(slope=0.5, intercept=0.7))}, interval_scale=dict.fromkeys(names, 1.0)
    )
    write_card(old, replace(load_bundle(old).card, calibration=wrong, version="0+past.1"))
    written = calibrated(old, tmp_path / "new", monkeypatch)
    card = load_bundle(written.bundle).card
    assert card.version.startswith("0+ward-7-S-d.")
    assert card.calibration is not None
    assert card.calibration.lines[ALL]["L1"].slope == pytest.approx(SLOPE, rel=0.1)
    before = written.summary["vertebrae"]["L1"]["before"]
    assert before["slope"] == pytest.approx(SLOPE / 0.5, rel=0.1)


def test_nothing_is_written_over(old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calibrated(old, tmp_path / "new", monkeypatch)
    text = (tmp_path / "new" / "bundle" / CARD).read_text(encoding="utf-8")
    with pytest.raises(Misconfigured, match="is there already"):
        calibrated(old, tmp_path / "new", monkeypatch)
    assert (tmp_path / "new" / "bundle" / CARD).read_text(encoding="utf-8") == text


def test_the_same_answers_give_the_same_files(old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = (calibrated(old, tmp_path / name, monkeypatch) for name in ("one", "other"))
    assert (one.bundle / CARD).read_bytes() == (other.bundle / CARD).read_bytes()
    assert one.thresholds.read_bytes() == other.thresholds.read_bytes()
