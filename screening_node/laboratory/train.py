"""From a configuration to a weight bundle: render, train the detector, train the members, measure, write."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from screening_node.domain.result import Vertebra
from screening_node.errors import Misconfigured
from screening_node.laboratory import cohort, metrics
from screening_node.laboratory.cohort import Part
from screening_node.laboratory.config import TrainConfig
from screening_node.laboratory.progress import Report, silent
from screening_node.laboratory.stage import Run, autocast, derived_seed, train_stage
from screening_node.pathways.chest_film.architecture import EstimatorArchitecture
from screening_node.pathways.chest_film.estimator import Regressor, build_estimator
from screening_node.pathways.chest_film.landmarks import build_detector
from screening_node.pathways.chest_film.training import detector_loss, estimator_loss

_CHECK_BATCH = 32
#: Films that the regressors' first layers are fitted to before training.
_PRIMING_FILMS = 64
#: Films that BatchNorm's statistics are measured on after training.
_SETTLING_FILMS = 512
#: A calibration line steeper or flatter than this is chance or a network that has learnt nothing: only shift then.
_SLOPES = (0.7, 1.4)
_ALL_VERTEBRAE = [vertebra.value for vertebra in Vertebra]


def pick_device(name: str) -> torch.device:
    """ "auto" takes a GPU if there is one; Misconfigured where the device is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise Misconfigured(f"The device {name!r} cannot be used: {error}.", fix="Use auto, cpu or cuda.") from error
    return device


def train_networks(
    config: TrainConfig, out: Path, *, device: torch.device, seed: int, resume: bool, report: Report = silent
) -> tuple[nn.Module, list[nn.Module]]:
    """The detector and the ensemble's members, trained on the training part."""
    out.mkdir(parents=True, exist_ok=True)
    run = Run(folder=out, device=device, seed=seed, config_sha256=config.sha256, resume=resume, report=report)
    train = cohort.open_part(config, cohort.TRAIN, out / "cohort", report)
    validation = cohort.open_part(config, cohort.VALIDATION, out / "cohort", report)
    detector = train_detector(config, train, validation, run)
    members = [
        train_member(config, architecture, index, train, validation, run)
        for index, architecture in enumerate(config.member_architectures())
    ]
    return detector, members


def train_detector(config: TrainConfig, train: Part, validation: Part, run: Run) -> nn.Module:
    """The landmark detector; its mean shape is the training part's."""
    torch.manual_seed(derived_seed(run.seed, "detector", "weights"))
    model = build_detector(config.detector)
    if isinstance(getattr(model, "mean_shape", None), Tensor):
        model.mean_shape.copy_(torch.from_numpy(train.points.mean(axis=0)))  # type: ignore[operator]

    def loss(network: nn.Module, films: Tensor, generator: torch.Generator) -> Tensor:
        images, points = _taken(train.images, films), _taken(train.points, films)
        images, points = turned(images, points, generator)
        return detector_loss(network(images.to(run.device)), points.to(run.device))

    def check(network: nn.Module) -> dict[str, float]:
        return {"validation_error": detector_error(network, validation, config, run)}

    return train_stage("detector", model, config.detector_stage, len(train), loss=loss, check=check, run=run)


def train_member(
    config: TrainConfig, architecture: EstimatorArchitecture, index: int, train: Part, validation: Part, run: Run
) -> nn.Module:
    """One network of the ensemble; members differ by the seed of their weights and of the order of films."""
    name = f"member-{index + 1}"
    torch.manual_seed(derived_seed(run.seed, name, "weights"))
    model = build_estimator(architecture)
    columns = [_ALL_VERTEBRAE.index(vertebra) for vertebra in architecture.vertebrae]
    bmd = train.bmd[:, columns]
    model.bmd_mean.copy_(torch.from_numpy(bmd.mean(axis=0)))  # type: ignore[operator]
    model.bmd_sd.copy_(torch.from_numpy(bmd.std(axis=0)))  # type: ignore[operator]
    prime_regressors(model, torch.from_numpy(np.array(train.crops[:_PRIMING_FILMS, 0])).float())

    def loss(network: nn.Module, films: Tensor, generator: torch.Generator) -> Tensor:
        views = torch.randint(train.crops.shape[1], films.shape, generator=generator)
        crops = torch.from_numpy(train.crops[films.numpy(), views.numpy()]).float()
        # Little change of contrast: in crops it is what carries the density.
        crops = varied(crops, generator, contrast=0.03, noise=0.03).to(run.device)
        return estimator_loss(network(crops), torch.from_numpy(bmd[films.numpy()]).to(run.device))

    def check(network: nn.Module) -> dict[str, float]:
        answers, truth = estimates(network, validation, config, run), validation.bmd[:, columns].astype(np.float64)
        r = [metrics.correlation(truth[:, i], answers[:, i]) or 0.0 for i in range(len(columns))]
        return {"validation_r": float(np.mean(r)), "validation_rmse": float(np.sqrt(((answers - truth) ** 2).mean()))}

    train_stage(name, model, config.estimator_stage, len(train), loss=loss, check=check, run=run)
    settle_statistics(model, train, config, run)
    calibrate(model, estimates(model, validation, config, run), validation.bmd[:, columns].astype(np.float64))
    return model


def settle_statistics(model: nn.Module, train: Part, config: TrainConfig, run: Run) -> None:
    """Measure BatchNorm's means and variances anew with the final weights: those of training lag and drift."""
    layers = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    if not layers:
        return
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain mean over all that is seen
    model.train()
    with torch.no_grad(), autocast(config.estimator_stage, run.device):
        for chunk in _chunks(min(len(train), _SETTLING_FILMS)):
            model(torch.from_numpy(train.crops[chunk.numpy(), 0]).float().to(run.device))
    model.eval()


def calibrate(model: nn.Module, answers: npt.NDArray[np.float64], truth: npt.NDArray[np.float64]) -> None:
    """Fold the line that fits truth (n, V) to answers (n, V) best into the buffers that scale the network's output."""
    for column in range(truth.shape[1]):
        if np.ptp(answers[:, column]) == 0:
            continue
        slope, offset = np.polyfit(answers[:, column], truth[:, column], 1)
        if not _SLOPES[0] <= slope <= _SLOPES[1]:
            slope, offset = 1.0, float(np.mean(truth[:, column] - answers[:, column]))
        model.bmd_mean[column] = slope * model.bmd_mean[column] + offset  # type: ignore[operator, index]
        model.bmd_sd[column] *= slope  # type: ignore[operator, index]


def prime_regressors(model: nn.Module, crops: Tensor) -> None:
    """Let every regressor start from standardised features: its first layer takes their mean away, divides by their SD.

    Pooled features of different films differ by a tenth of their size only; left so, a network answers with the
    cohort's mean for epochs before it begins to learn.
    """
    seen: dict[nn.Linear, list[Tensor]] = {}

    def keep(layer: nn.Module, inputs: tuple[Tensor, ...], _output: Tensor) -> None:
        if isinstance(layer, nn.Linear):
            seen.setdefault(layer, []).append(inputs[0].flatten(0, -2))

    first = [module[0] for module in model.modules() if isinstance(module, Regressor)]
    hooks = [layer.register_forward_hook(keep) for layer in first]
    with torch.no_grad():
        for chunk in torch.split(crops, 8):
            model(chunk)
        for layer, inputs in seen.items():
            features = torch.cat(inputs)
            layer.weight.div_(features.std(dim=0) + 1e-3)
            layer.bias.sub_(layer.weight @ features.mean(dim=0))
    for hook in hooks:
        hook.remove()


def detector_error(network: nn.Module, part: Part, config: TrainConfig, run: Run) -> float:
    """Mean distance between found and true landmarks, as a share of the square's side."""
    distances = []
    for chunk in _chunks(len(part)):
        with torch.inference_mode(), autocast(config.detector_stage, run.device):
            found = network(_taken(part.images, chunk).to(run.device))[-1].float().cpu()
        distances.append(torch.linalg.vector_norm(found - _taken(part.points, chunk), dim=-1))
    return float(torch.cat(distances).mean())


def estimates(network: nn.Module, part: Part, config: TrainConfig, run: Run) -> npt.NDArray[np.float64]:
    """The network's answers (n, V) in g/cm2 on the first view of a part."""
    answers = []
    for chunk in _chunks(len(part)):
        crops = torch.from_numpy(part.crops[chunk.numpy(), 0]).float().to(run.device)
        with torch.inference_mode(), autocast(config.estimator_stage, run.device):
            answers.append(network(crops).global_bmd.float().cpu())
    return torch.cat(answers).double().numpy()


def turned(images: Tensor, points: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Images (B, C, S, S) and points (B, 16, 2) turned, scaled, moved alike, with some contrast and noise."""
    count = len(images)
    angle = (torch.rand(count, generator=generator) - 0.5) * 0.24
    scale = 1 + (torch.rand(count, 2, generator=generator) - 0.5) * 0.26
    move = (torch.rand(count, 2, generator=generator) - 0.5) * 0.24
    cos, sin = torch.cos(angle), torch.sin(angle)
    # Maps a place in the new image to its place in the old one, both from -1 to 1.
    matrix = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2) * scale[:, None]
    grid = functional.affine_grid(torch.cat([matrix, move[..., None]], -1), list(images.shape), align_corners=False)
    new = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    placed = torch.linalg.solve(matrix, (points * 2 - 1 - move[:, None]).transpose(1, 2)).transpose(1, 2)
    return varied(new, generator), (placed + 1) / 2


def varied(images: Tensor, generator: torch.Generator, *, contrast: float = 0.15, noise: float = 0.1) -> Tensor:
    """Normalised images (B, ..., S, S) with their contrast changed by up to a share, and some noise."""
    lead = images.shape[:-2]
    gain = 1 + (torch.rand(lead, generator=generator) - 0.5) * 2 * contrast
    return images * gain[..., None, None] + torch.randn(images.shape, generator=generator) * noise


def _taken(array: npt.NDArray[Any], films: Tensor) -> Tensor:
    return torch.from_numpy(array[films.numpy()]).float()


def _chunks(films: int) -> Iterator[Tensor]:
    yield from torch.split(torch.arange(films), _CHECK_BATCH)
