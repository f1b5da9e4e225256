"""Landmark detectors for phantom and real films alike: a pre-training on phantom films, then both kinds mixed.

The pre-training sees no real film, so all folds of a cross-validation share it and stay honest.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from screening_node.laboratory import splits
from screening_node.laboratory.config import StageConfig
from screening_node.laboratory.landmarks.augmentation import Augmentation, augmented
from screening_node.laboratory.landmarks.films import LandmarkFilms, seen_views
from screening_node.laboratory.landmarks.loss import PointWeights, landmark_loss
from screening_node.laboratory.stage import Run, derived_seed, train_stage
from screening_node.networks.normalise import normalise
from screening_node.pathways.chest_film.architecture import DetectorArchitecture
from screening_node.pathways.chest_film.landmarks import build_detector

Floats = npt.NDArray[np.float64]

#: Phantom films that a training is watched on between epochs: few, they cost time.
_WATCHED = 32


@dataclass(frozen=True, kw_only=True)
class MixedTraining:
    """How a detector is trained: on phantom films first, then ``films`` an epoch of both kinds."""

    architecture: DetectorArchitecture
    pretraining: StageConfig
    tuning: StageConfig
    films: int
    weights: PointWeights
    augmentation: Augmentation


@dataclass(frozen=True, kw_only=True)
class _Batch:
    images: Tensor
    points: Tensor
    real: Tensor


def pretrain(name: str, how: MixedTraining, phantom: LandmarkFilms, watched: LandmarkFilms, run: Run) -> nn.Module:
    """A detector that knows phantom films only; its mean shape is theirs."""
    torch.manual_seed(derived_seed(run.seed, name, "weights"))
    model = build_detector(how.architecture)
    if isinstance(getattr(model, "mean_shape", None), Tensor):
        model.mean_shape.copy_(torch.from_numpy(np.nanmean(phantom.points, axis=0)))  # type: ignore[operator]

    def draw(films: Tensor, generator: torch.Generator) -> Tensor:
        return films

    return _trained(name, model, how, how.pretraining, len(phantom), phantom, None, draw, watched, run)


def train_detector_mixed(
    name: str,
    start: nn.Module,
    how: MixedTraining,
    phantom: LandmarkFilms,
    real: LandmarkFilms,
    watched: LandmarkFilms,
    run: Run,
) -> nn.Module:
    """A copy of ``start`` tuned on both kinds; about ``how.weights.share`` of all films seen are real.

    The real films take turns, so that each is seen equally often; phantom films are drawn at random.
    """
    from_real = round(how.films * how.weights.share)

    def draw(films: Tensor, generator: torch.Generator) -> Tensor:
        drawn = torch.randint(len(phantom), films.shape, generator=generator)
        return torch.where(films < from_real, len(phantom) + films % len(real), drawn)

    return _trained(name, deepcopy(start), how, how.tuning, how.films, phantom, real, draw, watched, run)


def cross_validate(
    name: str,
    start: nn.Module,
    how: MixedTraining,
    phantom: LandmarkFilms,
    real: LandmarkFilms,
    as_hung: LandmarkFilms,
    watched: LandmarkFilms,
    run: Run,
    *,
    folds: int,
) -> tuple[Floats, splits.Indices]:
    """Every real film's landmarks as a detector sees them that knows no film of its patient.

    -> (n, V, 16, 2) in each of the pathway's views, and the fold (n,) of each film.

    ``real`` are the films as they are trained on, ``as_hung`` the same ones as a node would receive them.
    """
    fold = splits.folds(real.patients, folds, run.seed)
    found = np.full((len(real), as_hung.views.shape[1], 16, 2), np.nan)
    for held_out in range(folds):
        train, test = splits.split(fold, held_out)
        part = real.subset(train)
        splits.check_apart(
            part.patients, as_hung.subset(test).patients, names=("the training films", f"fold {held_out}")
        )
        model = train_detector_mixed(f"{name}-fold-{held_out + 1}", start, how, phantom, part, watched, run)
        found[test] = seen_views(model, as_hung.views[test])
    return found, fold


def _trained(
    name: str,
    model: nn.Module,
    how: MixedTraining,
    stage: StageConfig,
    films: int,
    phantom: LandmarkFilms,
    real: LandmarkFilms | None,
    draw: Callable[[Tensor, torch.Generator], Tensor],
    watched: LandmarkFilms,
    run: Run,
) -> nn.Module:
    squares = phantom.squares if real is None else np.concatenate([phantom.squares, real.squares])
    points = phantom.points if real is None else np.concatenate([phantom.points, real.points])

    def load(batch: Tensor, generator: torch.Generator) -> _Batch:
        chosen = draw(batch, generator)
        grey, where = torch.from_numpy(squares[chosen.numpy()]).float(), torch.from_numpy(points[chosen.numpy()])
        grey, where = augmented(grey, where, how.augmentation, how.architecture.size, generator)
        return _Batch(
            images=normalise(grey, how.architecture.normalisation), points=_on_film(where), real=chosen >= len(phantom)
        )

    def loss(network: nn.Module, batch: _Batch, generator: torch.Generator) -> Tensor:
        stages = network(batch.images.to(run.device))
        return landmark_loss(stages, batch.points.to(run.device), batch.real.to(run.device), how.weights)

    def check(network: nn.Module) -> dict[str, float]:
        few = watched.subset(range(min(len(watched), _WATCHED)))
        apart = np.linalg.norm(seen_views(network, few.views[:, :1])[:, 0] - few.points, axis=-1)
        return {"phantom_mm": float((apart * few.side_mm[:, None]).mean())}

    return train_stage(name, model, stage, films, load=load, loss=loss, check=check, run=run)


def _on_film(points: Tensor) -> Tensor:
    """Points that augmentation moved off the square are no longer known."""
    inside = ((points > -0.02) & (points < 1.02)).all(dim=-1, keepdim=True)
    return torch.where(inside, points, torch.nan)
