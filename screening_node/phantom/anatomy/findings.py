"""What hides bone or looks like it: fluid, consolidation, pacemaker, buttons, necklace, hooks, tubes, leads.

Shares of films by design/phantom.md: effusion 8 %, consolidation 12, pacemaker 4, buttons 8, necklace 6, hooks 8.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from screening_node.phantom.anatomy.bone import Bone, Points, Stuff, ball, smooth, tube
from screening_node.phantom.anatomy.chest import Chest, waterline
from screening_node.phantom.anatomy.figure import LEFT, RIGHT, Figure
from screening_node.phantom.anatomy.shapes import Ellipsoid, Grid, Stretch, joined
from screening_node.phantom.physics.camera import Camera, Rays

#: Metal counts as so much mineral in g/cm3; plastic as so much.
_METAL, _PLASTIC = 9.0, 0.35
_SHARES = {
    "effusion": 0.08,
    "consolidation": 0.12,
    "pacemaker": 0.04,
    "buttons": 0.08,
    "necklace": 0.06,
    "hooks": 0.08,
}
_BEDSIDE_SHARES = {"effusion": 0.25, "consolidation": 0.30, "pacemaker": 0.06, "tube": 0.6, "leads": 0.85}


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What one film shows besides a healthy chest."""

    names: frozenset[str]

    def fluid(self, figure: Figure, chest: Chest, rays: Rays) -> tuple[Stretch, ...]:
        """Stretches of the rays that an effusion fills."""
        if "effusion" not in self.names:
            return ()
        rng = figure.rng(50)
        side = LEFT if rng.random() < 0.5 else RIGHT
        return (waterline(figure, rays, side, chest.dome + rng.uniform(-55, 22), chest),)

    def infiltrate(self, figure: Figure, chest: Chest, rays: Rays) -> Grid:
        """Water in mm that patches of consolidation add to the lungs."""
        path = np.zeros(rays.stretch.shape)
        if "consolidation" not in self.names:
            return path
        rng = figure.rng(51)
        side = LEFT if rng.random() < 0.5 else RIGHT
        size = figure.size
        cavity = chest.cavities[0 if side == LEFT else 1].cross(rays)
        middle = np.array([side * rng.uniform(45, 95), rng.uniform(50, chest.dome - 20), rng.uniform(-30, 60)])
        for _ in range(int(rng.integers(8, 18))):
            x, y, z = (middle + rng.normal(0, 1, 3) * (17, 19, 17)) * size
            half = size * rng.uniform(6, 20)
            patch = Ellipsoid(centre=(x, y, z), half=(half, half * rng.uniform(0.6, 1.2), half))
            path += rng.uniform(0.1, 0.35) * joined(rays, [patch], within=[cavity])
        return path

    def objects(self, figure: Figure) -> Iterator[tuple[Bone, float]]:
        """Things of metal and plastic, each with its density as mineral in g/cm3."""
        makers = {
            "pacemaker": _pacemaker,
            "buttons": _buttons,
            "necklace": _necklace,
            "hooks": _hooks,
            "tube": _breathing_tube,
            "leads": _leads,
        }
        for name, make in makers.items():
            if name in self.names:
                yield from make(figure)


def draw_findings(rng: np.random.Generator, sex: str, *, bedside: bool = False) -> Findings:
    """What a film shows; hooks and necklaces on women's films alone."""
    shares = _BEDSIDE_SHARES if bedside else _SHARES
    names = {name for name, share in shares.items() if rng.random() < share}
    if sex != "F":
        names -= {"hooks", "necklace"}
    return Findings(names=frozenset(names))


def side_marker(figure: Figure, camera: Camera, width: float, height: float) -> Iterator[tuple[Bone, float]]:
    """A lead letter L on the film (width and height in mm) at its upper corner on the patient's left."""
    rng = figure.rng(57)
    on_film = np.array([width / 2 - rng.uniform(26, 44), camera.centre_y - height / 2 + rng.uniform(24, 60)])
    near = camera.film_z - 0.01 * (camera.film_z - camera.source_z)
    corner = camera.turn.T @ np.array([*(on_film - camera.shift), near])
    high = rng.uniform(9, 13)
    for points in ([(0, 0, 0), (0, high, 0)], [(0, high, 0), (0.55 * high, high, 0)]):
        yield _wire(corner + np.array(points, dtype=np.float64), 1.5), 12.0


def _solid() -> Stuff:
    return Stuff(q=1.0, cortex=0.0, trabecular=0.0)


def _wire(points: Points, radius: float, *, count: int = 0) -> Bone:
    line = smooth(points, count) if count else points
    return tube(line, radius, radius, stuff=_solid(), up=(0.1, 0.2, 1), ends=(radius, radius), exponent=2.0, around=8)


def _pacemaker(figure: Figure) -> Iterator[tuple[Bone, float]]:
    """A can below a clavicle, and one or two leads through the upper vena cava into the heart."""
    rng = figure.rng(52)
    size = figure.size
    side = LEFT if rng.random() < 0.7 else RIGHT
    can = np.array([side * rng.uniform(85, 105), rng.uniform(58, 82), 88.0]) * size
    line = can + np.linspace(-17, 17, 20)[:, None] * np.array([0.0, 1.0, 0.0])
    yield (
        tube(
            line, 3.6, [20, 23.5, 24.5, 24, 23, 20], stuff=_solid(), up=(0, 0, 1), ends=(12, 9), exponent=2.4, around=24
        ),
        4.0,
    )
    for index in range(int(rng.integers(1, 3))):
        tip = np.array([(42, 200, 60), (-8, 160, 60)][index]) + rng.normal(0, 4, 3)
        points = np.array(
            [
                can / size + (-side * 14, -8, 0),
                (side * 60, 30, 60),
                (side * 20, 28, 40),
                (-20, 60, 30),
                (-22, 130, 40),
                tip,
            ]
        )
        yield _wire(points * size, 0.8, count=60), _METAL
        yield ball(tip * size, (1.5, 1.5, 1.5), stuff=_solid()), _METAL


def _buttons(figure: Figure) -> Iterator[tuple[Bone, float]]:
    rng = figure.rng(53)
    x, first, step = rng.normal(0, 14), rng.uniform(20, 70), rng.uniform(62, 95)
    density = _PLASTIC if rng.random() < 0.7 else 4.0
    for index in range(int(rng.integers(2, 5))):
        centre = np.array([x + rng.normal(0, 2), first + index * step, 124.0])
        yield ball(centre, (5.6, 5.6, 1.3), stuff=_solid(), around=16), density


def _necklace(figure: Figure) -> Iterator[tuple[Bone, float]]:
    rng = figure.rng(54)
    size = figure.size
    half, drop = rng.uniform(44, 60), rng.uniform(45, 95)
    across = np.linspace(-1, 1, 41)
    line = np.stack([half * across, -30 + drop * (1 - np.abs(across) ** 2.2), 90 - 60 * np.abs(across) ** 3], axis=1)
    line += rng.normal(0, 0.5, (41, 3))
    yield _wire(line * size, 0.55), _METAL
    if rng.random() < 0.5:
        yield ball(line[20] * size + np.array([0, 5, 2]), (3.0, 4.4, 1.2), stuff=_solid()), _METAL


def _hooks(figure: Figure) -> Iterator[tuple[Bone, float]]:
    """Hooks and strap rings of a bra: small metal parts at the back and in front of the shoulders."""
    rng = figure.rng(55)
    size = figure.size
    y = rng.uniform(140, 175)
    for row in range(2):
        for column in (-1, 1):
            at = np.array([6.0 * column, y + 11 * row, -92.0]) * size
            yield _wire(at + np.array([[0, 0, 0], [2.5, 0, 0], [2.5, 2.5, 0], [0, 2.5, 0]]), 0.45), _METAL
    for side in (LEFT, RIGHT):
        angle = np.linspace(0, 2 * np.pi * 0.95, 16)
        ring = np.stack([4.4 * np.cos(angle), 4.4 * np.sin(angle), 0 * angle], axis=1)
        yield _wire(ring + np.array([side * 62.0, rng.uniform(20, 60), 95.0]) * size, 0.6), _METAL


def _breathing_tube(figure: Figure) -> Iterator[tuple[Bone, float]]:
    rng = figure.rng(56)
    size = figure.size
    tip = rng.uniform(20, 62)
    line = np.array([(0, -190, 20), (0, -110, 8), (0, -40, 2), (-1, tip, -4)], dtype=np.float64) * size
    yield _wire(line, 5.0, count=24), _PLASTIC * 0.4
    yield _wire(line + np.array([4.6, 0, 0]), 0.6, count=24), 2.5
    if rng.random() < 0.6:  # a feeding tube into the stomach
        gut = [(6, -190, 8), (4, -40, -4), (8, 80, -12), (14, 190, -10), (34, 258, 10), (60, 282, 20)]
        yield _wire(np.array(gut, dtype=np.float64) * size, 1.5, count=60), 0.9


def _leads(figure: Figure) -> Iterator[tuple[Bone, float]]:
    """Electrodes with their cables."""
    rng = figure.rng(58)
    for x, y in ((-110, 40), (112, 44), (-105, 205), (118, 214))[: int(rng.integers(2, 5))]:
        at = np.array([x, y, 118.0]) + rng.normal(0, 10, 3)
        yield ball(at, (5.5, 5.5, 1.0), stuff=_solid(), around=14), 2.0
        bends = np.array([(0, 0, 0), (rng.normal(0, 20), 50, 6), (rng.normal(0, 40), 130, 8)])
        way = np.vstack([at + bends, (0.3 * x, 330, 120)])
        yield _wire(way, 0.9, count=40), 2.5
