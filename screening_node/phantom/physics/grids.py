"""Moving between fine and coarse grids: shrinking, spreading by splines, wide blurs."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Array = npt.NDArray[np.float32]


def spread(coarse: npt.NDArray[np.floating], shape: tuple[int, int]) -> Array:
    """A coarse map spread over a film of ``shape`` by cubic B-splines, which smooth by about 0.6 coarse samples.

    First and last coarse samples lie on the first and last pixels.
    """
    down, across = (_spline(n, full) for n, full in zip(coarse.shape, shape, strict=True))
    return np.asarray(down @ (coarse.astype(np.float32) @ across.T), dtype=np.float32)


def shrink(image: npt.NDArray[np.floating], step: int) -> Array:
    """Mean over blocks of step x step; a remainder at the edges is left out of the last block."""
    if step == 1:
        return np.asarray(image, dtype=np.float32)
    rows, columns = (side // step for side in image.shape)
    blocks = image[: rows * step, : columns * step].reshape(rows, step, columns, step)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float32), dtype=np.float32)


def wide_blur(image: Array, sigma: float) -> Array:
    """Gaussian blur by ``sigma`` pixels, done on a coarse copy; edges are continued."""
    step = max(int(sigma / 4), 1)
    coarse = ndimage.gaussian_filter(shrink(image, step), sigma / step, mode="nearest", truncate=3.0)
    return coarse if step == 1 else spread(coarse, (image.shape[0], image.shape[1]))


@lru_cache(maxsize=16)
def _spline(count: int, full: int) -> Array:
    """Weights (full, count) of cubic B-splines."""
    place = np.arange(full) * (count - 1) / max(full - 1, 1)
    base = np.minimum(np.floor(place).astype(int), count - 1)
    matrix = np.zeros((full, count + 3), np.float32)
    for offset in range(-1, 3):
        distance = np.abs(place - base - offset)
        near = 2 / 3 - distance**2 + distance**3 / 2
        far = np.maximum(2 - distance, 0) ** 3 / 6
        matrix[np.arange(full), base + offset + 1] = np.where(distance < 1, near, far)
    inside = matrix[:, 1 : count + 1]
    return np.asarray(inside / inside.sum(axis=1, keepdims=True), dtype=np.float32)
