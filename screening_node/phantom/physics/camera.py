"""The cone beam: where a point of the patient falls on the film, and the ray that ends in a pixel."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Rays:
    """Straight rays in patient coordinates, one for each sample of a grid.

    At depth s along ``axis`` (2: front to back, 0: side to side) a ray is at ``base + s * slope``; both are
    (3, rows, columns), with base 0 and slope 1 on the axis itself. ``stretch`` (rows, columns) is path length
    for each mm of s.
    """

    axis: int
    base: Points = field(repr=False)
    slope: Points = field(repr=False)
    stretch: Points = field(repr=False)

    def at(self, depth: Points | float, coordinate: int) -> Points:
        """The rays' coordinate (0 x, 1 y, 2 z) at ``depth`` mm along the axis."""
        place: Points = self.base[coordinate] + depth * self.slope[coordinate]
        return place

    def crop(self, window: tuple[slice, slice]) -> Rays:
        """The rays of a part of the grid."""
        part = (slice(None), *window)
        return Rays(axis=self.axis, base=self.base[part], slope=self.slope[part], stretch=self.stretch[window])


@dataclass(frozen=True, kw_only=True)
class Camera:
    """Source, film and the patient's stance.

    ``shape`` (rows, columns); ``spacing`` mm; ``turn`` (3, 3) rotates the patient; ``shift`` (x, y) in mm moves
    him; ``centre_y`` is the height in mm of central ray and film centre; ``source_z`` and ``film_z`` in mm.
    """

    shape: tuple[int, int]
    spacing: float
    turn: Points = field(repr=False)
    shift: tuple[float, float]
    centre_y: float
    source_z: float
    film_z: float

    @property
    def sideways(self) -> bool:
        """Whether the patient stands side on, as for a lateral film."""
        return bool(abs(self.turn[0, 2]) > 0.7)

    @property
    def _offset(self) -> Points:
        return np.array([self.shift[0], self.shift[1] - self.centre_y, 0.0])

    @property
    def _film_centre(self) -> Points:
        """Film coordinates (x, y) in mm of pixel (0, 0), from the film's centre."""
        rows, columns = self.shape
        return np.array([columns - 1, rows - 1]) * (-0.5 * self.spacing)

    def project(self, points: Points) -> Points:
        """Points (..., 3) in mm to (..., 3): column and row in pixels, and t in mm along the ray.

        t grows towards the patient's front, so that surfaces turn the same way for either side of the source.
        """
        place = points @ self.turn.T + self._offset
        depth = place[..., 2] - self.source_z
        magnification = (self.film_z - self.source_z) / depth
        film = (place[..., :2] * magnification[..., None] - self._film_centre) / self.spacing
        distance = np.sign(self.film_z - self.source_z) * np.sqrt((place[..., :2] ** 2).sum(axis=-1) + depth**2)
        return np.concatenate([film, distance[..., None]], axis=-1)

    def magnification(self, point: Points) -> float:
        """How much larger than life a point (3,) appears."""
        depth = float((point @ self.turn.T)[2]) - self.source_z
        return (self.film_z - self.source_z) / depth

    def rays(self, rows: int, columns: int) -> Rays:
        """Rays to an even grid on the film, whose first and last samples lie on the first and last pixels."""
        height, width = ((side - 1) * self.spacing / 2 for side in self.shape)
        y, x = np.meshgrid(np.linspace(-height, height, rows), np.linspace(-width, width, columns), indexing="ij")
        ends = np.stack([x, y, np.full_like(x, self.film_z)]) - self._offset[:, None, None]
        source = self.turn.T @ (np.array([0.0, 0.0, self.source_z]) - self._offset)
        direction = np.einsum("ij,jrc->irc", self.turn.T, ends) - source[:, None, None]
        axis = 0 if self.sideways else 2
        slope = direction / direction[axis]
        base = source[:, None, None] - source[axis] * slope
        base[axis], slope[axis] = 0.0, 1.0
        return Rays(axis=axis, base=base, slope=slope, stretch=np.sqrt((slope**2).sum(axis=0)))


def rotation(*, about_y: float, about_x: float, about_z: float) -> Points:
    """Rotation matrix (3, 3) of a patient who turns (y), leans (x) and tilts in the film's plane (z), in rad."""
    cy, sy, cx, sx = np.cos(about_y), np.sin(about_y), np.cos(about_x), np.sin(about_x)
    cz, sz = np.cos(about_z), np.sin(about_z)
    turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    lean = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    roll = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    matrix: Points = roll @ lean @ turn
    return matrix
