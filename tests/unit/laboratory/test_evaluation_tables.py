"""Tables against numbers worked out by hand, scikit-learn and SciPy."""

from dataclasses import replace

import numpy as np
import pytest
from laboratory.studies import POINTS, REFERENCE, answers, cohort, film, study, usual
from scipy import stats
from sklearn.metrics import roc_auc_score

from screening_node.domain.tscore import ReferenceRow
from screening_node.errors import Misconfigured
from screening_node.laboratory.evaluation import (
    comparison,
    landmarks,
    population,
    subgroups,
    tables,
    uncertainty,
    worst,
)
from screening_node.laboratory.evaluation.table import Column, Row, Table

NAN = np.nan


def row_of(table: Table, **wanted: object) -> Row:
    (row,) = [row for row in table.rows if all(row[key] == value for key, value in wanted.items())]
    return row


def test_table_one_is_that_of_scipy_and_scikit_learn() -> None:
    usual_study = usual()
    row = row_of(tables.table_one(usual_study), model="attentive")
    rs = []
    for index, vertebra in enumerate(("L1", "L2", "L3", "L4")):
        estimate = usual_study.models["attentive"].bmd[:, index]
        kept = np.isfinite(estimate)
        truth, estimate = usual_study.truth[kept, index], estimate[kept]
        rs.append(stats.pearsonr(truth, estimate).statistic)
        assert row[f"{vertebra}_r"] == pytest.approx(rs[-1], abs=1e-6)
        assert row[f"{vertebra}_rmse"] == pytest.approx(np.sqrt(np.mean((truth - estimate) ** 2)), abs=1e-6)
        assert row[f"{vertebra}_auc"] == pytest.approx(roc_auc_score(truth <= 0.75, -estimate), abs=1e-6)
        assert row[f"{vertebra}_r_low"] < row[f"{vertebra}_r"] < row[f"{vertebra}_r_high"]
    assert row["average_r"] == pytest.approx(np.mean(rs), abs=1e-6)
    assert {each["model"] for each in tables.table_one(usual_study).beside} >= {"Wang 2022, Attentive Multi-ROI"}


def test_table_two_by_hand() -> None:
    # L1 by DXA: T -3, -3, 0, 0; estimated T -2.3, -2.1, -2.3, 0
    of = cohort([film(n, [bmd, 1.0, 1.0, NAN]) for n, bmd in enumerate((0.70, 0.70, 1.0, 1.0))])
    estimate = np.array([[bmd, 1.0, 1.0, 1.0] for bmd in (0.77, 0.79, 0.77, 1.0)])
    table = tables.table_two(study(of, answers(of, estimate)))
    flex, uniform = row_of(table, thresholds="flex"), row_of(table, thresholds="−2.25")
    assert (flex["L1_sensitivity"], flex["L1_specificity"]) == (0.5, 0.5)  # below -2.2: the first and the third
    assert (uniform["L1_sensitivity"], uniform["L1_specificity"]) == (0.5, 0.5)
    assert row_of(table, thresholds="−2")["L1_sensitivity"] == 1.0
    assert row_of(table, thresholds="−2.5")["L1_sensitivity"] == 0.0
    assert flex["L2_sensitivity"] is None  # nobody's L2 is osteoporotic
    assert flex["L4_specificity"] is None  # nobody's L4 was measured
    assert flex["average_specificity"] == pytest.approx((0.5 + 1 + 1) / 3)


def test_table_three_counts_patients_not_films() -> None:
    films = [
        film(0, [0.70, 1.0, 1.0, 1.0], patient_id="A"),
        film(1, [0.90, 1.0, 1.0, 1.0], patient_id="A"),
        film(2, [0.70, 1.0, 1.0, 1.0], patient_id="B"),
        film(3, [1.00, 1.0, 1.0, 1.0], patient_id="C"),
        film(4, [0.85, 1.0, 1.0, 1.0], patient_id="D"),
    ]
    of = cohort(films)
    estimate = np.ones((5, 4))
    estimate[1, 2] = 0.7  # one film of A is called
    estimate[2] = NAN  # B is refused
    table = tables.table_three(study(of, answers(of, estimate)))
    row = row_of(table, thresholds="flex")
    assert (row["positives"], row["negatives"], row["refused"]) == (1, 2, 1)
    assert (row["sensitivity"], row["specificity"]) == (1.0, 1.0)
    assert row["sensitivity_of_all"] == 0.5
    assert row["osteopenia_sensitivity"] == 0.5  # A and D (T -1.5), of whom A
    counted = tables.by_count(study(of, answers(of, estimate)))
    assert [(each["group"], each["patients"], each["alarms"]) for each in counted.rows[:3]] == [
        ("none", 2, 0),
        ("any", 1, 1),
        ("1", 1, 1),
    ]


def test_figure_seven_leaves_out_patients_whose_vertebrae_were_not_all_measured() -> None:
    of = cohort([film(0, [0.7, 0.7, 1.0, 1.0]), film(1, [0.7, 0.7, 0.7, NAN])])
    table = tables.by_count(study(of, answers(of, np.full((2, 4), 0.7))))
    assert [row["patients"] for row in table.rows] == [0, 1, 0, 1, 0, 0]


def test_refusals_by_reason() -> None:
    of = cohort([film(number, [1.0] * 4) for number in range(4)])
    codes = ("not-frontal", None, "not-frontal", "hardware-on-bone")
    bmd = np.where(np.array([code is None for code in codes])[:, None], 1.0, NAN) * np.ones(4)
    table = tables.refusals(study(of, answers(of, bmd, refusals=codes)))
    assert [(row["reason"], row["films"], row["share"]) for row in table.rows] == [
        ("not-frontal", 2, 0.5),
        ("hardware-on-bone", 1, 0.25),
        ("judged", 1, 0.25),
    ]


def test_landmark_errors_in_mm_and_to_the_margin() -> None:
    of = cohort([film(0, [1.0] * 4), film(1, [1.0] * 4, landmarks=None)])
    moved = POINTS.copy()
    moved[0] += (30, 40)  # a clavicle point, 50 px
    along = POINTS[7] - POINTS[6]
    moved[6] += along  # a rib point, along its own margin
    found = answers(of, np.ones((2, 4)), landmarks=np.stack([moved, moved]))
    one = study(of, found)
    errors = landmarks.errors(one, np.array([[0.2, 0.2], [0.2, 0.2]]))["one"]
    assert errors.points[0, 0] == pytest.approx(10.0)
    assert errors.points[0, 6] == pytest.approx(0.2 * np.hypot(*along))
    assert errors.margin[0] == pytest.approx(np.zeros(8), abs=1e-9)
    assert np.isnan(errors.points[1]).all()
    table = landmarks.table(one, {"one": errors})
    clavicle = row_of(table, kind="clavicle")
    assert (clavicle["points"], clavicle["mean_mm"]) == (6, pytest.approx(10 / 6))
    assert clavicle["within_10mm"] == 1.0
    assert row_of(table, kind="C7")["mean_mm"] == 0.0


def test_uneven_pixels_are_measured_by_row_and_column() -> None:
    of = cohort([film(0, [1.0] * 4)])
    found = answers(of, np.ones((1, 4)), landmarks=POINTS[None] + (10, 0))
    errors = landmarks.errors(study(of, found), np.array([[0.5, 0.2]]))["one"]  # 10 columns of 0.2 mm
    assert errors.points == pytest.approx(np.full((1, 16), 2.0))


def test_subgroups_are_the_study_of_their_films() -> None:
    whole = usual()
    table = subgroups.subgroups(whole, {})
    row = row_of(table, model="attentive", by="finding", group="effusion")
    shown = np.array([bool(each.findings) for each in whole.cohort.films])
    part = whole.subset(shown)
    assert row["films"] == int(shown.sum())
    assert row["r"] == pytest.approx(part.measured["attentive"].value("r", None), abs=1e-6)
    assert {each["by"] for each in table.rows} == {"all", "sex", "age", "finding"}
    assert row_of(table, model="attentive", by="all", group="all films")["refused"] == 8


def test_subgroups_by_scanner_and_landmark_error() -> None:
    of = cohort([film(n, [0.7 + 0.01 * n] * 4, scanner="AB"[n % 2]) for n in range(30)])
    one = study(of, answers(of, of.bmd + 0.01))
    table = subgroups.subgroups(one, {"one": np.array([1.0] * 20 + [4.0] * 9 + [NAN])})
    assert row_of(table, by="scanner", group="A")["films"] == 15
    assert row_of(table, by="landmark error", group="0 to 3 mm")["films"] == 20
    assert row_of(table, by="landmark error", group="3 to 6 mm")["films"] == 9


def worst_of(generator: str | None) -> tuple[Row, ...]:
    truth = np.full((4, 4), 1.0)
    truth[2, 3] = NAN  # not measured: out of that film's means
    of = cohort([film(n, truth[n], findings=("effusion",) if n == 2 else ()) for n in range(4)], generator=generator)
    estimate = truth + np.array([[0.01], [-0.02], [-0.3], [0.1]])
    estimate[0] = NAN  # refused: no error
    return worst.table(study(of, answers(of, estimate)), {"one": np.array([1.0, 2.0, NAN, 4.0])}).rows


def test_the_worst_films_come_first_with_what_they_show() -> None:
    first, second, third = worst_of("anatomical")
    assert (first["film"], first["error"], first["dxa"], first["estimate"]) == ("films/2.dcm", -0.3, 1.0, 0.7)
    assert (first["shows"], first["landmark_mm"]) == ("effusion", None)
    assert (second["film"], second["error"], second["landmark_mm"]) == ("films/3.dcm", 0.1, 4.0)
    assert third["film"] == "films/1.dcm"


def test_films_of_a_hospital_go_by_their_row() -> None:
    assert [row["film"] for row in worst_of(None)] == ["row 4", "row 5", "row 3"]


def test_models_are_compared_over_the_films_that_both_judged() -> None:
    whole = usual(300)
    rows = {row["vertebra"]: row for row in comparison.table(whole).rows}
    assert rows["L1"]["films"] == 300 - 18
    assert rows["average"]["r"] > 0.1
    assert rows["average"]["r_low"] > 0
    assert rows["average"]["r_p"] < 0.05
    assert rows["L1"]["delong_p"] < 0.05
    both = np.isfinite(whole.models["attentive"].bmd[:, 0])
    truth = whole.truth[both, 0]
    one, other = (
        stats.pearsonr(truth, whole.models[name].bmd[both, 0]).statistic for name in ("attentive", "thumbnail")
    )
    assert rows["L1"]["r"] == pytest.approx(one - other, abs=1e-6)


def test_a_model_and_its_copy_do_not_differ() -> None:
    whole = usual(80)
    copy = replace(whole, models={"a": whole.models["thumbnail"], "b": whole.models["thumbnail"]})
    for row in comparison.cost_of_landmarks(copy, [("a", "b")]).rows:
        assert row["r"] == row["r_low"] == row["r_high"] == 0.0
        assert row["r_p"] == 1.0


def test_coverage_of_a_model_that_is_too_sure() -> None:
    rng = np.random.default_rng(1)
    of = cohort([film(number, rng.normal(0.9, 0.1, 4)) for number in range(1500)])
    found = answers(of, of.bmd + rng.normal(0, 0.1, (1500, 4)), sd=np.full((1500, 4), 0.05))
    one = study(of, found)
    row = row_of(uncertainty.coverage_table(one), vertebra="L1")
    assert row["before"] == pytest.approx(0.59, abs=0.04)
    assert row["after"] == pytest.approx(0.90, abs=0.025)
    assert row["factor"] == pytest.approx(2.0, abs=0.15)
    half = uncertainty.halves(one.patients)
    factors = uncertainty.corrected_factors(one, "one", 0, 0.9)
    assert len(set(factors[half])) == len(set(factors[~half])) == 1


def test_halves_keep_a_patients_films_together() -> None:
    patients = ["a", "a", "b", "c", "c", "d"]
    half = uncertainty.halves(patients, seed=4)
    assert half[0] == half[1]
    assert half[3] == half[4]
    assert len({patient for patient, chosen in zip(patients, half, strict=True) if chosen}) == 2


def test_calibration_by_vertebra() -> None:
    of = cohort([film(number, [0.6 + 0.05 * number] * 4) for number in range(12)])
    row = row_of(uncertainty.calibration_table(study(of, answers(of, 2 * of.bmd - 1))), vertebra="L3")
    assert (row["slope"], row["intercept"]) == pytest.approx((0.5, 0.5))
    assert row["slope_low"] == pytest.approx(0.5)


def test_bmd_and_errors_by_age_and_sex() -> None:
    films = [film(n, [0.8 + 0.1 * (n % 3)] * 3 + [NAN], age=52, sex="F") for n in range(9)]
    of = cohort([*films, film(9, [1.0] * 4, age=None)])
    one = study(of, answers(of, np.where(np.isnan(of.bmd), 1.0, of.bmd) + 0.05))
    row = row_of(population.bmd_by_age(one), sex="F", age="50–54")
    assert (row["films"], row["L1"], row["L4"]) == (9, pytest.approx(0.9), None)
    errors = row_of(population.errors_by_age(one), sex="F", age="50–54")
    assert (errors["L1"], errors["L1–L2"], errors["L1–L4"]) == (pytest.approx(0.05), 0.0, None)


def test_dxa_between_vertebrae() -> None:
    whole = usual()
    row = row_of(population.between_vertebrae(whole), pair="L1–L3")
    assert row["r"] == pytest.approx(stats.pearsonr(whole.truth[:, 0], whole.truth[:, 2]).statistic, abs=1e-6)
    assert row["difference"] == pytest.approx(np.abs(whole.truth[:, 0] - whole.truth[:, 2]).mean(), abs=1e-6)
    assert row["paper"] == 0.878


def test_answers_may_come_in_any_order_but_not_be_missing() -> None:
    whole = usual(20)
    found = whole.models["thumbnail"]
    backwards = replace(
        found, films=found.films[::-1], bmd=found.bmd[::-1], refusals=found.refusals[::-1], sd=None, landmarks=None
    )
    turned = replace(whole, models={"thumbnail": backwards})
    assert np.array_equal(turned.models["thumbnail"].bmd, found.bmd)
    short = replace(found, films=found.films[:-1], bmd=found.bmd[:-1], refusals=found.refusals[:-1])
    with pytest.raises(Misconfigured, match="1 of the cohort's films"):
        replace(whole, models={"thumbnail": short})


def test_patients_whose_sex_the_reference_does_not_know_have_no_t_score() -> None:
    women = replace(REFERENCE, rows=(ReferenceRow(sex="F", vertebra="any", mean=1.0, sd=0.1),))
    of = cohort([film(n, [0.7] * 4, sex="F" if n < 3 else None) for n in range(5)])
    one = replace(study(of, answers(of, np.full((5, 4), 0.7))), reference=women)
    row = row_of(tables.table_three(one), thresholds="flex")
    assert (row["positives"], row["negatives"]) == (3, 0)


def test_figures_are_said_with_their_unit() -> None:
    share, number = Column(key="a", title="A", percent=True), Column(key="b", title="B", digits=2)
    assert (share.said(0.9375), number.said(-0.5), number.said(None), number.said(3)) == ("93.8", "−0.50", "–", "3")
