import numpy as np
import pytest
from builders import a_reference

from screening_node.laboratory import metrics

REFERENCE = a_reference()


def test_agreement_of_a_shifted_estimate() -> None:
    truth = np.array([0.7, 0.8, 0.9, 1.0])
    found = metrics.agreement(truth, truth + 0.05, truth <= 0.75)
    assert found.r == pytest.approx(1.0)
    assert (found.rmse, found.mae, found.bias) == pytest.approx((0.05, 0.05, 0.05))
    assert found.error_sd == pytest.approx(0.0, abs=1e-12)
    assert found.auc == 1.0


def test_area_under_curve_counts_ties_half() -> None:
    positive = np.array([True, True, False, False])
    assert metrics.area_under_curve(np.array([3.0, 1.0, 1.0, 0.0]), positive) == pytest.approx(3.5 / 4)
    assert metrics.area_under_curve(np.array([1.0, 2.0]), np.array([True, True])) is None


def test_correlation_is_none_where_a_side_does_not_vary() -> None:
    assert metrics.correlation(np.ones(3), np.arange(3.0)) is None


def test_detection_counts() -> None:
    found = metrics.detection(np.array([True, False, True, False]), np.array([True, True, False, False]))
    assert (found.sensitivity, found.specificity) == (0.5, 0.5)
    assert metrics.detection(np.array([True]), np.array([True])).specificity is None


def test_films_without_truth_or_answer_are_left_out() -> None:
    truth = np.array([0.7, np.nan, 0.9, 1.0])
    found = metrics.agreement(truth, np.array([0.8, 1.0, 1.0, np.nan]), truth <= 0.75)
    assert (found.films, found.bias) == (2, pytest.approx(0.1))
    nothing = metrics.agreement(np.full(3, np.nan), np.ones(3), np.zeros(3, bool))
    assert (nothing.films, nothing.r, nothing.rmse, nothing.auc) == (0, None, None, None)


def test_r2_is_that_of_the_linear_fit() -> None:
    truth, estimate = np.array([0.6, 0.8, 0.9, 1.2]), np.array([0.7, 0.75, 1.0, 1.1])
    found = metrics.agreement(truth, estimate, truth <= 0.75)
    line = metrics.linear_fit(truth, estimate)
    assert line is not None
    assert found.r2 == pytest.approx(line.r2) == pytest.approx(np.corrcoef(truth, estimate)[0, 1] ** 2)
    assert (line.slope, line.intercept) == pytest.approx(tuple(np.polyfit(truth, estimate, 1)))


def test_calibration_undoes_a_stretched_estimate() -> None:
    truth = np.array([0.6, 0.8, 1.0, np.nan])
    line = metrics.calibration_line(truth, 2 * truth + 0.1)
    assert line is not None
    assert (line.slope, line.intercept) == pytest.approx((0.5, -0.05))
    assert metrics.calibration_line(truth, np.ones(4)) is None


def test_wilson_interval_by_hand() -> None:
    # Wilson 1927 with z = 1.959964: centre (8 + z^2/2) / (10 + z^2), half width z / (10 + z^2) sqrt(8 * 2 / 10 + z^2/4)
    z = 1.959964
    centre, half = (8 + z * z / 2) / (10 + z * z), z / (10 + z * z) * (1.6 + z * z / 4) ** 0.5
    assert metrics.wilson(8, 10) == pytest.approx((centre - half, centre + half), abs=1e-6)
    assert metrics.wilson(0, 0) is None


def test_bland_altman_by_hand() -> None:
    limits = metrics.bland_altman(np.array([1.0, 1.0, 1.0, np.nan]), np.array([1.1, 1.0, 0.9, 1.0]))
    assert limits is not None
    assert (limits.bias, limits.sd) == pytest.approx((0.0, 0.1))
    assert (limits.low, limits.high) == pytest.approx((-0.196, 0.196))
    assert metrics.bland_altman(np.ones(1), np.ones(1)) is None


def test_conformal_factor_brings_the_coverage_to_its_level() -> None:
    rng = np.random.default_rng(3)
    error, sd = rng.normal(0, 0.1, 4000), np.full(4000, 0.05)  # the model is twice as sure as it may be
    truth = np.ones(4000)
    factor = metrics.conformal_factor(truth[:2000], truth[:2000] + error[:2000], sd[:2000], 0.9)
    assert factor == pytest.approx(2.0, abs=0.1)
    rest = slice(2000, None)
    before = metrics.coverage(truth[rest], truth[rest] + error[rest], sd[rest], 0.9)
    after = metrics.coverage(truth[rest], truth[rest] + error[rest], sd[rest], 0.9, factor)
    assert before == pytest.approx(0.59, abs=0.03)  # P(|N| < 1.645 / 2)
    assert after == pytest.approx(0.90, abs=0.02)


def test_conformal_rank_by_hand() -> None:
    # scores 1..9: ceil(10 x 0.8) = the 8th smallest; eight films cannot promise 90 %
    scores = np.arange(1.0, 10.0)
    factor = metrics.conformal_factor(np.zeros(9), scores, np.ones(9), 0.8)
    assert factor == pytest.approx(8 / 1.2815516)
    assert metrics.conformal_factor(np.zeros(8), scores[:8], np.ones(8), 0.9) is None


def test_t_scores_know_the_patients_they_cannot_place() -> None:
    women = a_reference(("F", "any", 1.0, 0.1))
    found = metrics.t_scores(np.full((3, 4), 0.8), women, ["F", "M", None])
    assert found[0] == pytest.approx(np.full(4, -2.0))
    assert np.isnan(found[1:]).all()


def test_distance_to_a_polyline() -> None:
    line = np.array([[0.0, 0.0], [0.0, 10.0], [10.0, 10.0]])
    points = np.array([[3.0, 5.0], [5.0, 12.0], [0.0, -4.0], [0.0, 10.0]])
    assert metrics.distance_to_polyline(points, line) == pytest.approx([3.0, 2.0, 4.0, 0.0])
