"""Resampling oriented rectangles of a film into squares.

One convention throughout, torch's ``align_corners=False``: pixels are areas, pixel centres at integers, a picture of
N pixels reaches from -0.5 to N - 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from screening_node.imaging.pyramid import Pyramid

#: Corners of a rectangle in stored pixels, (4, 2) as (x, y): where the square's top left, top right, bottom right and
#: bottom left corner come from. A mirrored order gives a mirrored square.
Corners = NDArray[np.float64]


def sample(pyramid: Pyramid, rectangles: Sequence[Corners], size: int) -> NDArray[np.float32]:
    """Each rectangle as (size, size) grey values; -> float32 (len(rectangles), size, size).

    Bilinear, from the pyramid's level whose pixels fit the step (low-pass where the crop shrinks); one grid_sample
    for all rectangles of a level. Outside the film its border is continued.
    """
    out = np.empty((len(rectangles), size, size), dtype=np.float32)
    levels = [pyramid.level_for(_step(corners, size)) for corners in rectangles]
    for level in sorted(set(levels)):
        chosen = [index for index, own in enumerate(levels) if own == level]
        out[chosen] = _from_level(pyramid, level, np.stack([rectangles[index] for index in chosen]), size)
    return out


def letterbox(shape: tuple[int, int]) -> Corners:
    """The smallest square about a film of ``shape`` (rows, columns), centred: isotropic, nothing cut off."""
    rows, columns = shape
    half = max(rows, columns) / 2
    x, y = (columns - 1) / 2, (rows - 1) / 2
    return np.array([(x - half, y - half), (x + half, y - half), (x + half, y + half), (x - half, y + half)])


def _step(corners: Corners, size: int) -> float:
    """Stored pixels between neighbouring samples, the finer of the two directions: texture is kept."""
    across = float(np.hypot(*(corners[1] - corners[0])))
    down = float(np.hypot(*(corners[3] - corners[0])))
    return min(across, down) / size


def _from_level(pyramid: Pyramid, level: int, corners: NDArray[np.float64], size: int) -> NDArray[np.float32]:
    """(n, 4, 2) corners -> (n, size, size)."""
    steps = (np.arange(size) + 0.5) / size
    across = (corners[:, 1] - corners[:, 0])[:, None, None]  # (n, 1, 1, 2)
    down = (corners[:, 3] - corners[:, 0])[:, None, None]
    places = corners[:, None, None, 0] + steps[None, None, :, None] * across + steps[None, :, None, None] * down
    picture = pyramid.levels[level]
    rows, columns = picture.shape
    extent = np.array([columns, rows]) * 2.0**level
    grid = (2 * places + 1) / extent - 1  # stored pixel -0.5 -> -1, N - 0.5 -> 1
    flat = torch.from_numpy(grid.astype(np.float32).reshape(1, -1, size, 2))
    sampled = functional.grid_sample(
        torch.from_numpy(picture)[None, None], flat, mode="bilinear", padding_mode="border", align_corners=False
    )
    result: NDArray[np.float32] = sampled.reshape(-1, size, size).numpy()
    return result
