"""What bones are made of and how they are built: cortical tubes around a centre line with marrow tubes inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline

Points = npt.NDArray[np.float64]

#: Mineral density in g/cm3 of cortex at q = 1, and of a single trabecular plate.
_CORTICAL_DENSITY = 1.05
_PLATE_DENSITY = 1.1
#: Correlation length of trabeculae in cm.
_TRABECULAR_LENGTH = 0.05
#: Steps by which a rounded end closes: a short one, and one longer than _LONG_END mm.
_END_STEPS, _LONG_END_STEPS = np.linspace(0, np.pi / 2, 4), np.linspace(0, np.pi / 2, 10)
_LONG_END = 8.0


class Grain(StrEnum):
    """The main direction of a bone's trabeculae on a frontal film."""

    ROUND = "round"
    UPRIGHT = "upright"
    AXIAL = "axial"


@dataclass(frozen=True, kw_only=True)
class Stuff:
    """A bone's make, given q = its BMD over the cohort mean; ``cortex`` in mm, ``trabecular`` in g/cm3 at q = 1."""

    q: float
    cortex: float
    trabecular: float
    grain: Grain = Grain.ROUND

    @property
    def cortex_mm(self) -> float:
        """Cortical thickness in mm."""
        return float(self.cortex * self.q**0.6)

    @property
    def cortical_density(self) -> float:
        """Mineral in the cortex, g/cm3."""
        return float(_CORTICAL_DENSITY * self.q**0.15)

    @property
    def trabecular_density(self) -> float:
        """Mineral in the marrow space, g/cm3."""
        return float(self.trabecular * self.q**1.25)

    @property
    def grain_variance(self) -> float:
        """Variance of areal mineral, (g/cm2)2, that single trabeculae cause over each cm of marrow."""
        share = min(self.trabecular_density / _PLATE_DENSITY, 0.9)
        return float(_PLATE_DENSITY**2 * share * (1 - share) * _TRABECULAR_LENGTH)


@dataclass(frozen=True, kw_only=True)
class Bone:
    """A closed outer surface and the marrow inside it, as rings (n, m, 3) in mm."""

    stuff: Stuff
    outer: Points = field(repr=False)
    inner: Points = field(repr=False)


def smooth(points: Sequence[Sequence[float]] | Points, count: int) -> Points:
    """``count`` points evenly along a cubic spline through ``points`` (n, 3)."""
    through = np.asarray(points, dtype=np.float64)
    travelled = _travelled(through)
    line: Points = CubicSpline(travelled, through)(np.linspace(0, travelled[-1], count))
    return line


def point_along(line: Points, place: float) -> Points:
    """The point (3,) at ``place`` (0 to 1) of a centre line's length."""
    travelled = _travelled(line)
    return np.array([np.interp(place * travelled[-1], travelled, line[:, axis]) for axis in range(3)])


def tube(
    line: Points,
    half_up: float | Sequence[float] | Points,
    half_side: float | Sequence[float] | Points,
    *,
    stuff: Stuff,
    up: Sequence[float] | Points = (0.0, 1.0, 0.0),
    ends: tuple[float, float] = (2.0, 2.0),
    exponent: float = 2.3,
    around: int = 12,
    end_plate: float | None = None,
    wall: Sequence[float] = (1.0,),
) -> Bone:
    """A bone around a centre line (n, 3) in mm.

    ``half_up`` and ``half_side`` are the half axes of the superelliptic cross-section along ``up`` and across it in
    mm: one number, or several spread evenly along the line. ``up`` is (3,) or (n, 3). ``ends`` in mm is how long
    each end takes to close. ``end_plate`` in mm is the cortex at the ends where it differs from the side's; ``wall``
    multiplies the side's, spread evenly along the line.
    """
    place, position, length = _stations(line, ends)
    axes = [_spread(half, place) for half in (half_up, half_side)]
    upward = np.broadcast_to(np.asarray(up, dtype=np.float64), line.shape)
    centre = _along(line, line, place)
    tangent, across, upright = _frame(centre, _along(upward, line, place))
    cortex = stuff.cortex_mm
    plate = cortex if end_plate is None else end_plate * stuff.q**0.6
    circle = _superellipse(around, exponent)

    def rings(shave: Points, cap: float) -> Points:
        closing = _closing(position, length, ends, cap)
        half = [np.maximum(axis - shave, 0) * closing for axis in axes]
        sides = half[1][:, None, None] * circle[0][None, :, None] * across[:, None]
        heights = half[0][:, None, None] * circle[1][None, :, None] * upright[:, None]
        shift = np.clip(position, cap, length - cap) - position
        return (centre + shift[:, None] * tangent)[:, None] + sides + heights

    return Bone(stuff=stuff, outer=rings(np.zeros(len(place)), 0.0), inner=rings(cortex * _spread(wall, place), plate))


def ball(centre: Points, half: tuple[float, float, float], *, stuff: Stuff, around: int = 10) -> Bone:
    """An ellipsoid with half axes (x, y, z) in mm."""
    pole = np.array([0.0, half[1], 0.0])
    line = np.array([centre - pole, centre + pole])
    return tube(line, half[2], half[0], stuff=stuff, up=(0, 0, 1), ends=(half[1], half[1]), exponent=2.0, around=around)


def _stations(line: Points, ends: tuple[float, float]) -> tuple[Points, Points, float]:
    """Where the rings lie: share of the line's length, mm from its start, and that length."""
    length = float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())
    first, last = (min(end, 0.499 * length) for end in ends)
    middle = np.linspace(first, length - last, max(len(line), 3))[1:-1]
    opening, closing = (end * (1 - np.cos(_LONG_END_STEPS if end > _LONG_END else _END_STEPS)) for end in (first, last))
    closing = length - closing[::-1]
    position = np.concatenate([opening, middle, closing])
    return position / length, position, length


def _closing(position: Points, length: float, ends: tuple[float, float], cap: float) -> Points:
    """How far open the tube is, 0 to 1, when ``cap`` mm are taken off each end."""
    first, last = (min(end, 0.499 * length) for end in ends)
    start = np.clip((position - cap) / max(first - cap, 1e-6), 0, 1)
    finish = np.clip((length - cap - position) / max(last - cap, 1e-6), 0, 1)
    opening: Points = np.sqrt((1 - (1 - start) ** 2) * (1 - (1 - finish) ** 2))
    return opening


def _spread(value: float | Sequence[float] | Points, place: Points) -> Points:
    """Values given evenly along the line, at the stations."""
    values = np.atleast_1d(np.asarray(value, dtype=np.float64))
    if len(values) == 1:
        return np.full(len(place), float(values[0]))
    return np.interp(place, np.linspace(0, 1, len(values)), values)


def _along(values: Points, line: Points, place: Points) -> Points:
    """Values (n, 3) that belong to the points of a line, at the stations."""
    travelled = _travelled(line)
    at = place * travelled[-1]
    return np.stack([np.interp(at, travelled, values[:, axis]) for axis in range(3)], axis=1)


def _travelled(line: Points) -> Points:
    """Length of the line up to each of its points, mm."""
    return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])


def _frame(centre: Points, up: Points) -> tuple[Points, Points, Points]:
    """Unit vectors along, across and up at each station, (n, 3) each."""
    tangent = np.gradient(centre, axis=0)
    # Stations that coincide (an end of no length) take the direction of the whole line.
    tangent = tangent + 1e-9 * (centre[-1] - centre[0])
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    upright = up - (up * tangent).sum(axis=1, keepdims=True) * tangent
    upright /= np.linalg.norm(upright, axis=1, keepdims=True)
    return tangent, np.cross(tangent, upright), upright


@lru_cache(maxsize=64)
def _superellipse(around: int, exponent: float) -> tuple[Points, Points]:
    """Unit superellipse, its area made that of the smooth curve: a polygon inside a curve is too small."""
    angle = 2 * np.pi * np.arange(around) / around + np.pi / around
    power = 2 / exponent
    x = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** power
    y = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** power
    fine = np.linspace(0, np.pi / 2, 400)
    quarter = np.abs(np.trapezoid(np.sin(fine) ** power, np.cos(fine) ** power))
    polygon = 0.5 * np.abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))
    grow = np.sqrt(4 * quarter / polygon)
    return x * grow, y * grow
