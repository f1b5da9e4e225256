"""Finding the 16 landmarks: Deep Adaptive Graph, and the heatmap baseline that it must beat.

Deep Adaptive Graph: Li et al., "Structured Landmark Detection via Topology-Adapting Deep Graph Learning", ECCV 2020
(arXiv 2004.08190). Its text was not at hand; what is chosen here and not taken from it: the adjacency is normalised
by a row-wise softmax, weights are not shared between the local iterations, coordinates are detached between stages
(each stage answers for its own step), GroupNorm and LayerNorm are the normalisations.

Coordinates inside are normalised: 0..1 over the square input, (x, y), -0.5 and N - 0.5 of its pixels at 0 and 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from screening_node.domain.result import LANDMARK_NAMES
from screening_node.imaging.pyramid import Pyramid, build_pyramid
from screening_node.networks.graph import GraphModule
from screening_node.networks.maps import CompactMap, HighResolutionMap
from screening_node.networks.normalise import normalise
from screening_node.pathways.chest_film.architecture import DetectorArchitecture
from screening_node.pathways.chest_film.sampling import Corners, letterbox, sample

NODES = len(LANDMARK_NAMES)

#: Where an untrained detector starts: roughly a chest on a square film. Training sets the buffer ``mean_shape``.
_ROUGH_SHAPE = (
    *((0.55, 0.20), (0.67, 0.16), (0.80, 0.12)),  # left clavicle
    *((0.45, 0.20), (0.33, 0.16), (0.20, 0.12)),  # right clavicle
    *((0.74, 0.32), (0.80, 0.47), (0.84, 0.62), (0.86, 0.77)),  # left ribs
    *((0.26, 0.32), (0.20, 0.47), (0.16, 0.62), (0.14, 0.77)),  # right ribs
    *((0.50, 0.10), (0.50, 0.80)),  # C7, T12
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PixelTransform:
    """Between normalised coordinates of a square on the film and the film's stored pixels.

    ``side``: side of the square in stored pixels; ``left``, ``top``: its corner, stored pixel coordinates.
    """

    side: float
    left: float
    top: float

    def to_pixels(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """(..., 2) normalised -> (..., 2) stored pixels."""
        moved: NDArray[np.float64] = np.asarray(points, dtype=np.float64) * self.side + np.array([self.left, self.top])
        return moved

    def to_normalised(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """(..., 2) stored pixels -> (..., 2) normalised."""
        moved: NDArray[np.float64] = np.asarray(points, dtype=np.float64) - np.array([self.left, self.top])
        return moved / self.side

    def moved(self, zoom: float, right: float, down: float) -> PixelTransform:
        """A square ``zoom`` times as large about the same centre, moved by shares of the new side."""
        side = self.side * zoom
        grown = (side - self.side) / 2
        return PixelTransform(side=side, left=self.left - grown + right * side, top=self.top - grown + down * side)

    @property
    def corners(self) -> Corners:
        """The square's corners in stored pixels, as ``sampling.sample`` wants them."""
        return np.array([self.left, self.top]) + self.side * np.array([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)])


def film_transform(shape: tuple[int, int]) -> PixelTransform:
    """The letterbox of a film of ``shape`` (rows, columns): isotropic, nothing cut off."""
    corners = letterbox(shape)
    return PixelTransform(side=float(max(shape)), left=float(corners[0, 0]), top=float(corners[0, 1]))


def views_of(shape: tuple[int, int]) -> tuple[PixelTransform, ...]:
    """The letterbox and two moved views of a film.

    Their mean is a steadier answer than one view's, and their spread tells whether the detector follows the picture
    (gate.py). The moves lie within the training's augmentation.
    """
    plain = film_transform(shape)
    return (plain, plain.moved(1.10, 0.035, -0.03), plain.moved(1.04, -0.035, 0.03))


def detector_input(
    film: NDArray[np.float32] | Pyramid, architecture: DetectorArchitecture
) -> tuple[NDArray[np.float32], PixelTransform]:
    """A film as the detector wants it, (C, size, size) float32, and the way back to stored pixels.

    Isotropic letterbox, low-pass before shrinking, then the architecture's normalisation.
    """
    pyramid = film if isinstance(film, Pyramid) else build_pyramid(film)
    view = film_transform(pyramid.shape)
    return view_inputs(pyramid, (view,), architecture)[0], view


def view_inputs(
    pyramid: Pyramid, views: Sequence[PixelTransform], architecture: DetectorArchitecture
) -> NDArray[np.float32]:
    """Several views of a film as the detector wants them; float32 (views, C, size, size)."""
    squares = sample(pyramid, [view.corners for view in views], architecture.size)
    channels: NDArray[np.float32] = normalise(torch.from_numpy(squares), architecture.normalisation).numpy()
    return channels


class DagDetector(nn.Module):
    """Deep Adaptive Graph: one global perspective stage, then local iterations that accumulate.

    forward: (B, C, S, S) -> a list of 1 + iterations tensors (B, 16, 2), normalised; the last is the answer.
    """

    mean_shape: Tensor

    def __init__(self, architecture: DetectorArchitecture) -> None:
        super().__init__()
        self.backbone = _backbone(architecture)
        self.register_buffer("mean_shape", torch.tensor(_ROUGH_SHAPE))
        inputs = architecture.width + 2 * NODES
        sizes = {"nodes": NODES, "inputs": inputs, "width": architecture.graph_width, "blocks": architecture.blocks}
        self.overall = GraphModule(**sizes, outputs=9)
        self.local = nn.ModuleList(GraphModule(**sizes, outputs=2) for _ in range(architecture.iterations))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Every stage's landmarks."""
        features = self.backbone(images)
        start = self.mean_shape.expand(len(images), -1, -1)
        parameters = self.overall(_signals(features, start)).mean(dim=1)  # (B, 9)
        stages = [perspective(start, parameters)]
        for module in self.local:
            here = stages[-1].detach()
            stages.append(here + module(_signals(features, here)))
        return stages


class HeatmapDetector(nn.Module):
    """The baseline: one map a landmark at stride 4, soft-argmax; forward gives a list of one (B, 16, 2)."""

    def __init__(self, architecture: DetectorArchitecture) -> None:
        super().__init__()
        self.backbone = _backbone(architecture)
        self.head = nn.Conv2d(architecture.width, NODES, 1)

    def forward(self, images: Tensor) -> list[Tensor]:
        """The only stage's landmarks."""
        return [soft_argmax(self.head(self.backbone(images)))]


def build_detector(architecture: DetectorArchitecture) -> nn.Module:
    """An untrained detector; forward(images (B, C, size, size)) -> list of (B, 16, 2) in 0..1, the last the answer."""
    return DagDetector(architecture) if architecture.kind == "dag" else HeatmapDetector(architecture)


def perspective(points: Tensor, parameters: Tensor) -> Tensor:
    """Move points by H = I + parameters, a 3 x 3 perspective matrix about the centre of the square.

    points (B, N, 2) in 0..1, parameters (B, 9) -> (B, N, 2). Zeros are the identity; the projective divisor is kept
    away from zero.
    """
    matrix = torch.eye(3, device=points.device, dtype=points.dtype) + parameters.reshape(-1, 3, 3)
    centred = points * 2 - 1
    homogeneous = torch.cat([centred, torch.ones_like(centred[..., :1])], dim=-1)
    moved = homogeneous @ matrix.transpose(1, 2)
    return (moved[..., :2] / moved[..., 2:].clamp_min(0.2) + 1) / 2


def soft_argmax(maps: Tensor) -> Tensor:
    """Expected place under each map's softmax; (B, N, H, W) -> (B, N, 2) in 0..1."""
    batch, nodes, rows, columns = maps.shape
    weights = maps.flatten(2).softmax(dim=-1).reshape(batch, nodes, rows, columns)
    x = (torch.arange(columns, device=maps.device) + 0.5) / columns
    y = (torch.arange(rows, device=maps.device) + 0.5) / rows
    return torch.stack([(weights.sum(dim=2) * x).sum(-1), (weights.sum(dim=3) * y).sum(-1)], dim=-1)


def _backbone(architecture: DetectorArchitecture) -> nn.Module:
    channels = architecture.normalisation.channels
    if architecture.backbone == "compact":
        return CompactMap(channels, architecture.widths, architecture.width)
    return HighResolutionMap(channels, architecture.width)


def _signals(features: Tensor, points: Tensor) -> Tensor:
    """Each node's signal: the map's feature at its place, and the displacements to all nodes.

    (B, D, H, W), (B, N, 2) -> (B, N, D + 2 N).
    """
    grid = (points * 2 - 1).unsqueeze(2)  # (B, N, 1, 2)
    seen = functional.grid_sample(features, grid, mode="bilinear", padding_mode="border", align_corners=False)
    displacements = (points[:, None] - points[:, :, None]).flatten(2)  # (B, N, 2 N)
    return torch.cat([seen.squeeze(-1).transpose(1, 2), displacements], dim=-1)
