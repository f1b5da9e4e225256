"""From crops to BMD: the attentive model (Wang et al. 2022) and those that it is measured against.

Attentive Multi-ROI, Multi-ROI, Attentive Multi-Patch, Multi-Patch, single-ROI models and the baseline differ by kind,
layout and ``only`` of their architecture. Every network takes *all* inputs of its layout and uses those it is made for.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from screening_node.networks.resnet import ResNetFeatures, resnet
from screening_node.networks.transformer import Embedding, Encoder
from screening_node.networks.vgg import VGG_CONVOLUTIONS, NarrowVgg, TorchvisionVgg, vgg
from screening_node.pathways.chest_film.architecture import EstimatorArchitecture
from screening_node.pathways.chest_film.regions import input_names


class EstimatorOutput(NamedTuple):
    """Estimates in g/cm2: ``global_bmd`` (B, V), the answer; ``local_bmd`` (B, P, V), for the training loss and people.

    P: for n inputs n + 1 (the bmd token first) in the attentive model, n in plain concatenation, 0 in the baseline.
    """

    global_bmd: Tensor
    local_bmd: Tensor


class Explained(NamedTuple):
    """An answer and what led to it: ``local_bmd`` (B, N, V) g/cm2 and ``attention`` (B, N) for the inputs alone.

    Without the bmd token, so that the shares of attention sum to less than 1. N is 0 where there is no such thing.
    """

    global_bmd: Tensor
    local_bmd: Tensor
    attention: Tensor


class _Estimator(nn.Module):
    """One backbone for all inputs, and the BMD's mean and SD of the training set, so that regressors work around zero.

    forward: normalised crops (B, all inputs of the layout, C, S, S) -> EstimatorOutput.
    """

    bmd_mean: Tensor
    bmd_sd: Tensor

    def __init__(self, architecture: EstimatorArchitecture) -> None:
        super().__init__()
        vertebrae = len(architecture.vertebrae)
        self.given = len(input_names(architecture.layout))
        self.inputs = list(architecture.inputs)
        self.backbone = _backbone(architecture)
        self.width = self.backbone.width
        self.register_buffer("bmd_mean", torch.full((vertebrae,), 1.0))
        self.register_buffer("bmd_sd", torch.full((vertebrae,), 0.15))

    def features(self, crops: Tensor) -> Tensor:
        """Pooled features of the inputs that are used: (B, all inputs, C, S, S) -> (B, N, D)."""
        if crops.shape[1] != self.given:
            raise ValueError(f"the layout has {self.given} inputs, the crops are of {crops.shape[1]}")
        used = crops if len(self.inputs) == self.given else crops[:, self.inputs]
        pooled: Tensor = self.backbone(used.flatten(0, 1))
        return pooled.reshape(len(used), len(self.inputs), self.width)

    def explained(self, crops: Tensor) -> Explained:
        """The same answer, with what each input's regressor says."""
        output: EstimatorOutput = self(crops)
        return Explained(output.global_bmd, output.local_bmd, output.global_bmd.new_zeros(len(crops), 0))

    def in_grams(self, standardised: Tensor) -> Tensor:
        """Standardised (..., V) -> g/cm2."""
        return standardised.float() * self.bmd_sd + self.bmd_mean


class Regressor(nn.Sequential):
    """Two linear layers with ReLU between (512 -> 256 -> 1: 131,585 parameters); (..., D) -> (..., V)."""

    def __init__(self, inputs: int, width: int, vertebrae: int) -> None:
        super().__init__(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, vertebrae))


class Attentive(_Estimator):
    """Wang et al. 2022, figure 1: a transformer encoder over the inputs' features.

    The papers leave two things open. Local regressors: one for each of the N + 1 positions, on the *adjusted*
    embeddings z_L, because the token has no feature of its own before the encoder. Equation 4's mean: over all, as
    N = 16 for 15 inputs in equation 1, so that the token, the "target holder", takes part in the answer.
    """

    def __init__(self, architecture: EstimatorArchitecture) -> None:
        super().__init__(architecture)
        self.embedding = Embedding(len(self.inputs), self.width)
        self.encoder = Encoder(
            layers=architecture.layers,
            width=self.width,
            heads=architecture.heads,
            head_width=architecture.head_width,
            mlp_width=architecture.mlp_width,
        )
        self.global_regressor = _regressor(architecture, self.width)
        self.local_regressors = _regressors(architecture, self.width, len(self.inputs) + 1)

    def forward(self, crops: Tensor) -> EstimatorOutput:
        """Global and local estimates."""
        return self._answer(self.embedding(self.features(crops)))

    def explained(self, crops: Tensor) -> Explained:
        """The same answer, with what each input's regressor says and how much it is attended to."""
        tokens = self.embedding(self.features(crops))
        output = self._answer(tokens)
        return Explained(output.global_bmd, output.local_bmd[:, 1:], self.encoder.received(tokens)[:, 1:].float())

    def _answer(self, tokens: Tensor) -> EstimatorOutput:
        adjusted = self.encoder(tokens)  # (B, N + 1, D)
        local = _each(self.local_regressors, adjusted)
        return EstimatorOutput(self.in_grams(self.global_regressor(adjusted.mean(dim=1))), self.in_grams(local))


class Concatenated(_Estimator):
    """The inputs' features side by side (Wang et al. 2022, figure 2; Wang et al. 2021, figure 1).

    Regressors are those of 2022: two layers, a local one for each input. In 2021 they had one layer, and all inputs
    shared the local one; that difference is not part of any comparison here.
    """

    def __init__(self, architecture: EstimatorArchitecture) -> None:
        super().__init__(architecture)
        self.global_regressor = _regressor(architecture, self.width * len(self.inputs))
        self.local_regressors = _regressors(architecture, self.width, len(self.inputs))

    def forward(self, crops: Tensor) -> EstimatorOutput:
        """Global and local estimates."""
        features = self.features(crops)
        local = _each(self.local_regressors, features)
        return EstimatorOutput(self.in_grams(self.global_regressor(features.flatten(1))), self.in_grams(local))


class Baseline(_Estimator):
    """One input, its pooled features, one regressor (Wang et al. 2022, IV.G 1)."""

    def __init__(self, architecture: EstimatorArchitecture) -> None:
        super().__init__(architecture)
        self.global_regressor = _regressor(architecture, self.width)

    def forward(self, crops: Tensor) -> EstimatorOutput:
        """The global estimate; no local ones."""
        answer = self.in_grams(self.global_regressor(self.features(crops)[:, 0]))
        return EstimatorOutput(answer, answer.new_zeros(len(answer), 0, answer.shape[-1]))


def explained(network: nn.Module, crops: Tensor) -> Explained:
    """An estimator's answer to crops (B, all inputs, C, S, S), and what led to it."""
    assert isinstance(network, _Estimator)
    return network.explained(crops)


def build_estimator(architecture: EstimatorArchitecture) -> nn.Module:
    """An untrained estimator; set the buffers ``bmd_mean`` and ``bmd_sd`` (V) from the training set."""
    kinds: dict[str, type[Attentive | Concatenated | Baseline]] = {
        "attentive": Attentive,
        "concatenated": Concatenated,
        "baseline": Baseline,
    }
    return kinds[architecture.kind](architecture)


def _backbone(architecture: EstimatorArchitecture) -> TorchvisionVgg | NarrowVgg | ResNetFeatures:
    """(B, C, S, S) -> (B, ``width``)."""
    name, channels = architecture.backbone, architecture.normalisation.channels
    if name == "compact":
        return NarrowVgg(channels, architecture.widths, architecture.convolutions, architecture.norm)
    if name in VGG_CONVOLUTIONS:
        return vgg(name, channels, architecture.width_share)
    return resnet(name, channels, architecture.width_share)


def _regressors(architecture: EstimatorArchitecture, inputs: int, count: int) -> nn.ModuleList:
    return nn.ModuleList(_regressor(architecture, inputs) for _ in range(count))


def _regressor(architecture: EstimatorArchitecture, inputs: int) -> Regressor:
    return Regressor(inputs, architecture.regressor_width, len(architecture.vertebrae))


def _each(regressors: nn.ModuleList, features: Tensor) -> Tensor:
    """Regressor i on position i: (B, P, D) -> (B, P, V)."""
    return torch.stack([regressor(features[:, index]) for index, regressor in enumerate(regressors)], dim=1)
