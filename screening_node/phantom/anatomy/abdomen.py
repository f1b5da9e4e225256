"""Abdomen and pelvis: a film that is no chest, for the gate to refuse."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from screening_node.phantom.anatomy import ribs, spine, torso
from screening_node.phantom.anatomy.bone import Bone, Grain, Points, Stuff, ball, smooth, tube
from screening_node.phantom.anatomy.extremity import Part
from screening_node.phantom.anatomy.figure import LEFT, RIGHT, SIDES, Figure
from screening_node.phantom.anatomy.shapes import Ellipsoid, Grid, Rod, Shape, Stack, joined
from screening_node.phantom.physics.camera import Rays

#: Height in mm at size 1 of the film's centre, at the iliac crests: the diaphragm stays above the film.
CENTRE_Y = 446.0
#: Where the diaphragm would be, mm: what torso.belly measures from.
_DOME = 214.0
#: The large bowel's way on a film, mm at size 1: rising, across, descending, to the rectum.
_BOWEL = (
    (RIGHT * 92, 520, 20),
    (RIGHT * 98, 450, 18),
    (RIGHT * 94, 372, 22),
    (RIGHT * 55, 368, 50),
    (0, 392, 62),
    (55, 372, 52),
    (100, 320, 10),
    (108, 380, 4),
    (104, 460, 4),
    (90, 520, 10),
    (48, 545, 22),
    (6, 535, 6),
    (0, 590, -20),
)


def abdomen(figure: Figure) -> Part:
    """Lumbar spine, lower ribs and pelvis; belly with gas in stomach and bowel."""
    bones = [*spine.bones(figure), *ribs.bones(figure), *_pelvis(figure)]
    return Part(bones=bones, tissue=lambda rays: _tissue(figure, rays))


def _tissue(figure: Figure, rays: Rays) -> Grid:
    """Water in mm along the rays."""
    inside = joined(rays, [_trunk(figure), *_thighs(figure)])
    gas = joined(rays, [*_bowel_gas(figure)])
    path: Grid = inside - torso.belly(figure, rays, _DOME) - 0.9 * gas * _folds(figure, rays)
    return path


def _trunk(figure: Figure) -> Shape:
    size, fat = figure.size, torso.draw_build(figure).fat
    heights = np.array([120.0, 220, 300, 380, 440, 520, 580, 640, 700])
    share = np.array([0.8, 1, 1.2, 1.4, 1.5, 1.4, 1.2, 1, 0.8])
    return Stack(
        heights=list(heights * size),
        centre_x=[0.0] * len(heights),
        centre_z=list(np.array([20, 22, 20, 16, 14, 6, 0, -4, -8]) * size),
        half_x=list(np.array([150, 150, 144, 140, 146, 158, 164, 160, 60]) * size + share * fat),
        half_z=list(np.array([108, 106, 98, 92, 90, 96, 98, 90, 50]) * size + 0.9 * share * fat),
        exponent=2.4,
    )


def _thighs(figure: Figure) -> Iterator[Shape]:
    size, fat = figure.size, torso.draw_build(figure).fat
    for side in SIDES:
        start, end = ((side * x * size, y * size, 0.0) for x, y in ((88, 600), (96, 900)))
        yield Rod(start=start, end=end, radius=72 * size + 0.6 * fat)


def _bowel_gas(figure: Figure) -> Iterator[Shape]:
    """Gas in pockets: haustra along the large bowel where it is not full of stool, small loops in the middle."""
    rng, size = figure.rng(80), figure.size
    way = smooth(np.array(_BOWEL, dtype=np.float64), 64) + rng.normal(0, 5, (64, 3))
    filled = np.interp(np.arange(64), np.linspace(0, 63, 9), rng.uniform(0.15, 0.95, 9))
    for point, chance in zip(way, filled, strict=True):
        if rng.random() < chance:
            yield _pocket(rng, point, rng.uniform(9, 19), size)
    for _ in range(int(rng.integers(6, 18))):
        yield _pocket(rng, rng.uniform((-70, 390, 10), (70, 540, 60)), rng.uniform(5, 11), size)


def _pocket(rng: np.random.Generator, at: Points, radius: float, size: float) -> Ellipsoid:
    x, y, z = (float(value) * size for value in at)
    a, b, c = (float(value) * radius * size for value in rng.uniform((0.8, 0.7, 0.6), (1.4, 1.1, 1.1)))
    return Ellipsoid(centre=(x, y, z), half=(a, b, c), roll=float(rng.uniform(-1.2, 1.2)))


def _folds(figure: Figure, rays: Rays) -> Grid:
    """Share of a pocket that is gas and not a fold or stool: mottled over 6 mm or so."""
    rng = figure.rng(81)
    x, y = rays.at(20.0, 0), rays.at(20.0, 1)
    waves: Grid = np.zeros(x.shape)
    for _ in range(7):
        turn, long, phase = rng.uniform(0, np.pi), rng.uniform(9, 30), rng.uniform(0, 2 * np.pi)
        waves += np.sin(2 * np.pi * (x * np.cos(turn) + y * np.sin(turn)) / long + phase)
    return np.asarray(np.clip(0.85 + 0.08 * waves, 0.3, 1.0))


def _pelvis(figure: Figure) -> Iterator[Bone]:
    stuff = figure.stuff("lower_spine", figure.rng(82), cortex=0.9, trabecular=0.13)
    yield from _sacrum(figure, stuff)
    for side in SIDES:
        yield from _hip_bone(figure, side, stuff)
        yield from _femur(figure, side)


def _placed(figure: Figure, side: int, *points: tuple[float, float, float]) -> Points:
    placed: Points = np.array(points, dtype=np.float64) * np.array([side, 1.0, 1.0]) * figure.size
    return placed


def _sacrum(figure: Figure, stuff: Stuff) -> Iterator[Bone]:
    """One wedge with its wings, thinned by four pairs of holes."""
    size = figure.size
    line = smooth(_placed(figure, LEFT, (0, 480, -8), (0, 510, -32), (0, 545, -52), (0, 580, -58), (0, 606, -46)), 40)
    yield tube(
        line,
        np.array([20, 15, 11, 8, 5]) * size,
        np.array([50, 48, 38, 24, 8]) * size,
        stuff=stuff,
        up=(0, 0.4, 1),
        ends=(6, 4),
        exponent=2.5,
        around=24,
    )
    for side in SIDES:
        for x, y in ((24, 502), (22, 524), (19, 546), (15, 566)):
            depth = -30 - 0.35 * (y - 502)
            rim = _placed(figure, side, (x - 8, y - 4, depth), (x, y - 6, depth), (x + 7, y - 2, depth))
            yield tube(rim, 1.4 * size, 1.4 * size, stuff=stuff, ends=(1.4, 1.4), around=8)


def _hip_bone(figure: Figure, side: int, stuff: Stuff) -> Iterator[Bone]:
    """Wing with its crest, the socket, the brim of the pelvis, pubis and ischium."""
    size = figure.size
    wing = smooth(_placed(figure, side, (92, 420, -14), (90, 460, -12), (84, 505, -8), (78, 545, 0)), 24)
    yield tube(
        wing,
        np.array([34, 50, 44, 32, 24]) * size,
        np.array([3.0, 2.6, 3.4, 6.0, 9.0]) * size,
        stuff=stuff,
        up=(side * 0.85, 0.0, 0.55),
        ends=(10, 6),
        around=20,
    )
    bars = (
        ([(38, 478, -58), (62, 428, -46), (98, 413, -14), (130, 440, 24), (126, 476, 44)], [4.5, 5.0, 5.5, 5.0, 4.0]),
        ([(40, 500, -44), (60, 528, -18), (64, 552, 16), (44, 572, 40), (10, 580, 50)], [3.5, 4.0, 6.0, 6.0, 8.0]),
        ([(84, 580, -14), (74, 612, -18), (62, 630, -10)], [11.0, 12.0, 9.0]),
        ([(62, 630, -10), (36, 616, 24), (10, 592, 46)], [6.5, 5.0, 8.0]),
        ([(66, 532, 6), (62, 552, 6), (64, 574, 4), (76, 590, 0)], [4.0, 5.0, 5.0, 5.0]),
        ([(66, 532, 6), (84, 524, 4), (104, 532, 2), (112, 548, 0)], [5.0, 6.0, 6.0, 3.0]),
    )
    for points, radii in bars:
        half = np.array(radii) * size
        yield tube(smooth(_placed(figure, side, *points), 24), half, half, stuff=stuff, up=(0.1, 0.2, 1), ends=(4, 4))


def _femur(figure: Figure, side: int) -> Iterator[Bone]:
    """Head, neck and shaft as one tube, and the greater trochanter."""
    size = figure.size
    stuff = figure.stuff("lower_spine", figure.rng(83, side + 1), cortex=1.6, trabecular=0.15, grain=Grain.AXIAL)
    line = smooth(
        _placed(figure, side, (76, 550, 6), (92, 561, 6), (112, 578, 4), (132, 604, 0), (136, 660, 0), (130, 800, 0)),
        90,
    )
    length = [0, 8, 18, 26, 36, 50, 72, 110, 260]
    half = np.interp(np.linspace(0, 260, 90), length, [17, 22, 23.5, 21, 17, 19, 21, 16, 14.5])
    yield tube(line, half * size, half * size, stuff=stuff, up=(0, 0, 1), ends=(14, 4), exponent=2.0, around=20)
    yield ball(_placed(figure, side, (146, 588, -6))[0], (11 * size, 17 * size, 13 * size), stuff=stuff, around=16)
