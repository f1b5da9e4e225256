import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from screening_node.laboratory import delong, resampling
from screening_node.laboratory.resampling import Draws


def two_models(films: int, seed: int, gain: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Scores (2, films) of two correlated models, and who is a case."""
    rng = np.random.default_rng(seed)
    positive = rng.random(films) < 0.3
    common = rng.normal(0, 1, films) + positive
    return np.stack([common + rng.normal(0, 1, films) + gain * positive, common + rng.normal(0, 1, films)]), positive


def kernel(cases: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.where(cases[:, None] > others, 1.0, np.where(cases[:, None] == others, 0.5, 0.0))


def test_covariance_is_the_one_of_the_papers_double_sums() -> None:
    scores, positive = two_models(90, 1)
    scores = scores.round(1)  # with ties
    found = delong.areas(scores, positive)
    assert found is not None
    cases, others = scores[:, positive], scores[:, ~positive]
    beats = [kernel(c, o) for c, o in zip(cases, others, strict=True)]
    m, n = cases.shape[1], others.shape[1]
    of_cases = np.stack([b.mean(axis=1) for b in beats])
    of_others = np.stack([b.mean(axis=0) for b in beats])
    for one in range(2):
        assert found.auc[one] == pytest.approx(roc_auc_score(positive, scores[one]))
        for other in range(2):
            s10 = sum(
                (of_cases[one, i] - found.auc[one]) * (of_cases[other, i] - found.auc[other]) for i in range(m)
            ) / (m - 1)
            s01 = sum(
                (of_others[one, j] - found.auc[one]) * (of_others[other, j] - found.auc[other]) for j in range(n)
            ) / (n - 1)
            assert found.covariance[one, other] == pytest.approx(s10 / m + s01 / n)


def test_p_is_that_of_a_permutation_of_the_two_models() -> None:
    scores, positive = two_models(400, 4, gain=0.3)
    test = delong.paired_test(scores[0], scores[1], positive)
    assert test is not None
    ranks = np.argsort(np.argsort(scores, axis=1), axis=1).astype(float)  # exchangeable: the same scale for both
    rng, larger = np.random.default_rng(0), 0
    for _ in range(1000):
        swapped = np.where(rng.random(400) < 0.5, ranks, ranks[::-1])
        larger += abs(np.subtract(*(roc_auc_score(positive, row) for row in swapped))) >= abs(test.difference)
    assert 0.001 < test.p < 0.3
    assert test.p == pytest.approx(larger / 1000, abs=0.03)


def test_variance_is_that_of_the_bootstrap() -> None:
    scores, positive = two_models(800, 6)
    found = delong.areas(scores, positive)
    assert found is not None
    drawn = resampling.agreement_replicates(
        np.zeros((800, 2)), -scores.T, np.stack([positive, positive], axis=1), Draws.of([str(i) for i in range(800)])
    )["auc"]
    assert drawn.std(axis=0) == pytest.approx(np.sqrt(np.diag(found.covariance)), rel=0.1)
    difference = drawn[:, 0] - drawn[:, 1]
    variance = found.covariance[0, 0] + found.covariance[1, 1] - 2 * found.covariance[0, 1]
    assert difference.std() == pytest.approx(np.sqrt(variance), rel=0.1)


def test_a_model_against_itself_does_not_differ() -> None:
    scores, positive = two_models(50, 2)
    test = delong.paired_test(scores[0], scores[0], positive)
    assert test is not None
    assert (test.difference, test.p) == (0.0, 1.0)


def test_one_case_alone_has_no_variance() -> None:
    positive = np.array([True, False, False, False])
    assert delong.areas(np.arange(4.0)[None], positive) is None
    assert delong.paired_test(np.arange(4.0), np.arange(4.0), positive) is None
