import numpy as np
import pytest

from screening_node.domain.alarm import ThresholdSet
from screening_node.domain.result import Vertebra
from screening_node.domain.tscore import ReferenceRow, ReferenceTable
from screening_node.laboratory import metrics

REFERENCE = ReferenceTable(
    name="test",
    version="1",
    title="",
    maker="",
    population="",
    source="",
    rows=(ReferenceRow(sex="any", vertebra="any", mean=1.0, sd=0.1),),
)
FLEX = ThresholdSet(name="flex", source="", by_vertebra=dict(zip(Vertebra, (-2.2, -2.1, -2.0, -1.9), strict=True)))


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


def test_a_patient_is_positive_when_any_vertebra_is() -> None:
    truth = np.array([[0.74, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]])  # T of L1 -2.6
    figures = metrics.bone_figures(truth, truth, reference=REFERENCE, thresholds=FLEX, sexes=["F", "M"])
    assert figures["patient"]["osteoporosis"] == {
        "positives": 1,
        "negatives": 1,
        "sensitivity": 1.0,
        "specificity": 1.0,
    }
    assert figures["vertebrae"]["L1"]["flex"]["positives"] == 1
    assert figures["vertebrae"]["L2"]["flex"]["positives"] == 0


def test_landmark_error_is_in_mm() -> None:
    true = np.zeros((1, 16, 2))
    error = metrics.radial_error(true + np.array([3, 4]), true, 0.2)
    assert error == pytest.approx(np.full((1, 16), 1.0))
    assert metrics.radial_error(true + np.array([3, 0]), true, (9.0, 0.2)) == pytest.approx(np.full((1, 16), 0.6))
    figures = metrics.landmark_figures(error)
    assert figures["mean_mm"] == pytest.approx(1.0)
    assert set(figures["by_kind_mm"]) == {"clavicle", "rib", "c7", "t12"}
