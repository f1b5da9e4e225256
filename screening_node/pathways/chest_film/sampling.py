"""Resampling oriented rectangles of a film into squares.

One convention throughout, torch's ``align_corners=False``: pixels are areas, pixel centres at integers, a picture of
N pixels reaches from -0.5 to N - 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from screening_node.imaging.pyramid import Pyramid

#: Corners of a rectangle in stored pixels, (4, 2) as (x, y): where the square's top left, top right, bottom right and
#: bottom left corner come from. A mirrored order gives a mirrored square.
Corners = NDArray[np.float64]

#: At most so many samples are averaged into one, across or down: an oblong deeper than this is no ROI.
_MOST_SAMPLES = 4


class _Plan(NamedTuple):
    """How a rectangle is sampled: the pyramid's level, and how many samples across and down become one pixel."""

    level: int
    across: int
    down: int


def sample(pyramid: Pyramid, rectangles: Sequence[Corners], size: int) -> NDArray[np.float32]:
    """Each rectangle as (size, size) grey values; -> float32 (len(rectangles), size, size).

    Bilinear, from the pyramid's level whose pixels fit the finer step of the two directions (low-pass where the crop
    shrinks); along the other one, samples are averaged where it shrinks by twice as much or more. One grid_sample for
    all rectangles of a level. Outside the film its border is continued.
    """
    out = np.empty((len(rectangles), size, size), dtype=np.float32)
    plans = [_plan(pyramid, corners, size) for corners in rectangles]
    for plan in sorted(set(plans)):
        chosen = [index for index, own in enumerate(plans) if own == plan]
        out[chosen] = _sampled(pyramid, plan, np.stack([rectangles[index] for index in chosen]), size)
    return out


def letterbox(shape: tuple[int, int]) -> Corners:
    """The smallest square about a film of ``shape`` (rows, columns), centred: isotropic, nothing cut off."""
    rows, columns = shape
    half = max(rows, columns) / 2
    x, y = (columns - 1) / 2, (rows - 1) / 2
    return np.array([(x - half, y - half), (x + half, y - half), (x + half, y + half), (x - half, y + half)])


def _plan(pyramid: Pyramid, corners: Corners, size: int) -> _Plan:
    across = float(np.hypot(*(corners[1] - corners[0])))
    down = float(np.hypot(*(corners[3] - corners[0])))
    finer = min(across, down)
    times = [min(int(side / max(finer, 1e-9)), _MOST_SAMPLES) for side in (across, down)]
    return _Plan(pyramid.level_for(finer / size), max(times[0], 1), max(times[1], 1))


def _sampled(pyramid: Pyramid, plan: _Plan, corners: NDArray[np.float64], size: int) -> NDArray[np.float32]:
    """(n, 4, 2) corners -> (n, size, size)."""
    x_steps = (np.arange(size * plan.across) + 0.5) / (size * plan.across)
    y_steps = (np.arange(size * plan.down) + 0.5) / (size * plan.down)
    across = (corners[:, 1] - corners[:, 0])[:, None, None]  # (n, 1, 1, 2)
    down = (corners[:, 3] - corners[:, 0])[:, None, None]
    places = corners[:, None, None, 0] + x_steps[None, None, :, None] * across + y_steps[None, :, None, None] * down
    picture = pyramid.levels[plan.level]
    rows, columns = picture.shape
    extent = np.array([columns, rows]) * 2.0**plan.level
    grid = (2 * places + 1) / extent - 1  # stored pixel -0.5 -> -1, N - 0.5 -> 1
    flat = torch.from_numpy(grid.astype(np.float32).reshape(1, -1, len(x_steps), 2))
    sampled = functional.grid_sample(
        torch.from_numpy(picture)[None, None], flat, mode="bilinear", padding_mode="border", align_corners=False
    )
    blocks = sampled.reshape(-1, size, plan.down, size, plan.across)
    result: NDArray[np.float32] = blocks.mean(dim=(2, 4)).numpy()
    return result
