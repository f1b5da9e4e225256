"""From 15 crops to BMD: Attentive Multi-ROI (Wang et al. 2022) and the models that it is measured against."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from screening_node.networks.transformer import Embedding, Encoder
from screening_node.networks.vgg import NarrowVgg, TorchvisionVgg
from screening_node.pathways.chest_film.architecture import EstimatorArchitecture
from screening_node.pathways.chest_film.regions import INPUTS


class EstimatorOutput(NamedTuple):
    """Estimates in g/cm2: ``global_bmd`` (B, V), the answer; ``local_bmd`` (B, P, V), for the training loss only.

    P is 16 (the bmd token, then the 15 inputs) for the attentive model, 15 for plain concatenation, 0 for the baseline.
    """

    global_bmd: Tensor
    local_bmd: Tensor


class _Scaled(nn.Module):
    """Keeps the BMD's mean and SD of the training set, so that regressors work around zero."""

    bmd_mean: Tensor
    bmd_sd: Tensor

    def __init__(self, vertebrae: int) -> None:
        super().__init__()
        self.register_buffer("bmd_mean", torch.full((vertebrae,), 1.0))
        self.register_buffer("bmd_sd", torch.full((vertebrae,), 0.15))

    def in_grams(self, standardised: Tensor) -> Tensor:
        """Standardised (..., V) -> g/cm2."""
        return standardised.float() * self.bmd_sd + self.bmd_mean


class Regressor(nn.Sequential):
    """Two linear layers with ReLU between (512 -> 256 -> 1: 131,585 parameters); (..., D) -> (..., V)."""

    def __init__(self, inputs: int, width: int, vertebrae: int) -> None:
        super().__init__(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, vertebrae))


class AttentiveMultiRoi(_Scaled):
    """Wang et al. 2022, figure 1; forward: crops (B, 15, C, S, S) -> EstimatorOutput.

    The papers leave two things open. Local regressors: one for each of the 16 positions, on the *adjusted*
    embeddings z_L, because the token has no feature of its own before the encoder. Equation 4's mean: over all 16,
    as N = 16 in equation 1, so that the token, the "target holder", takes part in the answer.
    """

    def __init__(self, architecture: EstimatorArchitecture) -> None:
        super().__init__(len(architecture.vertebrae))
        self.backbone = _backbone(architecture)
        width = int(self.backbone.width)
        self.embedding = Embedding(INPUTS, width)
        self.encoder = Encoder(
            layers=architecture.layers,
            width=width,
            heads=architecture.heads,
            head_width=architecture.head_width,
            mlp_width=architecture.mlp_width,
        )
        self.global_regressor = _regressor(architecture, width)
        self.local_regressors = nn.ModuleList(_regressor(architecture, width) for _ in range(INPUTS + 1))

    def forward(self, crops: Tensor) -> EstimatorOutput:
        """Global and local estimates."""
        features = _features(self.backbone, crops)
        adjusted = self.encoder(self.embedding(features))  # (B, 16, D)
        local = _each(self.local_regressors, adjusted)
        return EstimatorOutput(self.in_grams(self.global_regressor(adjusted.mean(dim=1))), self.in_grams(local))


class MultiRoi(_Scaled):
    """Wang et al. 2021: features of all inputs concatenated; forward: crops (B, 15, C, S, S) -> EstimatorOutput."""

    def __init__(self, architecture: EstimatorArchitecture) -> None:
        super().__init__(len(architecture.vertebrae))
        self.backbone = _backbone(architecture)
        width = int(self.backbone.width)
        self.global_regressor = _regressor(architecture, width * INPUTS)
        self.local_regressors = nn.ModuleList(_regressor(architecture, width) for _ in range(INPUTS))

    def forward(self, crops: Tensor) -> EstimatorOutput:
        """Global and local estimates."""
        features = _features(self.backbone, crops)
        local = _each(self.local_regressors, features)
        return EstimatorOutput(self.in_grams(self.global_regressor(features.flatten(1))), self.in_grams(local))


class Baseline(_Scaled):
    """The whole film only, the last of the inputs; forward: crops (B, 15, C, S, S) -> EstimatorOutput."""

    def __init__(self, architecture: EstimatorArchitecture) -> None:
        super().__init__(len(architecture.vertebrae))
        self.backbone = _backbone(architecture)
        self.global_regressor = _regressor(architecture, int(self.backbone.width))

    def forward(self, crops: Tensor) -> EstimatorOutput:
        """The global estimate; no local ones."""
        answer = self.in_grams(self.global_regressor(self.backbone(crops[:, -1])))
        return EstimatorOutput(answer, answer.new_zeros(len(answer), 0, answer.shape[-1]))


def build_estimator(architecture: EstimatorArchitecture) -> nn.Module:
    """An untrained estimator; set the buffers ``bmd_mean`` and ``bmd_sd`` (V) from the training set."""
    kinds: dict[str, type[AttentiveMultiRoi | MultiRoi | Baseline]] = {
        "attentive-multi-roi": AttentiveMultiRoi,
        "multi-roi": MultiRoi,
        "baseline": Baseline,
    }
    return kinds[architecture.kind](architecture)


def _backbone(architecture: EstimatorArchitecture) -> TorchvisionVgg | NarrowVgg:
    if architecture.backbone == "compact":
        return NarrowVgg(
            architecture.normalisation.channels, architecture.widths, architecture.convolutions, architecture.norm
        )
    return TorchvisionVgg(architecture.backbone)


def _regressor(architecture: EstimatorArchitecture, inputs: int) -> Regressor:
    return Regressor(inputs, architecture.regressor_width, len(architecture.vertebrae))


def _features(backbone: nn.Module, crops: Tensor) -> Tensor:
    """One backbone for all inputs: (B, N, C, S, S) -> (B, N, D)."""
    batch, count = crops.shape[:2]
    pooled: Tensor = backbone(crops.flatten(0, 1))
    return pooled.reshape(batch, count, -1)


def _each(regressors: nn.ModuleList, features: Tensor) -> Tensor:
    """Regressor i on position i: (B, P, D) -> (B, P, V)."""
    return torch.stack([regressor(features[:, index]) for index, regressor in enumerate(regressors)], dim=1)
