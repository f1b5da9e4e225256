"""The smoke configuration end to end: seconds, and every step of a real run."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from screening_node.domain.histogram import Histogram
from screening_node.errors import Misconfigured
from screening_node.laboratory import config, stage, train
from screening_node.laboratory.bundle import train_bundle
from screening_node.laboratory.config import StageConfig, TrainConfig
from screening_node.laboratory.folder import Cohort
from screening_node.laboratory.jobs import pick_devices, run_all
from screening_node.laboratory.progress import Progress, Report, silent
from screening_node.pathways.chest_film.admission import AdmissionRules
from screening_node.pathways.chest_film.pathway import ChestFilmPathway
from screening_node.pathways.weights import load_bundle
from screening_node.settings.tables import load_reference_table, load_threshold_set

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def smoke() -> TrainConfig:
    return config.load(ROOT / "config" / "pathways" / "smoke.toml")


@pytest.fixture(scope="module")
def trained(smoke: TrainConfig, small_cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    assert train_bundle(smoke, small_cohort, out, device="cpu", seed=3) == out / "bundle"
    return out


def test_a_run_ends_in_a_bundle_that_loads_and_says_what_it_is(trained: Path) -> None:
    card = load_bundle(trained / "bundle").card
    assert [network.file for network in card.members] == ["member-1.safetensors", "member-2.safetensors"]
    assert "10 synthetic films of phantom anatomical" in card.training_data
    assert "not for clinical use" in card.limits_of_use
    assert card.metrics["unseen_films"] == 10
    spread = Histogram.from_metrics(card.metrics)
    assert spread is not None
    assert spread.total == 10
    assert all(0 < sd < 1 for sd in card.residual_sd.values())
    reference = load_reference_table(ROOT / "config" / "references" / "wang2022-implied.toml")
    thresholds = load_threshold_set(ROOT / "config" / "thresholds" / "flex.toml")
    rules = AdmissionRules(reference=reference)
    ChestFilmPathway.load(trained / "bundle", torch.device("cpu"), rules, thresholds=thresholds)


def test_the_log_tells_speed_and_waiting(trained: Path) -> None:
    head, *rows = (trained / "members" / "member-1.csv").read_text().splitlines()
    assert head == "epoch,loss,films_per_second,waited,validation_r,validation_rmse"
    assert len(rows) == 2


@pytest.mark.parametrize("at", ["detector", "member-2"])
def test_a_run_cut_short_ends_where_an_uninterrupted_one_does(
    smoke: TrainConfig, small_cohort: Cohort, trained: Path, tmp_path: Path, at: str
) -> None:
    class Stop(Exception):
        pass

    def stop_in_the_second_epoch(progress: Progress) -> None:
        if progress.stage == at and progress.done == progress.total - 1:
            raise Stop

    with pytest.raises(Stop):
        train_bundle(smoke, small_cohort, tmp_path, device="cpu", seed=3, report=stop_in_the_second_epoch)
    train_bundle(smoke, small_cohort, tmp_path, device="cpu", seed=3)
    resumed, whole = (load_bundle(folder / "bundle").card for folder in (tmp_path, trained))
    assert resumed.weights_sha256 == whole.weights_sha256
    assert resumed.metrics == whole.metrics


def test_another_seed_in_the_same_folder_is_refused(smoke: TrainConfig, small_cohort: Cohort, trained: Path) -> None:
    with pytest.raises(Misconfigured, match="another configuration or seed"):
        train_bundle(smoke, small_cohort, trained, device="cpu", seed=4)


def test_a_detector_that_is_there_is_taken(
    smoke: TrainConfig, small_cohort: Cohort, trained: Path, tmp_path: Path
) -> None:
    unlocated = replace(small_cohort, films=tuple(replace(film, landmarks=None) for film in small_cohort.films))
    with pytest.raises(Misconfigured, match="too few to train a detector"):
        train_bundle(smoke, unlocated, tmp_path, device="cpu")
    card = load_bundle(train_bundle(smoke, unlocated, tmp_path, detector=trained / "bundle", device="cpu")).card
    assert card.detectors[0].sha256 == load_bundle(trained / "bundle").card.detectors[0].sha256


def test_a_reference_that_the_configuration_does_not_name_is_refused(
    smoke: TrainConfig, small_cohort: Cohort, tmp_path: Path
) -> None:
    other = replace(small_cohort, reference="japan-women 1")
    with pytest.raises(Misconfigured, match="japan-women"):
        train_bundle(smoke, other, tmp_path)


def test_the_learning_rate_rises_then_falls() -> None:
    config = StageConfig(epochs=1, batch=1, learning_rate=1.0, warmup=0.1)
    rates = [stage.learning_rate(config, step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0)
    assert rates[-1] < 0.01
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_points_move_with_their_picture() -> None:
    images = torch.zeros(6, 1, 64, 64)
    images[:, 0, 20:23, 40:43] = 100.0
    points = torch.tensor([[41.5 / 64, 21.5 / 64]]).expand(6, 16, 2).clone()
    moved, places = train.turned(images, points, torch.Generator().manual_seed(1))
    for image, place in zip(moved, places, strict=True):
        weight = image[0].clamp_min(20) - 20
        y = (weight.sum(1) * (torch.arange(64) + 0.5)).sum() / weight.sum() / 64
        x = (weight.sum(0) * (torch.arange(64) + 0.5)).sum() / weight.sum() / 64
        assert place[0].tolist() == pytest.approx([float(x), float(y)], abs=0.012)


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(Misconfigured, match="warp"):
        pick_devices("warp", 1)
    assert pick_devices("cpu", 2) == ["cpu", "cpu"]


def _double(task: int, device: torch.device, report: Report) -> int:
    report(Progress(stage=str(task), done=1, total=1, note=str(device)))
    if task < 0:
        raise Misconfigured("A task is wrong.")
    return 2 * task


@pytest.mark.parametrize("devices", [["cpu"], ["cpu", "cpu"]])
def test_tasks_run_side_by_side_and_tell(devices: list[str]) -> None:
    told: list[Progress] = []
    assert dict(run_all(_double, [1, 2, 3], devices, told.append)) == {1: 2, 2: 4, 3: 6}
    assert {progress.stage for progress in told} <= {"1", "2", "3"}
    with pytest.raises(Misconfigured, match="A task is wrong"):
        dict(run_all(_double, [1, -1, 3], devices, silent))


def test_a_vertebra_that_was_never_measured_teaches_nothing_wrong(
    smoke: TrainConfig, small_cohort: Cohort, trained: Path, tmp_path: Path
) -> None:
    films = [replace(film, bmd=np.array([*film.bmd[:3], np.nan])) if i % 2 else film for i, film in
             enumerate(small_cohort.films)]  # fmt: skip
    some = replace(small_cohort, films=tuple(films))
    card = load_bundle(train_bundle(smoke, some, tmp_path, detector=trained / "bundle", device="cpu")).card
    assert np.isfinite(list(card.residual_sd.values())).all()
