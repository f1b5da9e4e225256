"""From a cohort and a configuration to networks: landmark detector, then one estimator for each fold of patients."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from screening_node.domain.result import Vertebra
from screening_node.errors import Misconfigured
from screening_node.laboratory import splits
from screening_node.laboratory.config import StageConfig, TrainConfig
from screening_node.laboratory.estimators import varied, vertebra_columns
from screening_node.laboratory.folder import Cohort
from screening_node.laboratory.inputs import Crops, DetectorImages, Half, inputs_path, open_inputs, points, prepare
from screening_node.laboratory.jobs import run_all
from screening_node.laboratory.landmarks.locate import Detector, load_detector, locate, whole, with_landmarks
from screening_node.laboratory.progress import Report
from screening_node.laboratory.runs import EstimatorTask, train_network
from screening_node.laboratory.stage import Run, autocast, derived_seed, train_stage
from screening_node.pathways.chest_film.architecture import DetectorArchitecture, EstimatorArchitecture
from screening_node.pathways.chest_film.landmarks import build_detector
from screening_node.pathways.chest_film.training import detector_loss

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

#: Fewer films with landmarks teach a detector nothing.
_FEWEST_LOCATED = 4
_CHECK_BATCH = 32


@dataclass(frozen=True, kw_only=True)
class Member:
    """One trained estimator of an ensemble: where its weights lie, and on which fold it was not trained."""

    name: str
    architecture: EstimatorArchitecture
    weights: Path
    fold: int


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a run leaves. ``out_of_fold`` (n, 4) in g/cm2: each film by the networks that never saw its patient."""

    members: tuple[Member, ...]
    out_of_fold: Floats


def train_ensemble(
    config: TrainConfig,
    cohort: Cohort,
    detector: Detector,
    out: Path,
    *,
    devices: list[str],
    seed: int,
    report: Report,
) -> Trained:
    """One estimator for each fold (and each vertebra, where the configuration says so), several at a time."""
    cohort = located(cohort, detector, torch.device(devices[0]), config, report)
    order = Crops.of(config.estimator, views=config.inputs.views, jitter_mm=config.inputs.landmark_jitter_mm)
    prepare(cohort, [order], out / "inputs", processes=config.inputs.processes, report=report)
    fold = splits.folds(cohort.patient_ids, config.split.folds, config.split.seed)
    tasks = ensemble_tasks(config, cohort, inputs_path(cohort, order, out / "inputs"), fold, out, seed)
    out_of_fold = np.full((len(cohort.films), len(Vertebra)), np.nan)
    for task, answers in run_all(train_network, list(tasks), devices, report):
        out_of_fold[task.held_out[:, None], vertebra_columns(task.architecture)] = answers
    members = [
        Member(name=task.name, architecture=task.architecture, weights=task.weights, fold=number)
        for task, number in tasks.items()
    ]
    return Trained(members=tuple(members), out_of_fold=out_of_fold)


def ensemble_tasks(
    config: TrainConfig, cohort: Cohort, crops: Path, fold: Indices, out: Path, seed: int
) -> dict[EstimatorTask, int]:
    """Every network to train, with the fold that it does not see."""
    tasks = {}
    for number in range(config.split.folds):
        train, held_out = splits.split(fold, number)
        for architecture in config.architectures():
            task = EstimatorTask(
                name="-".join(
                    ["member", str(number + 1), *(architecture.vertebrae if len(config.architectures()) > 1 else ())]
                ),
                architecture=architecture,
                stage=config.estimator_stage,
                crops=crops,
                bmd=cohort.bmd,
                train=train,
                held_out=held_out,
                folder=out / "members",
                seed=seed,
            )
            tasks[task] = number
    return tasks


def located(cohort: Cohort, detector: Detector, device: torch.device, config: TrainConfig, report: Report) -> Cohort:
    """The cohort with landmarks on every film: its own where it has them, found ones elsewhere."""
    if all(whole(film) for film in cohort.films):
        return cohort
    found = locate(cohort, detector, device, processes=config.inputs.processes, report=report)
    return with_landmarks(cohort, found, keep=True)


def train_detector(
    config: TrainConfig, cohort: Cohort, out: Path, *, device: torch.device, seed: int, report: Report
) -> Detector:
    """A detector from the films whose landmarks are known; fold 0 is held out to watch it.

    Misconfigured where the cohort has too few landmarks: name a detector that is there already.
    """
    known = np.array([index for index, film in enumerate(cohort.films) if film.landmarks is not None])
    if len(known) < _FEWEST_LOCATED:
        raise Misconfigured(
            f"{cohort.folder} has landmarks on {len(known)} films: too few to train a detector.",
            fix="Name a bundle whose detector is to be used, with --detector.",
        )
    taught = cohort.subset(known)
    order = DetectorImages.of(config.detector)
    prepare(taught, [order], out / "inputs", processes=config.inputs.processes, report=report)
    images, places = open_inputs(inputs_path(taught, order, out / "inputs")), points(taught)
    train, held_out = splits.split(splits.folds(taught.patient_ids, config.split.folds, config.split.seed), 0)
    run = Run(folder=out, device=device, seed=seed, config_sha256=config.sha256, resume=True, report=report)
    model = _fit_detector(config.detector, config.detector_stage, images, places, train, held_out, run)
    return Detector(architecture=config.detector, module=model.cpu().eval())


def _fit_detector(
    architecture: DetectorArchitecture,
    stage: StageConfig,
    images: Half,
    places: npt.NDArray[np.float32],
    train: Indices,
    held_out: Indices,
    run: Run,
) -> nn.Module:
    torch.manual_seed(derived_seed(run.seed, "detector", "weights"))
    model = build_detector(architecture)
    if isinstance(getattr(model, "mean_shape", None), Tensor):
        model.mean_shape.copy_(torch.from_numpy(np.nanmean(places[train], axis=0)))  # type: ignore[operator]

    def load(batch: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        films = train[batch.numpy()]
        return torch.from_numpy(images[films]), torch.from_numpy(places[films])

    def loss(network: nn.Module, data: tuple[Tensor, Tensor], generator: torch.Generator) -> Tensor:
        seen, wanted = (part.float().to(run.device, non_blocking=True) for part in data)
        seen, wanted = turned(seen, wanted, generator)
        return detector_loss(network(seen), wanted)

    check = partial(_detector_error, images=images, places=places, films=held_out, stage=stage, device=run.device)
    return train_stage("detector", model, stage, len(train), load=load, loss=loss, check=check, run=run)


def _detector_error(
    network: nn.Module,
    images: Half,
    places: npt.NDArray[np.float32],
    films: Indices,
    stage: StageConfig,
    device: torch.device,
) -> dict[str, float]:
    """Mean distance between found and true landmarks, as a share of the square's side."""
    distances = []
    for start in range(0, len(films), _CHECK_BATCH):
        chunk = films[start : start + _CHECK_BATCH]
        with torch.inference_mode(), autocast(stage, device):
            found = network(torch.from_numpy(images[chunk]).float().to(device))[-1].float().cpu()
        distances.append(torch.linalg.vector_norm(found - torch.from_numpy(places[chunk]), dim=-1))
    return {"validation_error": float(torch.cat(distances).nanmean())}


def turned(images: Tensor, places: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Images (B, C, S, S) and points (B, 16, 2) turned, scaled, moved alike, with some contrast and noise."""
    count, device = len(images), images.device
    angle = (torch.rand(count, generator=generator, device=device) - 0.5) * 0.24
    scale = 1 + (torch.rand(count, 2, generator=generator, device=device) - 0.5) * 0.26
    move = (torch.rand(count, 2, generator=generator, device=device) - 0.5) * 0.24
    cos, sin = torch.cos(angle), torch.sin(angle)
    # Maps a place in the new image to its place in the old one, both from -1 to 1.
    matrix = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2) * scale[:, None]
    grid = functional.affine_grid(torch.cat([matrix, move[..., None]], -1), list(images.shape), align_corners=False)
    new = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    placed = torch.linalg.solve(matrix, (places * 2 - 1 - move[:, None]).transpose(1, 2)).transpose(1, 2)
    return varied(new, generator), (placed + 1) / 2


def detector_from(config: TrainConfig, out: Path) -> Detector:
    """The detector that an earlier run left in ``out``."""
    return load_detector(config.detector, out / "detector.safetensors")
