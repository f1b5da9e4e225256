"""Soft tissue as shapes that a ray enters and leaves once: their stretches joined, cut and measured exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from screening_node.phantom.physics.camera import Rays

Grid = npt.NDArray[np.float64]
Points = npt.NDArray[np.float64]
#: Where each ray enters and leaves, mm along the rays' axis, (rows, columns) each; left before entered: missed.
Stretch = tuple[Grid, Grid]

#: Step in mm of the tables by height.
_TABLE_STEP = 0.5


class Shape(Protocol):
    """What a ray crosses in one stretch at most."""

    def cross(self, rays: Rays) -> Stretch:
        """Where the rays enter and leave."""
        ...

    def holds(self, points: Points) -> npt.NDArray[np.bool_]:
        """Which of the points (n, 3) lie inside."""
        ...


@dataclass(frozen=True, kw_only=True)
class Ellipsoid:
    """Half axes in mm around a centre, tilted by ``roll`` rad in the frontal plane."""

    centre: tuple[float, float, float]
    half: tuple[float, float, float]
    roll: float = 0.0

    def _unit(self, points: Points) -> Points:
        """Coordinates (3, ...) in which the ellipsoid is the unit ball, for directions and for places alike."""
        cos, sin = np.cos(self.roll), np.sin(self.roll)
        x, y, z = points
        half = self.half
        return np.stack([(x * cos + y * sin) / half[0], (y * cos - x * sin) / half[1], z / half[2]])

    def cross(self, rays: Rays) -> Stretch:
        """Roots of the quadratic along each ray."""
        start = self._unit(rays.base - np.array(self.centre)[:, None, None])
        step = self._unit(rays.slope)
        return _roots(_dot(step, step), _dot(start, step), _dot(start, start) - 1)

    def holds(self, points: Points) -> npt.NDArray[np.bool_]:
        """Inside the unit ball."""
        unit = self._unit(points.T - np.array(self.centre)[:, None])
        return np.asarray((unit**2).sum(axis=0) < 1)


@dataclass(frozen=True, kw_only=True)
class Rod:
    """A cylinder between two points, with round ends a third as long as its radius."""

    start: tuple[float, float, float]
    end: tuple[float, float, float]
    radius: float

    def cross(self, rays: Rays) -> Stretch:
        """The cylinder's two roots, cut by the planes of its ends."""
        origin, axis, length = self._axis()
        base = rays.base - origin[:, None, None]
        along0, along1 = np.einsum("i,irc->rc", axis, base), np.einsum("i,irc->rc", axis, rays.slope)
        flat0 = base - axis[:, None, None] * along0
        flat1 = rays.slope - axis[:, None, None] * along1
        low, high = _roots(_dot(flat1, flat1), _dot(flat0, flat1), _dot(flat0, flat0) - self.radius**2)
        cap = self.radius / 3
        steep = np.where(np.abs(along1) < 1e-9, 1e-9, along1)
        ends = np.sort(np.stack([(-cap - along0) / steep, (length + cap - along0) / steep]), axis=0)
        return np.maximum(low, ends[0]), np.minimum(high, ends[1])

    def holds(self, points: Points) -> npt.NDArray[np.bool_]:
        """Near the axis, between the ends."""
        origin, axis, length = self._axis()
        along = (points - origin) @ axis
        away = np.linalg.norm(points - origin - along[:, None] * axis, axis=1)
        return np.asarray((away < self.radius) & (along > 0) & (along < length))

    def _axis(self) -> tuple[Points, Points, float]:
        origin, end = np.array(self.start), np.array(self.end)
        length = float(np.linalg.norm(end - origin))
        return origin, (end - origin) / length, length


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Superellipses over height: centre and half axes (x, z) in mm at each of ``heights`` (y, rising).

    Nothing above the first and below the last height. ``only`` is 1 or -1 to keep the patient's left or right half.
    """

    heights: Sequence[float]
    centre_x: Sequence[float]
    centre_z: Sequence[float]
    half_x: Sequence[float]
    half_z: Sequence[float]
    exponent: float = 2.0
    only: int = 0
    _tables: list[Grid] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        count = int((self.heights[-1] - self.heights[0]) / _TABLE_STEP) + 1
        levels = self.heights[0] + _TABLE_STEP * np.arange(count + 1)
        parts = (self.centre_x, self.centre_z, self.half_x, self.half_z)
        tables = [np.interp(levels, self.heights, part).astype(np.float64) for part in parts]
        object.__setattr__(self, "_tables", tables)

    def cross(self, rays: Rays) -> Stretch:
        """Entry and exit found where the stack is at their own height: two corrections are enough."""
        middle = np.full(rays.stretch.shape, float(np.mean(self.centre_z if rays.axis == 2 else self.centre_x)))
        low, high = self._chord(rays, middle)
        return _half(rays, (self._chord(rays, low)[0], self._chord(rays, high)[1]), self.only)

    def holds(self, points: Points) -> npt.NDArray[np.bool_]:
        """Inside the superellipse of the point's height."""
        level, inside = self._level(points[:, 1])
        cx, cz, hx, hz = self._at(level)
        p = self.exponent
        near = (np.abs(points[:, 0] - cx) / hx) ** p + (np.abs(points[:, 2] - cz) / hz) ** p < 1
        return np.asarray(near & inside & (points[:, 0] * self.only >= 0))

    def _chord(self, rays: Rays, depth: Grid) -> Stretch:
        level, inside = self._level(rays.at(depth, 1))
        cx, cz, hx, hz = self._at(level)
        other = rays.at(depth, 2 - rays.axis)
        if rays.axis == 0:
            cx, cz, hx, hz = cz, cx, hz, hx
        reach = np.minimum(np.abs(other - cx) / np.maximum(hx, 1e-6), 1.0)
        chord = hz * (1 - reach**self.exponent) ** (1 / self.exponent)
        chord = np.where(inside, chord, 0.0)
        return cz - chord, cz + chord

    def _level(self, y: Grid) -> tuple[Grid, npt.NDArray[np.bool_]]:
        level = (y - self.heights[0]) / _TABLE_STEP
        last = len(self._tables[0]) - 1
        return np.clip(level, 0, last - 1e-6), np.asarray((level > 0) & (level < last))

    def _at(self, level: Grid) -> tuple[Grid, Grid, Grid, Grid]:
        below = level.astype(np.int64)
        part = level - below
        cx, cz, hx, hz = (table[below] * (1 - part) + table[below + 1] * part for table in self._tables)
        return cx, cz, hx, hz


@dataclass(frozen=True, kw_only=True)
class Dome:
    """What lies below a paraboloid: top (x, y, z) and how far in mm it falls at ``reach`` (x, z) mm from it."""

    top: tuple[float, float, float]
    reach: tuple[float, float]
    fall: float
    only: int = 0

    def cross(self, rays: Rays) -> Stretch:
        """Where y > top + fall (dx2 + dz2), taken for rays that run level near the dome."""
        depth = self.top[2] if rays.axis == 2 else self.top[0]
        y, other = rays.at(depth, 1), rays.at(depth, 2 - rays.axis)
        a, b = (self.top[0], self.top[2]) if rays.axis == 2 else (self.top[2], self.top[0])
        near, far = self.reach if rays.axis == 2 else self.reach[::-1]
        left = (y - self.top[1]) / self.fall - ((other - a) / near) ** 2
        half = far * np.sqrt(np.maximum(left, 0))
        return _half(rays, (b - half, b + half), self.only)

    def holds(self, points: Points) -> npt.NDArray[np.bool_]:
        """Below the surface."""
        x, y, z = points.T
        square = ((x - self.top[0]) / self.reach[0]) ** 2 + ((z - self.top[2]) / self.reach[1]) ** 2
        return np.asarray((y > self.top[1] + self.fall * square) & (x * self.only >= 0))


def window_of(stretch: Stretch) -> tuple[slice, slice]:
    """The smallest part of the grid that holds every ray of a stretch."""
    hit = stretch[1] > stretch[0]
    sides = []
    for axis in (1, 0):
        places = np.flatnonzero(hit.any(axis=axis))
        sides.append(slice(int(places[0]), int(places[-1]) + 1) if len(places) else slice(0, 0))
    return sides[0], sides[1]


def joined(rays: Rays, shapes: Sequence[Shape | Stretch], within: Sequence[Stretch] = ()) -> Grid:
    """Path in mm through the union of shapes, (rows, columns); inside the (disjoint) stretches ``within``, if any."""
    crossings = [shape if isinstance(shape, tuple) else shape.cross(rays) for shape in shapes]
    if not within:
        return _union(crossings, rays.stretch.shape) * rays.stretch
    total = np.zeros(rays.stretch.shape)
    for low, high in within:
        total += _union([(np.maximum(a, low), np.minimum(b, high)) for a, b in crossings], total.shape)
    return total * rays.stretch


def _union(crossings: Sequence[Stretch], shape: tuple[int, ...]) -> Grid:
    """Length of the union of stretches: sorted by entry, each adds what lies beyond all before it."""
    crossings = [crossing for crossing in crossings if (crossing[1] > crossing[0]).any()]
    if len(crossings) < 2:
        return sum((np.maximum(b - a, 0) for a, b in crossings), start=np.zeros(shape))
    low = np.stack([a for a, _ in crossings])
    high = np.stack([np.maximum(a, b) for a, b in crossings])
    order = np.argsort(low, axis=0)
    low, high = np.take_along_axis(low, order, axis=0), np.take_along_axis(high, order, axis=0)
    reached = np.full(low.shape[1:], -np.inf)
    total = np.zeros(low.shape[1:])
    for a, b in zip(low, high, strict=True):
        total += np.maximum(b - np.maximum(a, reached), 0)
        reached = np.maximum(reached, b)
    return total


def _half(rays: Rays, stretch: Stretch, side: int) -> Stretch:
    """The part of a stretch on one side of the plane x = 0; all of it where ``side`` is 0."""
    low, high = stretch
    if not side:
        return stretch
    lean = rays.slope[0] * side
    plane = -rays.base[0] / np.where(np.abs(rays.slope[0]) < 1e-12, 1e-12, rays.slope[0])
    return np.where(lean >= 0, np.maximum(low, plane), low), np.where(lean < 0, np.minimum(high, plane), high)


def _dot(a: Grid, b: Grid) -> Grid:
    product: Grid = (a * b).sum(axis=0)
    return product


def _roots(a: Grid, half_b: Grid, c: Grid) -> Stretch:
    """Both roots of a s2 + 2 half_b s + c; equal where there is none."""
    root = np.sqrt(np.maximum(half_b**2 - a * c, 0))
    return (-half_b - root) / a, (-half_b + root) / a
