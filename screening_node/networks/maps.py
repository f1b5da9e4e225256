"""Backbones that keep a feature map at a quarter of the input's side, for landmarks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from screening_node.networks.vgg import ConvNorm, group_norm

#: The side of the input must be a multiple of this for either backbone.
STRIDE_MULTIPLE = 32


class CompactMap(nn.Module):
    """A small U-shaped network: strided convolutions down, lateral sums up to stride 4.

    (B, C, S, S) -> (B, width, S / 4, S / 4). ``widths`` has one entry for each halving (stride 2, 4, 8, ...), at
    least two of them.
    """

    def __init__(self, channels: int, widths: Sequence[int], width: int) -> None:
        super().__init__()
        steps: list[nn.Module] = []
        inputs = channels
        for outputs in widths:
            steps.append(nn.Sequential(ConvNorm(inputs, outputs, stride=2), ConvNorm(outputs, outputs)))
            inputs = outputs
        self.down = nn.ModuleList(steps)
        self.lateral = nn.ModuleList(nn.Conv2d(outputs, width, 1) for outputs in widths[1:])
        self.up = nn.ModuleList(ConvNorm(width, width) for _ in widths[2:])
        self.width = width

    def forward(self, images: Tensor) -> Tensor:
        """The stride-4 map."""
        maps: list[Tensor] = []
        for step in self.down:
            images = step(images)
            maps.append(images)
        sides = [lateral(features) for lateral, features in zip(self.lateral, maps[1:], strict=True)]
        merged: Tensor = sides.pop()
        for up in self.up:
            merged = up(_enlarged(merged, 2) + sides.pop())
        return merged


class HighResolutionMap(nn.Module):
    """A network like HRNet-W18 (Sun et al., CVPR 2019): four parallel branches at strides 4 to 32 that exchange.

    (B, C, S, S) -> (B, width, S / 4, S / 4). Two strided convolutions, a stage of bottlenecks, then exchange units of
    (1, 4, 3) modules over 2, 3, 4 branches of 18, 36, 72, 144 channels, all brought to stride 4 and joined. GroupNorm
    stands where HRNet has BatchNorm; the rest follows the published layout.
    """

    def __init__(self, channels: int, width: int, base: int = 18, modules: Sequence[int] = (1, 4, 3)) -> None:
        super().__init__()
        self.stem = nn.Sequential(ConvNorm(channels, 64, stride=2), ConvNorm(64, 64, stride=2))
        self.first = nn.Sequential(*(Bottleneck(64 if index == 0 else 256, 64) for index in range(4)))
        inputs = [256]
        stages: list[nn.Module] = []
        for index, count in enumerate(modules):
            branches = [base * 2**branch for branch in range(index + 2)]
            stages.append(_stage(inputs, branches, count))
            inputs = branches
        self.stages = nn.ModuleList(stages)
        self.join = nn.Sequential(nn.Conv2d(sum(inputs), width, 1, bias=False), group_norm(width), nn.ReLU(True))
        self.width = width

    def forward(self, images: Tensor) -> Tensor:
        """The stride-4 map."""
        maps = [self.first(self.stem(images))]
        for stage in self.stages:
            maps = stage(maps)
        joined = torch.cat([_enlarged(features, 2**branch) for branch, features in enumerate(maps)], dim=1)
        merged: Tensor = self.join(joined)
        return merged


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3, 1 x 1 with a residual path; (B, I, H, W) -> (B, 4 x inner, H, W)."""

    def __init__(self, inputs: int, inner: int) -> None:
        super().__init__()
        outputs = 4 * inner
        self.body = nn.Sequential(
            nn.Conv2d(inputs, inner, 1, bias=False),
            group_norm(inner),
            nn.ReLU(inplace=True),
            ConvNorm(inner, inner),
            nn.Conv2d(inner, outputs, 1, bias=False),
            group_norm(outputs),
        )
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """One block."""
        return functional.relu(self.body(features) + self.shortcut(features))


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions with a residual path; the shape is kept."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ConvNorm(width, width), nn.Conv2d(width, width, 3, padding=1, bias=False), group_norm(width)
        )

    def forward(self, features: Tensor) -> Tensor:
        """One block."""
        return functional.relu(self.body(features) + features)


class Transition(nn.Module):
    """From the branches of one stage to those of the next: the last one gives birth to a smaller one."""

    def __init__(self, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        super().__init__()
        last = len(inputs) - 1
        self.paths = nn.ModuleList(
            nn.Identity()
            if index <= last and inputs[index] == width
            else ConvNorm(inputs[min(index, last)], width, stride=1 if index <= last else 2)
            for index, width in enumerate(outputs)
        )

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """One map for each branch of the next stage."""
        return [path(maps[min(index, len(maps) - 1)]) for index, path in enumerate(self.paths)]


class Exchange(nn.Module):
    """Four basic blocks in each branch, then every branch receives the sum of all, brought to its size."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*(BasicBlock(width) for _ in range(4))) for width in widths)
        self.paths = nn.ModuleList(
            nn.ModuleList(_path(widths, source, target) for source in range(len(widths)))
            for target in range(len(widths))
        )

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """The same shapes."""
        maps = [branch(features) for branch, features in zip(self.branches, maps, strict=True)]
        return [_fused(paths, maps, target) for target, paths in enumerate(self.paths)]


def _stage(inputs: Sequence[int], widths: Sequence[int], modules: int) -> nn.Sequential:
    return nn.Sequential(Transition(inputs, widths), *(Exchange(widths) for _ in range(modules)))


def _path(widths: Sequence[int], source: int, target: int) -> nn.Module:
    """From one branch's map to another's channels and (downwards) size; upwards is enlarged when summed."""
    if source == target:
        return nn.Identity()
    if source > target:
        return nn.Sequential(nn.Conv2d(widths[source], widths[target], 1, bias=False), group_norm(widths[target]))
    steps: list[nn.Module] = [ConvNorm(widths[source], widths[source], 2) for _ in range(target - source - 1)]
    last = nn.Conv2d(widths[source], widths[target], 3, stride=2, padding=1, bias=False)
    return nn.Sequential(*steps, last, group_norm(widths[target]))


def _fused(paths: nn.Module, maps: list[Tensor], target: int) -> Tensor:
    total: Tensor | None = None
    for source, path in enumerate(paths.children()):
        part = _enlarged(path(maps[source]), 2 ** max(0, source - target))
        total = part if total is None else total + part
    assert total is not None  # there is always the branch itself
    return functional.relu(total)


def _enlarged(features: Tensor, factor: int) -> Tensor:
    if factor == 1:
        return features
    return functional.interpolate(features, scale_factor=factor, mode="bilinear", align_corners=False)
