"""Films changed as the world changes them, before they are normalised: what lets a detector serve films of all makers.

Grey values here run from about 0 to 1 (``films.RawSquares``); polarity is kept, because the node turns every
film so that bone is bright. All draws come from one generator, so that a resumed run sees the same pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

#: Where each landmark lies when left and right are exchanged.
MIRRORED = (3, 4, 5, 0, 1, 2, 10, 11, 12, 13, 6, 7, 8, 9, 14, 15)
#: Darkest and brightest share of grey values that a marker or a collimated border may take.
_PATCH_GREYS = (-0.1, 1.1)


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How strongly films are changed. Angles in degrees, lengths as shares of the square's side; ranges are +-.

    ``scale`` and ``stretch`` (width against height) are logarithms: real films may have been squeezed to squares.
    ``mirror``, ``border``, ``patch`` and ``blur`` are probabilities: of exchanging left and right (points with them),
    of a collimated border, of a marker or tube that hides something, of a film less sharp.
    ``gamma`` and ``gain`` are SDs of logarithms; ``noise`` is the largest SD.
    """

    turn: float = 10.0
    scale: float = 0.2
    stretch: float = 0.12
    shift: float = 0.1
    mirror: float = 0.5
    border: float = 0.4
    patch: float = 0.4
    blur: float = 0.3
    gamma: float = 0.3
    gain: float = 0.25
    noise: float = 0.04


def augmented(
    squares: Tensor, points: Tensor, how: Augmentation, size: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Squares (B, S, S) and points (B, 16, 2), normalised, changed alike -> (B, size, size) and points.

    NaN points stay NaN.
    """
    squares, points = _mirrored(squares, points, _chance(len(squares), how.mirror, generator))
    squares, points = _moved(squares, points, how, size, generator)
    squares = _exposed(squares, how, generator)
    squares = _covered(squares, how, generator)
    return squares + _noise(squares, how, generator), points


def _mirrored(squares: Tensor, points: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
    other = points[:, list(MIRRORED)] * points.new_tensor([-1.0, 1.0]) + points.new_tensor([1.0, 0.0])
    return (
        torch.where(which[:, None, None], squares.flip(-1), squares),
        torch.where(which[:, None, None], other, points),
    )


def _moved(
    squares: Tensor, points: Tensor, how: Augmentation, size: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    count = len(squares)
    angle = torch.deg2rad(_even(count, how.turn, generator))
    stretch = _even(count, how.stretch / 2, generator)
    zoom = torch.exp(_even(count, how.scale, generator)[:, None] + torch.stack([stretch, -stretch], -1))
    move = 2 * torch.stack([_even(count, how.shift, generator), _even(count, how.shift, generator)], -1)
    cos, sin = torch.cos(angle), torch.sin(angle)
    # Maps a place in the new picture to its place in the old one, both from -1 to 1.
    turn = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    matrix = turn @ torch.diag_embed(zoom)
    grid = functional.affine_grid(torch.cat([matrix, move[..., None]], -1), [count, 1, size, size], align_corners=False)
    new = functional.grid_sample(squares[:, None], grid, padding_mode="border", align_corners=False)[:, 0]
    old = (points * 2 - 1 - move[:, None]).transpose(1, 2)
    return new, (torch.linalg.solve(matrix, old).transpose(1, 2) + 1) / 2


def _exposed(squares: Tensor, how: Augmentation, generator: torch.Generator) -> Tensor:
    """Another tone curve: gain about the middle with clipping (saturated films), then gamma; some films blurred."""
    count = len(squares)
    gain = torch.exp(how.gain * torch.randn(count, generator=generator))[:, None, None]
    middle = 0.5 + _even(count, how.gain, generator)[:, None, None] / 2
    gamma = torch.exp(how.gamma * torch.randn(count, generator=generator))[:, None, None]
    toned = ((squares - 0.5) * gain + middle).clamp(1e-3, 1.0) ** gamma
    soft = functional.avg_pool2d(toned[:, None], 3, stride=1, padding=1, count_include_pad=False)[:, 0]
    return torch.where(_chance(count, how.blur, generator)[:, None, None], soft, toned)


def _covered(squares: Tensor, how: Augmentation, generator: torch.Generator) -> Tensor:
    """Collimated borders of one grey all round, and one rectangle (marker, tube, arm of a device) on the film."""
    count, side = len(squares), squares.shape[-1]
    place = (torch.arange(side) + 0.5) / side
    edge = torch.rand(count, 4, generator=generator) * 0.09 * _chance(count, how.border, generator)[:, None]
    across = (place > edge[:, :1]) & (place < 1 - edge[:, 1:2])
    down = (place > edge[:, 2:3]) & (place < 1 - edge[:, 3:])
    inside = down[:, :, None] & across[:, None, :]
    squares = torch.where(inside, squares, _greys(count, generator))
    extent = torch.rand(count, 2, generator=generator) ** 2 * 0.2 * _chance(count, how.patch, generator)[:, None]
    centre = torch.rand(count, 2, generator=generator)
    within = (place[None, :, None] - centre[:, None]).abs() < extent[:, None] / 2  # (B, S, 2)
    patch = within[:, :, 1][:, :, None] & within[:, :, 0][:, None, :]
    return torch.where(patch, _greys(count, generator), squares)


def _noise(squares: Tensor, how: Augmentation, generator: torch.Generator) -> Tensor:
    strength = torch.rand(len(squares), 1, 1, generator=generator) * how.noise
    return strength * torch.randn(squares.shape, generator=generator)


def _greys(count: int, generator: torch.Generator) -> Tensor:
    low, high = _PATCH_GREYS
    return (low + (high - low) * torch.rand(count, generator=generator))[:, None, None]


def _even(count: int, half: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(count, generator=generator) * 2 - 1) * half


def _chance(count: int, probability: float, generator: torch.Generator) -> Tensor:
    return torch.rand(count, generator=generator) < probability
