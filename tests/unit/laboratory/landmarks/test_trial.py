from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from laboratory.annotated_films import CHEST, drawn, write_annotated
from pathways.networks_for_tests import DETECTOR

from screening_node.errors import Misconfigured
from screening_node.imaging.pyramid import build_pyramid
from screening_node.laboratory.config import StageConfig
from screening_node.laboratory.landmarks import detector, trial
from screening_node.laboratory.landmarks.augmentation import Augmentation
from screening_node.laboratory.landmarks.config import LandmarkConfig, LandmarkData, load
from screening_node.laboratory.landmarks.films import PHANTOM, LandmarkFilms, film_arrays
from screening_node.laboratory.landmarks.locate import detector_of
from screening_node.laboratory.landmarks.loss import PointWeights
from screening_node.laboratory.landmarks.real_films import as_landmark_films, read_real_films
from screening_node.laboratory.landmarks.scores import KINDS
from screening_node.laboratory.progress import silent
from screening_node.laboratory.stage import Run
from screening_node.pathways.chest_film.architecture import DetectorArchitecture
from screening_node.pathways.chest_film.landmarks import build_detector
from screening_node.settings import REPOSITORY

ARCHITECTURE = replace(DETECTOR, widths=(8, 8, 8), iterations=1)
STAGE = StageConfig(epochs=1, batch=4, learning_rate=1e-3)


def config(**changes: object) -> LandmarkConfig:
    base = LandmarkConfig(
        name="tiny",
        kinds=("dag", "heatmap"),
        detector=ARCHITECTURE,
        pretraining=STAGE,
        tuning=STAGE,
        data=LandmarkData(folds=2, held_out=2, square=64, films=8),
        weights=PointWeights(),
        augmentation=Augmentation(),
        source="tiny.toml",
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def run_in(folder: Path) -> Run:
    return Run(folder=folder, device=torch.device("cpu"), seed=0, config_sha256="x", resume=False, report=silent)


def phantom(count: int) -> LandmarkFilms:
    pyramid = build_pyramid(drawn(CHEST * 96, 96).astype(np.float32))
    one = film_arrays(pyramid, CHEST * 96, 4.0, ARCHITECTURE, square=64)
    names = tuple(f"film-{index}" for index in range(count))
    return LandmarkFilms(
        names=names,
        patients=names,
        squares=np.repeat(one.square[None], count, 0),
        views=np.repeat(one.views[None], count, 0),
        points=np.repeat(one.points[None], count, 0),
        side_mm=np.full(count, one.side_mm),
        groups=(PHANTOM,) * count,
    )


def films_in(folder: Path) -> trial.TrialFilms:
    annotated = read_real_films(folder, write_annotated(folder, {5: {"quality": "poor"}}))
    return trial.TrialFilms(
        phantom=phantom(4),
        held_out=phantom(2),
        real=as_landmark_films(annotated, ARCHITECTURE, square=64, upright=True),
        as_hung=as_landmark_films(annotated, ARCHITECTURE, square=64, upright=False),
        annotated=annotated,
    )


def test_both_kinds_are_trained_scored_and_the_better_one_kept(tmp_path: Path) -> None:
    films, out = films_in(tmp_path / "real"), tmp_path / "out"
    out.mkdir()
    figures = trial.compare(config(), films, run_in(out))
    trial.write(figures, out)
    kept = DetectorArchitecture.from_dict(json.loads((out / "detector.json").read_text()))
    assert kept.kind == figures["best"]
    build_detector(kept).load_state_dict(safetensors.torch.load_file(out / "detector.safetensors"))
    assert figures["best"] in figures["detectors"]
    for own in figures["detectors"].values():
        assert own["real"]["usual"]["films"] == 5
        assert own["real"]["poor"]["films"] == 1
        assert sum(sum(group.values()) for group in own["gate"].values()) == 6
    said = (out / "landmarks.md").read_text()
    assert "dag, cross-validated" in said
    assert all(f"| {kind} |" in said for kind in KINDS)
    assert json.loads((out / "landmarks.json").read_text())["best"] == figures["best"]
    better = detector_of(out)
    assert better.architecture == kept
    assert better.origin == "detector trained on 4 synthetic and 6 real films"
    (out / "detector.safetensors").write_bytes(b"cut")
    with pytest.raises(Misconfigured, match="no whole detector"):
        detector_of(out)


@pytest.mark.parametrize(
    ("apart", "phantom_mm", "best"),
    [
        pytest.param(2.0, {"dag": 9.0, "heatmap": 1.0}, "dag", id="real films decide"),
        pytest.param(0.01, {"dag": 9.0, "heatmap": 1.0}, "heatmap", id="they cannot tell: the phantom decides"),
        pytest.param(0.01, {"dag": 1.0, "heatmap": 9.0}, "dag", id="both agree"),
    ],
)
def test_the_better_detector(apart: float, phantom_mm: dict[str, float], best: str) -> None:
    errors = np.random.default_rng(1).normal(7.0, 0.5, 60)
    film_errors = {"dag": errors, "heatmap": np.roll(errors, 1) + apart}

    def figures(kind: str) -> dict[str, object]:
        mean = {"mean_mm": float(film_errors[kind].mean())}
        return {
            "real": {"usual": dict.fromkeys(trial.DECISIVE, mean)},
            "phantom": {"all 16": {"mean_mm": phantom_mm[kind]}},
        }

    assert trial.better_kind({kind: figures(kind) for kind in film_errors}, film_errors, seed=0) == best


def test_no_film_is_judged_by_a_detector_that_knows_its_patient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    films = films_in(tmp_path)
    trained_on: list[set[str]] = []

    def tune(name: str, start: object, how: object, phantom: object, real: LandmarkFilms, *rest: object) -> object:
        trained_on.append(set(real.patients))
        return start

    asked: list[int] = []

    def see(network: object, views: np.ndarray) -> np.ndarray:
        asked.append(len(views))
        return np.zeros((*views.shape[:2], 16, 2))

    monkeypatch.setattr(detector, "train_detector_mixed", tune)
    monkeypatch.setattr(detector, "seen_views", see)
    found, fold = detector.cross_validate(
        "x", torch.nn.Identity(), config().training("dag"), films.phantom, films.real, films.as_hung, films.held_out,
        run_in(tmp_path), folds=3,
    )  # fmt: skip
    for held_out, patients in enumerate(trained_on):
        tested = {films.real.patients[index] for index in np.flatnonzero(fold == held_out)}
        assert tested
        assert not tested & patients
        assert tested | patients == set(films.real.patients)
    assert sum(asked) == len(films.real)
    assert np.isfinite(found).all()


def test_the_tuning_leaves_the_pre_trained_network_alone(tmp_path: Path) -> None:
    films, how = films_in(tmp_path / "real"), config().training("dag")
    start = build_detector(ARCHITECTURE)
    before = {name: tensor.clone() for name, tensor in start.state_dict().items()}
    tuned = detector.train_detector_mixed("x", start, how, films.phantom, films.real, films.held_out, run_in(tmp_path))
    assert all(torch.equal(before[name], tensor) for name, tensor in start.state_dict().items())
    assert any(not torch.equal(before[name], tensor) for name, tensor in tuned.state_dict().items())


def test_the_repositorys_configuration_is_sound() -> None:
    found = load(REPOSITORY / "config" / "landmarks" / "compact.toml")
    assert found.kinds == ("dag", "heatmap")
    assert found.training("heatmap").architecture.kind == "heatmap"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("share = 0.5", "share = 1.5", "detector_real.share must lie between 0 and 1"),
        ("mirror = 0.5", "mirror = 2.0", "augmentation.mirror is a probability"),
        ("square = 256", "square = 64", "data.square must not be below"),
        ('"heatmap"]', '"hourglass"]', "kinds must be a list of some of dag, heatmap"),
        ("turn = 10.0", "spin = 10.0", "augmentation.spin is not known here"),
    ],
)
def test_what_is_wrong_in_a_configuration_is_named(tmp_path: Path, old: str, new: str, says: str) -> None:
    text = (REPOSITORY / "config" / "landmarks" / "compact.toml").read_text()
    assert old in text
    changed = tmp_path / "changed.toml"
    changed.write_text(text.replace(old, new))
    with pytest.raises(Misconfigured, match=says):
        load(changed)
