"""A knee and a hand: films that are no chests, for the gate to refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from screening_node.phantom.anatomy.bone import Bone, Grain, Points, ball, smooth, tube
from screening_node.phantom.anatomy.figure import Figure
from screening_node.phantom.anatomy.shapes import Ellipsoid, Grid, Rod, Shape, Stack, joined
from screening_node.phantom.physics.camera import Rays

#: Height in mm of the films' centres at size 1.
_MIDDLE = 131.0


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of the body: its bones, and the water in mm that rays meet in it."""

    bones: list[Bone] = field(repr=False)
    tissue: Callable[[Rays], Grid] = field(repr=False)


def knee(figure: Figure) -> Part:
    """Femur with two condyles, tibia with plateau and eminence, fibula and patella; the leg's skin, fat and muscle."""
    lean = float(figure.rng(70).normal(0, 0.06))

    def place(*points: Sequence[float] | Points) -> Points:
        line = np.array(points, dtype=np.float64)
        line[:, 0] += lean * line[:, 1]
        line[:, 1] += _MIDDLE
        return line * figure.size

    return Part(bones=[*_knee_bones(figure, place)], tissue=lambda rays: _leg(figure, lean, rays))


def _knee_bones(figure: Figure, place: Callable[..., Points]) -> Iterator[Bone]:
    rng, size = figure.rng(71), figure.size
    stuff = figure.stuff("lower_spine", rng, cortex=1.0, trabecular=0.17, grain=Grain.UPRIGHT)

    def bone(*points: tuple[float, ...], wall: Sequence[float] = (1.0,), ends: tuple[float, float] = (3, 3)) -> Bone:
        """Through points (x, y, z, half depth, half width)."""
        table = smooth(np.array(points, dtype=np.float64), 60)
        line = place(*table[:, :3])
        half = np.maximum(table[:, 3:], 1.0).T * size
        return tube(line, *half, stuff=stuff, up=(0, 0, 1), ends=ends, end_plate=0.6, wall=wall, around=24)

    # Cortex in mm: thick along the shafts, a shell at the ends.
    thin_below, thin_above = (4.5, 4.5, 4.0, 2.0, 1.0, 0.8), (0.8, 1.0, 2.0, 3.5, 4.0, 4.0)
    femur = [
        (6, -280, 0, 14, 14),
        (4, -190, 2, 14, 14),
        (2, -110, 2, 15, 16),
        (1, -62, 0, 20, 27),
        (0, -24, -2, 24, 39),
    ]
    yield bone(*femur, wall=thin_below, ends=(3, 12))
    for side in (-1, 1):  # condyles, apart by the notch
        x = side * 20.0 + 1
        yield bone((x, -36, -4, 24, 15), (x + side, -18, -6, 28, 18), (x + side, -2, -8, 25, 17), ends=(8, 14))
        yield bone((side * 6.0, 14, 2, 7, 5), (side * 5.5, 7, 1, 5, 3.5), (side * 5.0, 1, 0, 3, 2))
    tibia = [(0, 6, 0, 23, 38), (0, 24, -2, 23, 34), (0, 60, -3, 18, 21), (1, 110, -3, 15, 15), (3, 280, 0, 13, 13)]
    yield bone(*tibia, wall=thin_above, ends=(3, 3))
    fibula = [(33, 20, -15, 6, 6), (35, 36, -16, 8, 8), (34, 70, -16, 5.5, 5.5), (30, 280, -14, 5, 5)]
    yield bone(*fibula, wall=(0.8, 1.0, 2.0, 2.4), ends=(6, 3))
    yield ball(place((1, -36, 32))[0], (22.0 * size, 23.0 * size, 10.0 * size), stuff=stuff, around=20)


def _leg(figure: Figure, lean: float, rays: Rays) -> Grid:
    """Skin with fat, and muscle inside it."""
    size = figure.size
    heights = [-330.0, -160, -60, 0, 40, 110, 180, 460]
    plump = 1 + 0.012 * (figure.patient.bmi - 24)

    def sleeve(inset: float) -> Stack:
        return Stack(
            heights=[(y + _MIDDLE) * size for y in heights],
            centre_x=[lean * y * size for y in heights],
            centre_z=[z * size for z in (0.0, 0, 0, 0, -4, -12, -12, -6)],
            half_x=[x * size * plump - inset for x in (80, 70, 58, 55, 53, 58, 56, 42)],
            half_z=[z * size * plump - inset for z in (80, 70, 60, 57, 54, 60, 58, 42)],
            exponent=2.1,
        )

    path: Grid = 0.9 * joined(rays, [sleeve(0.0)]) + 0.12 * joined(rays, [sleeve(9.0)])
    return path


#: Rays of a hand from thumb to little finger: (x, y) in mm of base, head and tips of the bones, wrist below, size 1.
_DIGITS = (
    ((30, 34), (50, 0), (62, -32), (70, -58)),
    ((16, 20), (24, -44), (29, -86), (31, -110), (32, -128)),
    ((4, 18), (6, -46), (7, -92), (7, -120), (7, -139)),
    ((-7, 20), (-11, -40), (-15, -82), (-17, -108), (-18, -126)),
    ((-17, 24), (-27, -30), (-35, -62), (-39, -81), (-42, -97)),
)
_CARPUS = (
    (20, 46, 9, 8),
    (15, 32, 6, 6),
    (6, 36, 8, 11),
    (-8, 38, 7, 9),
    (8, 52, 9, 8),
    (-6, 54, 8, 7),
    (-14, 50, 5, 6),
    (24, 36, 6, 7),
)


def hand(figure: Figure) -> Part:
    """Fingers, wrist and the ends of radius and ulna, palm on the detector."""
    rng = figure.rng(75)
    spreading = float(rng.normal(1.0, 0.08))
    digits = [np.array(digit, dtype=np.float64) * [spreading, 1] for digit in _DIGITS]
    scale = 1.06 * figure.size
    digits = [(digit + rng.normal(0, 0.8, digit.shape) + [0, _MIDDLE + 20]) * scale for digit in digits]
    return Part(bones=[*_hand_bones(figure, digits, scale)], tissue=lambda rays: _palm(digits, scale, rays))


def _hand_bones(figure: Figure, digits: list[Points], scale: float) -> Iterator[Bone]:
    rng = figure.rng(76)
    stuff = figure.stuff("lower_spine", rng, cortex=0.9, trabecular=0.16, grain=Grain.UPRIGHT)
    shaft = np.array([1.0, 0.75, 0.58, 0.55, 0.62, 0.88, 0.8])
    for digit in digits:
        for index, (start, end) in enumerate(pairwise(digit)):
            gap = 0.04 if index else 0.02
            line = np.linspace(start + gap * (end - start), end - gap * (end - start), 16)
            wide = (8.0, 7.4, 6.2, 5.2)[index] * scale * shaft
            line = np.column_stack([line, np.zeros(16)])
            yield tube(line, 0.85 * wide, wide, stuff=stuff, up=(0, 0, 1), end_plate=0.4, wall=(0.5, 1.5, 1.6, 0.5))
    for x, y, wide_mm, high in _CARPUS:
        at = np.array([x, y + _MIDDLE + 20, 0]) * scale
        yield ball(at, (wide_mm * scale, high * scale, 7.0 * scale), stuff=replace(stuff, cortex=0.4), around=16)
    for points, halves in (
        ([(12, 62), (12, 90), (9, 140)], [15, 13, 9, 8, 8]),
        ([(-16, 66), (-15, 90), (-14, 140)], [7, 6, 5.5, 5.5, 5.5]),
    ):
        line = np.array([(x, y + _MIDDLE + 20, 0) for x, y in points], dtype=np.float64) * scale
        half = np.array(halves) * scale
        wall = (0.6, 1.0, 2.2, 2.6)
        yield tube(smooth(line, 24), 0.8 * half, half, stuff=stuff, up=(0, 0, 1), ends=(4, 3), end_plate=0.5, wall=wall)


def _palm(digits: list[Points], scale: float, rays: Rays) -> Grid:
    parts: list[Shape] = [
        Rod(start=(*start, 0.0), end=(*end, 0.0), radius=9.0 * scale)
        for digit in digits
        for start, end in pairwise(digit)
    ]
    heights = np.array([-56.0, -46, -20, 10, 36, 60, 110, 220])
    parts.append(
        Stack(
            heights=list((heights + _MIDDLE + 20) * scale),
            centre_x=[x * scale for x in (2.0, 2, 3, 5, 4, 0, -1, -2)],
            centre_z=[0.0] * 8,
            half_x=[x * scale for x in (30.0, 40, 42, 42, 36, 30, 32, 36)],
            half_z=[z * scale for z in (8.0, 12, 14, 16, 18, 18, 21, 26)],
            exponent=2.3,
        )
    )
    ball_of_thumb = ((30 * scale), (_MIDDLE + 42) * scale, 4.0)
    parts.append(Ellipsoid(centre=ball_of_thumb, half=(24 * scale, 40 * scale, 14 * scale), roll=0.5))
    path: Grid = joined(rays, parts)
    return path
