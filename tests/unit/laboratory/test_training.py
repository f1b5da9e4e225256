"""The smoke configuration end to end: seconds, and every step of a real run."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from screening_node.errors import Misconfigured
from screening_node.laboratory import bundle, cohort, config, evaluate, model_card, stage, train
from screening_node.laboratory.config import StageConfig, TrainConfig
from screening_node.laboratory.progress import Progress, silent
from screening_node.pathways.chest_film.admission import AdmissionRules
from screening_node.pathways.chest_film.pathway import ChestFilmPathway
from screening_node.pathways.weights import load_bundle
from screening_node.settings.tables import load_reference_table, load_threshold_set

ROOT = Path(__file__).parents[3]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def smoke() -> TrainConfig:
    return config.load(ROOT / "config" / "pathways" / "smoke.toml")


@pytest.fixture(scope="module")
def trained(smoke: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    train.train_networks(smoke, out, device=CPU, seed=3, resume=False)
    return out


def test_a_part_is_rendered_once(smoke: TrainConfig, trained: Path) -> None:
    told: list[Progress] = []
    part = cohort.open_part(smoke, cohort.TRAIN, trained / "cohort", told.append)
    assert told == []
    assert len(part) == 8
    assert part.images.shape == (8, 1, 64, 64)
    assert part.crops.shape == (8, 1, 15, 1, 32, 32)
    assert np.isfinite(part.crops).all()
    assert (part.points > 0).all()
    assert (part.points < 1).all()


def test_a_run_cut_short_and_resumed_ends_where_an_uninterrupted_one_does(
    smoke: TrainConfig, trained: Path, tmp_path: Path
) -> None:
    (tmp_path / "cohort").symlink_to(trained / "cohort")
    short = replace(smoke, detector_stage=replace(smoke.detector_stage, epochs=2))

    class Stop(Exception):
        pass

    def stop_in_the_second_epoch(progress: Progress) -> None:
        if progress.stage == "detector" and progress.done == progress.total - 1:
            raise Stop

    with pytest.raises(Stop):
        train.train_networks(short, tmp_path, device=CPU, seed=3, resume=False, report=stop_in_the_second_epoch)
    resumed, _ = train.train_networks(short, tmp_path, device=CPU, seed=3, resume=True)
    whole, _ = train.train_networks(smoke, trained, device=CPU, seed=3, resume=True)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name
    assert (tmp_path / "detector.csv").read_text() == (trained / "detector.csv").read_text()


def test_resuming_another_run_is_refused(smoke: TrainConfig, trained: Path) -> None:
    with pytest.raises(Misconfigured, match="another configuration or seed"):
        train.train_networks(smoke, trained, device=CPU, seed=4, resume=True)


def test_the_bundle_of_a_run_judges_films(smoke: TrainConfig, trained: Path, tmp_path: Path) -> None:
    reference = load_reference_table(ROOT / "config" / "references" / "wang2022-implied.toml")
    thresholds = load_threshold_set(ROOT / "config" / "thresholds" / "flex.toml")
    detector, members = train.train_networks(smoke, trained, device=CPU, seed=3, resume=True)
    bundle.write_networks(smoke, tmp_path / "bundle", detector, members, seed=3)
    judged = bundle.judge_validation(smoke, tmp_path / "bundle", reference, thresholds, device=CPU)
    card = bundle.finish_card(tmp_path / "bundle", judged, reference, thresholds)
    assert load_bundle(tmp_path / "bundle").card == card
    assert card.metrics["validation_films"] == 4
    assert all(0 < sd < 1 for sd in card.residual_sd.values())
    pathway = ChestFilmPathway.load(
        tmp_path / "bundle", CPU, AdmissionRules(reference=reference), thresholds=thresholds
    )
    told: list[Progress] = []
    films = evaluate.judge_films(pathway, [900, 901], long_side=500, processes=1, report=told.append)
    summary = evaluate.figures(films, reference=reference, thresholds=thresholds)
    path = evaluate.write_results(films, summary, tmp_path / "evaluation")
    assert summary["films"] == 2
    assert told[-1].done == 2
    assert path.exists()
    assert len((tmp_path / "evaluation" / "films.csv").read_text().splitlines()) == 3
    assert evaluate.table(summary).columns
    text = model_card.write(tmp_path / "bundle", summary, "screening-node evaluate").read_text()
    assert "Not for clinical use" in text
    assert "seeds 900 to 901" in text


def test_a_reference_that_the_configuration_does_not_name_is_refused(smoke: TrainConfig, tmp_path: Path) -> None:
    reference = load_reference_table(ROOT / "config" / "references" / "japan-women.toml")
    thresholds = load_threshold_set(ROOT / "config" / "thresholds" / "flex.toml")
    with pytest.raises(Misconfigured, match="wang2022-implied"):
        bundle.train_bundle(smoke, tmp_path, reference=reference, thresholds=thresholds)


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
        train.pick_device("warp")
    silent(Progress(stage="", done=0, total=1))
