"""Training one BMD estimator on cached crops, and asking it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from screening_node.domain.result import Vertebra
from screening_node.laboratory import metrics
from screening_node.laboratory.config import StageConfig
from screening_node.laboratory.inputs import Half
from screening_node.laboratory.stage import Run, autocast, derived_seed, train_stage
from screening_node.pathways.chest_film.architecture import EstimatorArchitecture
from screening_node.pathways.chest_film.estimator import Regressor, build_estimator
from screening_node.pathways.chest_film.training import estimator_loss

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_CHECK_BATCH = 64
#: Films that the regressors' first layers are fitted to before training.
_PRIMING_FILMS = 64
#: Films that BatchNorm's statistics are measured on after training.
_SETTLING_FILMS = 512
#: A calibration line steeper or flatter than this is chance or a network that has learnt nothing: only shift then.
_SLOPES = (0.7, 1.4)
_ALL_VERTEBRAE = [vertebra.value for vertebra in Vertebra]


def train_estimator(
    name: str,
    architecture: EstimatorArchitecture,
    stage: StageConfig,
    crops: Half,
    bmd: Floats,
    train: Indices,
    held_out: Indices,
    run: Run,
) -> nn.Module:
    """One network, trained on the films ``train`` and calibrated on ``held_out``.

    ``crops`` (n, views, inputs, C, S, S) normalised, ``bmd`` (n, 4) in g/cm2, NaN where a vertebra was not measured.
    Networks of one run differ by ``name``, which seeds their weights and the order of the films.
    """
    torch.manual_seed(derived_seed(run.seed, name, "weights"))
    # Channels last and bfloat16 make a BatchNorm backbone three times as fast on a CPU that has AVX512-bf16.
    model: nn.Module = build_estimator(architecture).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    truth = bmd[:, vertebra_columns(architecture)]
    model.bmd_mean.copy_(torch.from_numpy(np.nanmean(truth[train], axis=0)))  # type: ignore[operator]
    model.bmd_sd.copy_(torch.from_numpy(np.nanstd(truth[train], axis=0)))  # type: ignore[operator]
    prime_regressors(model, _floats(crops, train[:_PRIMING_FILMS]))

    def load(batch: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        films = train[batch.numpy()]
        views = torch.randint(crops.shape[1], (len(films),), generator=generator).numpy()
        return torch.from_numpy(crops[films, views]), torch.from_numpy(truth[films]).float()

    def loss(network: nn.Module, data: tuple[Tensor, Tensor], generator: torch.Generator) -> Tensor:
        seen, wanted = (part.to(run.device, non_blocking=True) for part in data)
        # Little change of contrast: in crops it is what carries the density.
        answer = network(varied(seen.float(), generator, contrast=0.03, noise=0.03))
        return estimator_loss(answer, wanted)

    def check(network: nn.Module) -> dict[str, float]:
        return _figures(truth[held_out], ask(network, crops, held_out, stage, run.device))

    train_stage(name, model, stage, len(train), load=load, loss=loss, check=check, run=run)
    settle_statistics(model, crops, train, stage, run.device)
    calibrate(model, ask(model, crops, held_out, stage, run.device), truth[held_out])
    return model


def ask(network: nn.Module, crops: Half, films: Indices, stage: StageConfig, device: torch.device) -> Floats:
    """The network's answers (len(films), V) in g/cm2 on the first view of each film."""
    answers = []
    network.eval()
    for chunk in _chunks(films):
        with torch.inference_mode(), autocast(stage, device):
            answers.append(network(_floats(crops, chunk).to(device)).global_bmd.float().cpu())
    return torch.cat(answers).double().numpy()


def vertebra_columns(architecture: EstimatorArchitecture) -> list[int]:
    """Which of L1..L4 an estimator answers for."""
    return [_ALL_VERTEBRAE.index(vertebra) for vertebra in architecture.vertebrae]


def settle_statistics(model: nn.Module, crops: Half, train: Indices, stage: StageConfig, device: torch.device) -> None:
    """Measure BatchNorm's means and variances anew with the final weights: those of training lag and drift."""
    layers = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    if not layers:
        return
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain mean over all that is seen
    model.train()
    with torch.no_grad(), autocast(stage, device):
        for chunk in _chunks(train[:_SETTLING_FILMS]):
            model(_floats(crops, chunk).to(device))
    model.eval()


def calibrate(model: nn.Module, answers: Floats, truth: Floats) -> None:
    """Fold the line that fits truth (n, V) to answers (n, V) best into the buffers that scale the network's output."""
    for column in range(truth.shape[1]):
        known = np.isfinite(truth[:, column])
        given, wanted = answers[known, column], truth[known, column]
        if len(given) < 2 or np.ptp(given) == 0:
            continue
        slope, offset = np.polyfit(given, wanted, 1)
        if not _SLOPES[0] <= slope <= _SLOPES[1]:
            slope, offset = 1.0, float(np.mean(wanted - given))
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


def varied(images: Tensor, generator: torch.Generator, *, contrast: float = 0.15, noise: float = 0.1) -> Tensor:
    """Normalised images (B, ..., S, S), their contrast changed by up to a share, with some noise; on their device."""
    lead, device = images.shape[:-2], images.device
    gain = 1 + (torch.rand(lead, generator=generator, device=device) - 0.5) * 2 * contrast
    grain = torch.randn(images.shape, generator=generator, device=device) * noise
    return images * gain[..., None, None] + grain


def _figures(truth: Floats, answers: Floats) -> dict[str, float]:
    known = np.isfinite(truth)
    r = [metrics.correlation(truth[known[:, i], i], answers[known[:, i], i]) or 0.0 for i in range(truth.shape[1])]
    rmse = float(np.sqrt(np.mean((answers - truth)[known] ** 2))) if known.any() else float("nan")
    return {"validation_r": float(np.mean(r)), "validation_rmse": rmse}


def _floats(crops: Half, films: Indices) -> Tensor:
    return torch.from_numpy(np.asarray(crops[films, 0])).float()


def _chunks(films: Indices) -> Iterator[Indices]:
    for start in range(0, len(films), _CHECK_BATCH):
        yield films[start : start + _CHECK_BATCH]
