import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from screening_node.laboratory import metrics, resampling
from screening_node.laboratory.resampling import Draws


def a_study(films: int = 300) -> tuple[np.ndarray, np.ndarray, list[str]]:
    rng = np.random.default_rng(5)
    truth = rng.normal(1.0, 0.15, (films, 2))
    return truth, (truth + rng.normal(0.02, 0.08, truth.shape)).round(2), [f"p{i}" for i in range(films)]


def test_a_patient_is_drawn_with_all_films() -> None:
    patients = ["a", "b", "a", "c", "c", "c"]
    weights = np.concatenate(list(Draws.of(patients, 50, seed=1).weights()))
    assert weights.shape == (50, 6)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 3] == weights[:, 5]).all()
    assert (weights[:, 0] + weights[:, 1] + weights[:, 3] == 3).all()  # three patients are drawn each time
    assert weights[:, 0].std() > 0


def test_every_replicate_is_the_figure_of_its_films() -> None:
    truth, estimate, patients = a_study(80)
    truth[3, 0], estimate[7, 1] = np.nan, np.nan
    positive, called = truth <= 0.85, estimate < 0.87
    found = resampling.agreement_replicates(truth, estimate, positive, Draws.of(patients, 5, seed=2), called=called)
    weights = Draws.of(patients, 5, seed=2).times
    for number, row in enumerate(weights):
        films = np.repeat(np.arange(80), row)
        for column in (0, 1):
            films_here = films[np.isfinite(truth[films, column]) & np.isfinite(estimate[films, column])]
            t, e = truth[films_here, column], estimate[films_here, column]
            plain = metrics.agreement(t, e, t <= 0.85)
            for name in ("r", "r2", "rmse", "mae", "bias", "error_sd", "auc"):
                assert found[name][number, column] == pytest.approx(getattr(plain, name)), name
            assert found["auc"][number, column] == pytest.approx(roc_auc_score(t <= 0.85, -e))
            line = metrics.calibration_line(t, e)
            assert line is not None
            assert found["slope"][number, column] == pytest.approx(line.slope)
            assert found["intercept"][number, column] == pytest.approx(line.intercept)
            plain_detection = metrics.detection(e < 0.87, t <= 0.85)
            assert found["sensitivity"][number, column] == pytest.approx(plain_detection.sensitivity)
            assert found["specificity"][number, column] == pytest.approx(plain_detection.specificity)


@pytest.mark.parametrize("seed", range(6))
def test_a_resample_of_one_film_again_and_again_has_no_r(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, estimate = rng.normal(1.0, 0.15, (3, 4)), 0.9 + rng.normal(0, 1e-4, (3, 4))
    draws = Draws.of(["a", "b", "c"], 200)
    found = resampling.agreement_replicates(truth, estimate, truth <= 0.75, draws)
    single = (draws.times > 0).sum(axis=1) == 1
    assert single.any()
    for name in ("r", "r2", "slope", "intercept"):
        assert np.isnan(found[name][single]).all()
        assert np.isfinite(found[name][~single]).all()
    assert np.abs(found["r"][~single]).max() <= 1.0


def test_the_interval_of_r_is_that_of_fisher() -> None:
    rng = np.random.default_rng(8)
    truth = rng.normal(1.0, 0.15, (1500, 1))
    estimate = truth + rng.normal(0, 0.08, truth.shape)
    found = resampling.agreement_replicates(
        truth, estimate, truth <= 0.75, Draws.of([str(i) for i in range(1500)], 1000)
    )
    low, high = resampling.interval(found["r"][:, 0])  # type: ignore[misc]
    fisher = stats.pearsonr(truth[:, 0], estimate[:, 0]).confidence_interval()
    assert (low, high) == pytest.approx((fisher.low, fisher.high), abs=0.004)


def test_films_of_one_patient_do_not_count_as_many() -> None:
    truth, estimate, patients = a_study(100)
    single = resampling.agreement_replicates(truth, estimate, truth < 0.8, Draws.of(patients, 400))["bias"][:, 0]
    ten = [np.repeat(array, 10, axis=0) for array in (truth, estimate)]
    copied = resampling.agreement_replicates(*ten, ten[0] < 0.8, Draws.of(list(np.repeat(patients, 10)), 400))
    assert copied["bias"][:, 0] == pytest.approx(single)


def test_a_vertebra_never_measured_leaves_the_average_to_the_others() -> None:
    truth, estimate, patients = a_study(60)
    truth[:, 1] = np.nan
    found = resampling.agreement_replicates(truth, estimate, truth <= 0.85, Draws.of(patients, 50))
    assert np.isnan(found["r"][:, 1]).all()
    assert np.array_equal(resampling.averaged(found["r"]), found["r"][:, 0])
    assert resampling.interval(found["r"][:, 1]) is None


def test_draws_come_in_parts_of_a_size_that_memory_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = Draws.of([str(i) for i in range(50)], 40)
    monkeypatch.setattr(resampling, "_AT_ONCE", 500)
    parts = list(draws.weights())
    assert [len(part) for part in parts] == [10, 10, 10, 10]
    assert np.array_equal(np.concatenate(parts), draws.times)


def test_p_value_of_differences() -> None:
    assert resampling.p_value(np.linspace(-1, 1, 999)) == pytest.approx(1.0)
    assert resampling.p_value(np.full(999, 0.1)) == pytest.approx(2 / 1000)
    assert resampling.p_value(np.full(9, np.nan)) is None


def test_shares_and_means_leave_films_out() -> None:
    patients = [str(i) for i in range(40)]
    hits = np.zeros((40, 1), bool)
    hits[:10] = True
    of = np.zeros((40, 1), bool)
    of[:20] = True
    shares = resampling.share_replicates(hits, of, Draws.of(patients, 500))
    assert shares.mean() == pytest.approx(0.5, abs=0.02)
    values = np.where(of, 3.0, np.nan)
    assert resampling.mean_replicates(values, Draws.of(patients, 20)) == pytest.approx(np.full((20, 1), 3.0))
