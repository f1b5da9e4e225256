"""Clavicles, scapulae and humeri."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from screening_node.phantom.anatomy.bone import Bone, Grain, Points, ball, point_along, smooth, tube
from screening_node.phantom.anatomy.figure import LEFT, SIDES, Figure

_CLAVICLE = ((17, 26, 62), (45, 22, 66), (78, 13, 50), (112, 3, 22), (140, -2, 2), (158, 0, -8))
_CLAVICLE_HALF_HEIGHT = (9.5, 8.2, 6.4, 5.6, 5.4, 5.6, 6.0, 6.2)
_CLAVICLE_HALF_DEPTH = (9.0, 7.6, 6.2, 5.6, 5.4, 5.8, 7.0, 8.2)
_LANDMARK_PLACES = (0.06, 0.50, 0.92)


def clavicle_line(figure: Figure, side: int) -> Points:
    """Centre line (n, 3) of a clavicle from its sternal end, mm."""
    points = np.array(_CLAVICLE, dtype=np.float64)
    chance = figure.rng(7, side + 1).standard_normal(2)
    points[:, 1] -= (figure.lift(side)) * np.clip((points[:, 0] - 17) / 120, 0, 1)
    points[2:4, 2] += 2.0 * chance[0]
    points[2:4, 1] += 1.2 * chance[1]
    points[:, 0] *= side
    return smooth(points * figure.size, 48)


def clavicle_landmarks(figure: Figure, side: int) -> list[Points]:
    """Points (3,) at 6, 50 and 92 % of the centre line from the sternal end."""
    line = clavicle_line(figure, side)
    return [point_along(line, place) for place in _LANDMARK_PLACES]


def bones(figure: Figure, *, arms_up: bool = False) -> Iterator[Bone]:
    """Both shoulders, the arms hanging or raised in front of the face."""
    for side in SIDES:
        region = "left_clavicle" if side == LEFT else "right_clavicle"
        yield _clavicle(figure, side, region)
        yield from _scapula(figure, side, region)
        yield _raised_humerus(figure, side, region) if arms_up else _humerus(figure, side, region)


def _clavicle(figure: Figure, side: int, region: str) -> Bone:
    stuff = figure.stuff(region, figure.rng(8, side + 1), cortex=1.25, trabecular=0.20, grain=Grain.AXIAL)
    return tube(
        clavicle_line(figure, side),
        np.array(_CLAVICLE_HALF_HEIGHT) * figure.size,
        np.array(_CLAVICLE_HALF_DEPTH) * figure.size,
        stuff=stuff,
        ends=(4.5, 4.0),
        exponent=2.1,
        around=18,
    )


class _Placer:
    """Points of one shoulder at size 1, mirrored, lifted and scaled."""

    def __init__(self, figure: Figure, side: int, *, shift: float) -> None:
        self._scale = figure.size
        self._move = np.array([shift, -0.8 * figure.lift(side), 0.0])
        self._mirror = np.array([side, 1.0, 1.0])

    def __call__(self, *points: Sequence[float]) -> Points:
        placed: Points = (np.array(points, dtype=np.float64) + self._move) * self._mirror * self._scale
        return placed


def _scapula(figure: Figure, side: int, region: str) -> Iterator[Bone]:
    """Blade, lateral border, spine with acromion, glenoid and coracoid."""
    size = figure.size
    rng = figure.rng(9, side + 1)
    stuff = figure.stuff(region, rng, cortex=0.85, trabecular=0.13)
    place = _Placer(figure, side, shift=figure.blade_shift(side) + 2)
    thin = replace(stuff, cortex=0.5 * size)
    wobble = rng.normal(0, 1.5, (4, 3))
    # The blade: a thin, bent sheet from the upper to the lower angle, as wide as the bone is there.
    middle = np.array([(132, 16, -58), (134, 52, -68), (130, 96, -80), (125, 136, -84), (120, 162, -82)], dtype=float)
    blade = smooth(place(*(middle + np.vstack([wobble, [[0, 0, 0]]]))), 24)
    across = place((160, 30, -32))[0] - place((104, 34, -76))[0]
    yield tube(
        blade,
        np.array([16, 27, 30, 27, 22, 16, 8]) * size,
        np.array([1.9, 1.6, 1.4, 1.4, 1.7, 2.4, 2.8]) * size,
        stuff=stuff,
        up=across / np.linalg.norm(across),
        ends=(7, 7),
        exponent=2.2,
        around=20,
    )
    border = smooth(place((158, 42, -33), (151, 68, -46), (141, 104, -62), (130, 138, -76), (121, 163, -82)), 20)
    yield tube(
        border,
        np.array([11, 7.0, 5.2, 4.2, 4.0, 3.8, 3.8, 4.0, 4.0, 3.0]) * size,
        np.array([8.5, 6.0, 5.0, 4.4, 4.2, 3.4]) * size,
        stuff=thin,
        up=(1, 0, 0.6),
        ends=(9, 3),
    )
    edge = smooth(
        place((128, 4, -52), (112, 20, -66), (105, 42, -78), (104, 84, -88), (109, 128, -90), (118, 164, -83)), 24
    )
    yield tube(edge + wobble[0], 1.7 * size, 2.2 * size, stuff=thin, up=(1, 0, 0.6), ends=(3, 3), around=8)
    ridge = smooth(place((108, 34, -80), (130, 18, -74), (150, 2, -52), (166, -8, -26), (170, -4, -10)), 30)
    yield tube(
        ridge,
        np.array([2.5, 4, 5.5, 7.5, 8.5, 7]) * size,
        np.array([3, 3.2, 3.6, 5, 7, 5]) * size,
        stuff=stuff,
        ends=(3, 9),
    )
    yield ball(place((162, 32, -24))[0], (5.0 * size, 17 * size, 12 * size), stuff=stuff, around=14)
    beak = smooth(place((148, 26, -26), (145, 19, -18), (150, 15, -10), (160, 19, -4), (169, 29, 2)), 16)
    yield tube(
        beak,
        np.array([5, 5.8, 5.4, 5, 4.2]) * size,
        np.array([6, 6.5, 6, 5, 4]) * size,
        stuff=thin,
        up=(1, 0, 0.3),
        ends=(4, 6),
    )


def _humerus(figure: Figure, side: int, region: str) -> Bone:
    """Head, tubercles and shaft as one tube whose axis bends at the neck."""
    size = figure.size
    stuff = figure.stuff(region, figure.rng(10, side + 1), cortex=2.2, trabecular=0.13)
    place = _Placer(figure, side, shift=0.6 * figure.blade_shift(side))
    away = figure.posture.arms
    line = smooth(
        place(
            (180, 10, -20),
            (183, 32, -20),
            (189, 58, -20),
            (193, 100, -20),
            (199 + 0.4 * away, 190, -18),
            (206 + away, 360, -14),
            (208 + 1.35 * away, 440, -12),
        ),
        130,
    )
    halves = np.interp(
        np.linspace(0, 430, 130),
        [0, 8, 16, 24, 32, 42, 54, 70, 110, 430],
        [19, 22, 23.7, 23.5, 22, 19, 15.5, 12.7, 11, 11],
    )
    return tube(line, halves * size, halves * size, stuff=stuff, up=(0, 0, 1), ends=(15, 4), exponent=2.0, around=20)


def _raised_humerus(figure: Figure, side: int, region: str) -> Bone:
    """Head and shaft of an arm that is held up, as for a lateral film."""
    size = figure.size
    stuff = figure.stuff(region, figure.rng(10, side + 1), cortex=2.2, trabecular=0.13)
    chance = figure.rng(11, side + 1).normal(0, 9, 2)
    place = _Placer(figure, side, shift=0.0)
    elbow = (128, -250 + chance[0], 96 + chance[1])
    line = smooth(place((164, 6, -26), (162, -14, -16), (154, -60, 12), elbow), 90)
    halves = np.interp(np.linspace(0, 290, 90), [0, 8, 16, 24, 36, 54, 90, 290], [19, 22, 23.7, 23, 20, 15.5, 12.5, 11])
    return tube(line, halves * size, halves * size, stuff=stuff, up=(1, 0, 0.2), ends=(15, 4), exponent=2.0, around=20)
