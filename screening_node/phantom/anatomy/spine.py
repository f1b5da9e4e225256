"""Vertebrae C4 to L5: bodies, pedicles, laminae, processes, articular masses; where they stand."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from scipy.interpolate import CubicSpline

from screening_node.phantom.anatomy.bone import Bone, Grain, Points, Stuff, ball, tube
from screening_node.phantom.anatomy.figure import SIDES, Figure

LEVELS = ("C4", "C5", "C6", "C7", *(f"T{level}" for level in range(1, 13)), "L1", "L2", "L3", "L4", "L5")
_HEIGHT = (13.5, 13.5, 13.5, 14.5, 16.5, 17.5, 18, 18.5, 19, 19.5, 20, 20.5, 21, 22, 23.5, 25, 26.5, 27.5, 28, 28, 28)
_DISC = (5, 5.2, 5.5, 5.5, 4.5, 3.8, 3.4, 3.2, 3.4, 3.6, 3.8, 4, 4.4, 5, 5.8, 6.5, 7.5, 9, 10, 11, 11)
_WIDTH = (24, 25, 27, 30, 31, 29, 27, 26.5, 27, 28, 29, 30.5, 32, 34, 37, 40, 42, 43.5, 45, 46.5, 48)
_DEPTH = (15, 15, 16, 17, 17, 18.5, 20, 21.5, 23, 24.5, 26, 27, 28, 29, 30, 31, 32, 33, 34, 34.5, 35)
_T1 = LEVELS.index("T1")
#: Front-to-back place of the body centres (y, z) at size 1: lordosis of the neck, kyphosis, lordosis of the loins.
_BENDS = ((-90, 2), (-45, -6), (0, -20), (70, -35), (150, -42), (225, -37), (300, -22), (370, -10), (440, -6))
_BASE_Z = -24.0
#: Trabecular density of a body at q = 1, g/cm3: from the neck down it falls, then rises a little (chosen so that
#: T12's areal mineral is 0.83 g/cm2 at q = 1, and T4 to T8 are not denser than it).
_BODY_DENSITY = np.interp(range(len(LEVELS)), [0, 3, 5, 8, 12, 15, 20], [0.26, 0.22, 0.16, 0.125, 0.14, 0.207, 0.20])


def region_of(level: str) -> str:
    """The region whose BMD a vertebra shares."""
    if level[0] == "C":
        return "cervical"
    return "lower_spine" if level[0] == "L" or level in ("T11", "T12") else "thoracic"


def body_centre(figure: Figure, level: str) -> Points:
    """Centre (3,) of a vertebral body in mm."""
    y = _level_y(LEVELS.index(level))
    return np.array([sway(figure, y), y, depth_of_spine(figure, y)]) * figure.size


def body_top(figure: Figure, level: str) -> float:
    """Height in mm of a body's upper end plate."""
    index = LEVELS.index(level)
    return (_level_y(index) - _HEIGHT[index] / 2) * figure.size


def half_width(level: str) -> float:
    """Half the width of a body at size 1, mm."""
    return _WIDTH[LEVELS.index(level)] / 2


def sway(figure: Figure, y: float) -> float:
    """Sideways place of the spine at height y, mm at size 1."""
    posture = figure.posture
    return float(posture.sway * np.sin(2 * np.pi * y / posture.sway_period + posture.sway_phase))


def depth_of_spine(figure: Figure, y: float) -> float:
    """Front-to-back place of the spine's body centres at height y, mm at size 1."""
    return float(_BASE_Z + figure.posture.kyphosis * (_bends()(y) - _BASE_Z))


@lru_cache(maxsize=1)
def _bends() -> CubicSpline:
    return CubicSpline(*zip(*_BENDS, strict=True))


def bones(figure: Figure) -> Iterator[Bone]:
    """Every part of every vertebra."""
    for index, level in enumerate(LEVELS):
        rng = figure.rng(1, index)
        body = figure.stuff(
            region_of(level), rng, cortex=0.4, trabecular=float(_BODY_DENSITY[index]), grain=Grain.UPRIGHT
        )
        yield _body(figure, index, body, rng)
        arch = Stuff(q=body.q, cortex=0.45 * figure.size, trabecular=0.16)
        yield from _arch(figure, index, arch, rng)


def _level_y(index: int) -> float:
    """Height of a body's centre at size 1, mm."""
    top = sum(_HEIGHT[_T1:index]) + sum(_DISC[_T1:index])
    top -= sum(_HEIGHT[index:_T1]) + sum(_DISC[index:_T1])
    return float(top + _HEIGHT[index] / 2)


def _axis(figure: Figure, index: int) -> tuple[Points, Points]:
    """Centre of a body and the unit vector down its axis."""
    y = _level_y(index)
    places = [np.array([sway(figure, at), at, depth_of_spine(figure, at)]) for at in (y - 5, y + 5)]
    down = places[1] - places[0]
    return (places[0] + places[1]) / 2 * figure.size, down / np.linalg.norm(down)


def _body(figure: Figure, index: int, stuff: Stuff, rng: np.random.Generator) -> Bone:
    """A body: waisted by 11 %, end plates of 0.5 mm, and with age a lip at their rims."""
    centre, down = _axis(figure, index)
    size = figure.size
    half = _HEIGHT[index] / 2 * size * (1 + 0.015 * rng.standard_normal())
    lip = 0.05 * max(figure.patient.age - 50, 0) / 25 * rng.uniform(0, 1, 2)
    along = np.linspace(-1, 1, 13)
    waist = 1 - 0.11 * np.clip(1 - along**2, 0, 1)
    rim = np.where(along < 0, lip[0], lip[1]) * np.clip(np.abs(along) * 4 - 3, 0, 1)
    line = centre + along[:, None] * half * down
    return tube(
        line,
        _DEPTH[index] / 2 * size * waist,
        _WIDTH[index] / 2 * size * (waist + rim),
        stuff=stuff,
        up=(0, 0, 1),
        ends=(1.3, 1.3),
        exponent=2.5,
        around=24,
        end_plate=0.5,
    )


def _arch(figure: Figure, index: int, stuff: Stuff, rng: np.random.Generator) -> Iterator[Bone]:
    """Pedicles, articular masses, laminae, transverse and spinous processes."""
    centre, down = _axis(figure, index)
    size = figure.size
    level = index - _T1
    half, high, deep = _WIDTH[index] / 2, _HEIGHT[index], _DEPTH[index] / 2
    grow = np.interp(level, [-4, 0, 8, 16], [0.72, 0.9, 1.0, 1.25])

    def place(x: float, y: float, z: float) -> Points:
        """A point beside the body in mm; y runs along the leaning axis, z square to it."""
        back = np.cross(np.array([1.0, 0, 0]), down)
        point: Points = centre + size * (np.array([x, 0, 0]) + y * down + z * back)
        return point

    def rod(*points: tuple[float, float, float], up: float, side: float, end: float = 2.0) -> Bone:
        line = np.array([place(*point) for point in points])
        direction = (0, 0, 1) if abs(line[-1] - line[0])[1] > np.abs(line[-1] - line[0])[[0, 2]].max() else (0, 1, 0)
        return tube(line, up * size, side * size, stuff=stuff, up=direction, ends=(end, end))

    reach = 9.0 if level < 0 else 27.0 if level > 11 else 19.0 - 0.7 * level
    long, drop = (14.0, 6.0) if level < -1 else (26.0, 14.0) if level < 2 else (22.0, 20.0 if level < 10 else 12.0)
    for side in SIDES:
        wobble = 1 + 0.05 * rng.standard_normal(4)
        x = side * 0.78 * half * wobble[0]
        up = -0.14 * high
        yield rod((x, up, -deep + 3), (x, up, -deep - 8), up=5.2 * grow, side=3.6 * grow)
        yield rod((x, up + 1, -deep - 9), (side * 1.5, up + 9, -deep - 20), up=6.0 * grow, side=2.4 * grow)
        tip = (x + side * reach * wobble[1], up - 3 * wobble[2], -deep - (15 if level >= 0 else 4))
        yield rod((x, up, -deep - 8), tip, up=4.2 * grow, side=3.2 * grow, end=3.5)
        mass = x + side * (2.5 if level < 0 else 0.5)
        yield rod(
            (mass, up - 0.52 * high, -deep - 9.5),
            (mass * 0.96, up + 0.02 * high, -deep - 11),
            (mass * 0.9, up + 0.62 * high, -deep - 13),
            up=3.4 * grow,
            side=4.3 * grow,
            end=3.0,
        )
    yield rod(
        (0, up + 8, -deep - 19),
        (rng.normal(0, 0.8), up + 9 + 0.55 * drop, -deep - 20 - 0.6 * long),
        (rng.normal(0, 1.2), up + 9 + drop, -deep - 20 - long),
        up=(5.0 if level < 11 else 8.5) * grow,
        side=2.4 * grow,
        end=3.0,
    )


def knob(figure: Figure, level: str, stuff: Stuff) -> Bone:
    """An osteophyte at the side of a body's lower end plate."""
    index = LEVELS.index(level)
    centre, down = _axis(figure, index)
    side = 1 if figure.rng(1, index, 7).random() < 0.5 else -1
    at = centre + down * _HEIGHT[index] / 2 * figure.size + np.array([side * _WIDTH[index] / 2 * figure.size, 0, 4])
    return ball(at, (3.0, 1.6, 4.0), stuff=stuff)
