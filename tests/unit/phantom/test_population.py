"""The cohort's statistics against Wang et al. 2022, sections IV.A and IV.B (figure 4), from 200,000 draws."""

import numpy as np
import pytest

from screening_node.phantom.population import Population, draw_population

#: The paper's own bands, as config/references/wang2022-implied.toml has them.
MEAN, SD = np.array([1.000, 1.037, 1.087, 1.067]), 0.107


@pytest.fixture(scope="module")
def cohort() -> Population:
    return draw_population(200_000, 1)


def bands(cohort: Population, vertebra: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    score = (cohort.bmd[:, vertebra] - MEAN[vertebra]) / SD
    return score >= -1, (score > -2.5) & (score < -1), score <= -2.5


@pytest.mark.parametrize(("vertebra", "shares"), [(0, (0.51, 0.38, 0.11)), (3, (0.70, 0.23, 0.07))])
def test_shares_of_normal_osteopenia_and_osteoporosis(
    cohort: Population, vertebra: int, shares: tuple[float, ...]
) -> None:
    assert [band.mean() for band in bands(cohort, vertebra)] == pytest.approx(shares, abs=0.03)


@pytest.mark.parametrize(
    ("vertebra", "means"),
    [(0, (1.00, 0.81, 0.65)), (1, (1.07, 0.85, 0.68)), (2, (1.14, 0.90, 0.74)), (3, (1.13, 0.88, 0.72))],
)
def test_means_of_the_categories(cohort: Population, vertebra: int, means: tuple[float, ...]) -> None:
    values = [cohort.bmd[band, vertebra].mean() for band in bands(cohort, vertebra)]
    assert values == pytest.approx(means, abs=0.02)


@pytest.mark.parametrize(
    ("vertebra", "intervals"),
    [(0, (0.17, 0.08, 0.10)), (1, (0.21, 0.08, 0.10)), (2, (0.23, 0.08, 0.11)), (3, (0.25, 0.08, 0.12))],
)
def test_intervals_of_the_categories(cohort: Population, vertebra: int, intervals: tuple[float, ...]) -> None:
    values = [1.96 * cohort.bmd[band, vertebra].std() for band in bands(cohort, vertebra)]
    assert values == pytest.approx(intervals, abs=0.03)


def test_correlations_between_vertebrae(cohort: Population) -> None:
    assert np.corrcoef(cohort.bmd.T)[0, 1:] == pytest.approx([0.918, 0.878, 0.807], abs=0.01)


def test_neighbours_differ_as_in_the_paper(cohort: Population) -> None:
    # Section V: the mean difference between neighbouring bones stays between 0.05 and 0.10, and grows with distance.
    differences = [np.abs(cohort.bmd[:, 0] - cohort.bmd[:, other]).mean() for other in (1, 2, 3)]
    assert 0.05 < differences[0] < 0.10
    assert differences == sorted(differences)


def test_ages_peak_between_fifty_and_sixty(cohort: Population) -> None:
    assert cohort.age.min() >= 40
    assert cohort.age.max() <= 90
    assert np.bincount(cohort.age // 10).argmax() == 5


def test_women_lose_bone_after_fifty_and_men_slowly(cohort: Population) -> None:
    def level(female: bool, low: int) -> float:
        group = (cohort.female == female) & (cohort.age >= low) & (cohort.age < low + 5)
        return float(cohort.bmd[group, 0].mean())

    women, men = [level(True, low) for low in (45, 55, 65)], [level(False, low) for low in (45, 55, 65)]
    assert women[0] - women[1] > 0.06
    assert women[0] - women[2] > 0.12
    assert men[0] - men[2] < 0.05
    assert women[1] < men[1]


def test_the_first_vertebra_has_the_least(cohort: Population) -> None:
    for low in range(40, 75, 5):
        group = (cohort.age >= low) & (cohort.age < low + 5)
        assert cohort.bmd[group].mean(axis=0).argmin() == 0


def test_patients_below_the_line_anywhere(cohort: Population) -> None:
    # The project's study of the paper's patient table: 14.7 % have a vertebra below -2.5.
    assert ((cohort.bmd - MEAN) / SD < -2.5).any(axis=1).mean() == pytest.approx(0.147, abs=0.02)


def test_a_seed_is_a_cohort() -> None:
    assert (draw_population(50, 3).bmd == draw_population(50, 3).bmd).all()
    assert (draw_population(50, 3).bmd != draw_population(50, 4).bmd).any()
