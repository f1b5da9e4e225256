"""A film at halving resolutions, so that any part of it can be resampled at any scale quickly and without aliasing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: A level is made until its longer side is below this.
_SMALLEST = 96


@dataclass(frozen=True, kw_only=True)
class Pyramid:
    """``levels[k]`` has pixels of 2^k x 2^k stored pixels (their mean), float32 (rows, columns).

    Stored column x (pixel centres at integers) lies at (x + 0.5) / 2^k - 0.5 of level k.
    """

    levels: tuple[NDArray[np.float32], ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the stored film."""
        rows, columns = self.levels[0].shape
        return rows, columns

    def level_for(self, step: float) -> int:
        """The level to sample from when samples lie ``step`` stored pixels apart.

        The nearest in the logarithm: a level's pixel is then between 0.71 and 1.41 of a step, so that the 2 x 2
        means are the low-pass that shrinking needs.
        """
        level = round(np.log2(max(step, 1.0)))
        return min(int(level), len(self.levels) - 1)


def build_pyramid(pixels: NDArray[np.float32]) -> Pyramid:
    """All levels of a film; an odd last row or column is repeated."""
    levels = [np.ascontiguousarray(pixels, dtype=np.float32)]
    while max(levels[-1].shape) >= 2 * _SMALLEST:
        levels.append(_halved(levels[-1]))
    return Pyramid(levels=tuple(levels))


def _halved(level: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, columns = level.shape
    if rows % 2 or columns % 2:
        level = np.pad(level, ((0, rows % 2), (0, columns % 2)), mode="edge")
    pairs = level[0::2] + level[1::2]
    return np.asarray((pairs[:, 0::2] + pairs[:, 1::2]) * np.float32(0.25))
