"""Ribs 1 to 12, their cartilage with its calcified spots, and the sternum."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from screening_node.phantom.anatomy.bone import Bone, Points, Stuff, ball, smooth, tube
from screening_node.phantom.anatomy.figure import LEFT, SIDES, Figure
from screening_node.phantom.anatomy.spine import body_centre, body_top, depth_of_spine

NUMBERS = range(1, 13)
_HALF_WIDTH = (60, 90, 108, 120, 128, 134, 138, 140, 138, 131, 120, 100)
_HALF_DEPTH = (44, 62, 74, 82, 88, 92, 95, 97, 97, 95, 90, 84)
_SLOPE = (0.50, 0.56, 0.60, 0.62, 0.64, 0.66, 0.68, 0.68, 0.66, 0.62, 0.58, 0.55)
_DROP = (2, 4, 6, 8, 10, 12, 14, 16, 18, 18, 14, 10)
_END = (62, 60, 58, 56, 54, 50, 44, 36, 26, 14, -12, -40)
_HALF_HEIGHT = (7.5, 5.8, 6.1, 6.3, 6.5, 6.6, 6.6, 6.5, 6.2, 5.8, 5.2, 4.4)
_HALF_THICKNESS = (4.2, 3.7, 3.6, 3.6, 3.6, 3.7, 3.7, 3.6, 3.5, 3.3, 3.0, 2.7)
_START = -81.0
#: Cortex along a rib against its mean of 1: thick at the angle, thin towards the cartilage, where the edges fade.
_WALL = (1.1, 1.35, 1.3, 1.15, 1.0, 0.95, 0.9, 0.85, 0.75, 0.65)
#: How far behind the spine's bodies the arcs begin, mm.
_BEHIND = 10.0
#: Where the cartilage of ribs 1 to 7 reaches the sternum: height in mm.
_NOTCHES = (40, 62, 80, 96, 111, 126, 140)


def centre_line(figure: Figure, side: int, number: int) -> Points:
    """Centre line (n, 3) of a rib from its neck to its cartilage, mm."""
    i = number - 1
    chance = figure.rng(2, number, side + 1).standard_normal(8) * figure.posture.asymmetry
    angle = np.radians(np.linspace(_START, _END[i] + 1.6 * chance[0], 44))
    forward = _HALF_DEPTH[i] * figure.posture.chest_depth * (1 + 0.012 * chance[1]) * (1 + np.sin(angle))
    slope = _SLOPE[i] - 0.03 * figure.posture.inspiration + 0.014 * chance[2]
    width = _HALF_WIDTH[i] * figure.posture.chest_width * (1 + 0.009 * chance[3])
    # The back bulges behind the spine at the angle of the rib; a slow wave along it keeps it from being a hoop.
    bulge = 9 * np.exp(-(((np.degrees(angle) + 52) / 22) ** 2)) * np.clip((13 - number) / 4, 0, 1)
    wave = 1.3 * chance[4] * np.sin(2 * angle + chance[5]) + 0.7 * chance[6] * np.sin(5 * angle + chance[7])
    head = body_centre(figure, f"T{number}") / figure.size
    top = body_top(figure, f"T{number}") / figure.size
    y = top + 2 + slope * forward + _DROP[i] * np.cos(angle) + wave
    x = side * width * np.cos(angle) + head[0]
    z = depth_of_spine(figure, top) - _BEHIND + forward - bulge
    return np.stack([x, y, z], axis=1) * figure.size


def outermost(line: Points) -> Points:
    """The lateral-most point (3,) of a centre line, between its samples."""
    away = np.abs(line[:, 0] - line[0, 0])
    at = int(np.clip(np.argmax(away), 1, len(line) - 2))
    before, here, after = away[at - 1 : at + 2]
    bend = before - 2 * here + after
    place = at + (0.5 * (before - after) / bend if bend < 0 else 0.0)
    return np.array([np.interp(place, np.arange(len(line)), line[:, axis]) for axis in range(3)])


def bones(figure: Figure) -> Iterator[Bone]:
    """Ribs and sternum."""
    for side in SIDES:
        region = "left_ribs" if side == LEFT else "right_ribs"
        for number in NUMBERS:
            stuff = figure.stuff(region, figure.rng(3, number, side + 1), cortex=0.75, trabecular=0.12)
            yield _rib(figure, side, number, stuff)
    yield from _sternum(figure)


def cartilages(figure: Figure) -> Iterator[tuple[Bone, float]]:
    """Cartilage of ribs 1 to 10 with its excess over water in g/cm3, and its calcified spots as mineral."""
    for side in SIDES:
        for number in range(1, 11):
            line = _cartilage_line(figure, side, number)
            gristle = Stuff(q=1.0, cortex=0.3, trabecular=0.0)
            height = (_HALF_HEIGHT[number - 1] * 0.95) * figure.size
            yield tube(line, [height, height * 0.8], [4.0 * figure.size, 3.2 * figure.size], stuff=gristle), 0.035
            for spot in _spots(figure, line, number, side):
                yield spot, 0.16


def _rib(figure: Figure, side: int, number: int, stuff: Stuff) -> Bone:
    line = centre_line(figure, side, number)
    size = figure.size
    rng = figure.rng(4, number, side + 1)
    profile = np.array([0.62, 0.72, 0.88, 1.0, 1.0, 0.98, 0.98, 1.0, 1.06, 1.12])
    if number > 10:
        profile = profile * np.linspace(1, 0.6, 10)
    profile = profile * (1 + 0.03 * rng.standard_normal(10))
    flat = 0.25 if number > 1 else 0.9  # rib 1 lies flat, the others stand on edge and lean a little
    outward = line - line.mean(axis=0) * [1, 0, 1]
    outward[:, 1] = 0
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    up = np.array([0.0, 1.0, 0.0]) + flat * outward
    return tube(
        line,
        _HALF_HEIGHT[number - 1] * size * profile,
        _HALF_THICKNESS[number - 1] * size * np.clip(profile, 0.85, 1.1),
        stuff=stuff,
        up=up,
        ends=(3.0, 2.2),
        exponent=2.2,
        around=14,
        end_plate=0.3,
        wall=_WALL,
    )


def _cartilage_line(figure: Figure, side: int, number: int) -> Points:
    """From a rib's end to the sternum, or to the cartilage above (ribs 8 to 10)."""
    size = figure.size
    rib = centre_line(figure, side, number)
    end, before = rib[-1], rib[-4]
    ahead = end + (end - before) / np.linalg.norm(end - before) * 14 * size
    if number <= 7:
        goal = np.array([side * 17.0, _NOTCHES[number - 1], 62 + 0.32 * _NOTCHES[number - 1]]) * size
    else:
        above = centre_line(figure, side, number - 1)[-1]
        goal = 0.45 * above + 0.55 * np.array([side * 30.0, 175.0, 100.0]) * size
    middle = 0.5 * (ahead + goal) + np.array([0, 5.0 * size, 4.0])
    return smooth(np.array([end, ahead, middle, goal]), 14)


def _spots(figure: Figure, line: Points, number: int, side: int) -> Iterator[Bone]:
    """Calcified spots: more with age; at the margins in men, along the middle in women."""
    rng = figure.rng(5, number, side + 1)
    eager = 1.6 if number == 1 else 1.0
    count = int(rng.poisson(eager * 0.28 * max(figure.patient.age - 38, 0)))
    margin = 4.5 if figure.patient.sex == "M" else 1.5
    stuff = Stuff(q=1.0, cortex=0.3, trabecular=0.0)
    for _ in range(min(count, 24)):
        at = line[int(rng.integers(0, len(line)))] + rng.normal(0, 1.2, 3)
        at[1] += margin * (1 if rng.random() < 0.5 else -1)
        long = float(np.exp(rng.normal(0.4, 0.45)))
        yield ball(at, (1.8 * long, 0.9 * long, 1.2 * long), stuff=stuff, around=6)


def _sternum(figure: Figure) -> Iterator[Bone]:
    """Manubrium and body."""
    size = figure.size
    stuff = figure.stuff("thoracic", figure.rng(6), cortex=0.5, trabecular=0.11)
    parts = (
        ([(0, 33, 65), (0, 58, 77), (0, 78, 85)], [24, 30, 26, 19, 15]),
        ([(0, 81, 86), (0, 130, 100), (0, 178, 106)], [15, 15, 18, 20, 19, 12]),
    )
    for points, widths in parts:
        line = np.array(points, dtype=np.float64) * size * (1, 1, figure.posture.chest_depth)
        yield tube(
            line, 5.2 * size, np.array(widths) * size, stuff=stuff, up=(0, 0, 1), ends=(4, 4), exponent=2.6, around=16
        )
