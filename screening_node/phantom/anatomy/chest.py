"""Lungs, heart, great vessels, mediastinum and diaphragm: how much water the chest does not hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from screening_node.phantom.anatomy import ribs, spine
from screening_node.phantom.anatomy.figure import LEFT, RIGHT, Figure
from screening_node.phantom.anatomy.shapes import (
    Dome,
    Ellipsoid,
    Grid,
    Points,
    Rod,
    Shape,
    Stack,
    Stretch,
    joined,
    window_of,
)
from screening_node.phantom.physics.camera import Rays


@dataclass(frozen=True, kw_only=True)
class Chest:
    """The lungs' cavities (left, right) and all that lies between and below them.

    ``dome`` is the height of the right dome at size 1, mm; ``density`` that of the lungs in g/cm3.
    """

    cavities: tuple[Stack, Stack]
    organs: tuple[Shape, ...] = field(repr=False)
    dome: float
    density: float
    seed: int

    def air(self, rays: Rays, filled: tuple[Stretch, ...] = ()) -> Grid:
        """Path through lungs in mm; ``filled`` stretches (an effusion) are no lung."""
        path = np.zeros(rays.stretch.shape)
        for cavity in self.cavities:
            low, high = cavity.cross(rays)
            window = window_of((low, high))
            part, inside = rays.crop(window), (low[window], high[window])
            blocked = [(a[window], b[window]) for a, b in filled]
            path[window] += np.maximum(inside[1] - inside[0], 0) * part.stretch
            path[window] -= joined(part, [*self.organs, *blocked], within=[inside])
        return path * self._mottle(rays)

    def _mottle(self, rays: Rays) -> Grid:
        """Lungs are not even: small vessels and lobules beyond the tree's reach, some per cent of the air."""
        rng = np.random.default_rng([self.seed, 34])
        shape = rays.stretch.shape
        mottle = np.ones(shape)
        for reach, amount in ((0.7, 0.02), (1.8, 0.016), (9.0, 0.03)):
            noise = ndimage.gaussian_filter(rng.standard_normal(shape), reach, truncate=3)
            mottle += amount * noise / noise.std()
        return mottle

    def is_lung(self, points: Points, side: int) -> npt.NDArray[np.bool_]:
        """Which of the points (n, 3) lie in a lung."""
        inside = self.cavities[0 if side == LEFT else 1].holds(points)
        for organ in self.organs:
            inside &= ~organ.holds(points)
        return inside


def build_chest(figure: Figure) -> Chest:
    """The chest of a figure."""
    rng = figure.rng(30)
    inspiration = figure.posture.inspiration
    dome = float(222 + 12 * inspiration + 5 * rng.standard_normal())
    organs = (
        *_diaphragm(figure, dome, rng),
        *_mediastinum(figure),
        *_heart(figure, dome, rng),
        *_great_vessels(figure, rng),
    )
    return Chest(
        cavities=(_cavity(figure, LEFT), _cavity(figure, RIGHT)),
        organs=organs,
        dome=dome,
        seed=figure.patient.seed,
        density=float(np.clip(rng.normal(0.25, 0.035) - 0.012 * inspiration, 0.15, 0.38)),
    )


def _cavity(figure: Figure, side: int) -> Stack:
    """One half of the space inside the ribs: its edge follows the inner margin of ribs 1 to 10."""
    size = figure.size
    lines = [ribs.centre_line(figure, side, number) for number in range(1, 11)]
    tips = np.array([ribs.outermost(line) for line in lines])
    margin = np.array([10.0, 6.5, *([5.2] * 8)]) * size
    order = np.argsort(tips[:, 1])
    level, edge = tips[order, 1], np.abs(tips[order, 0]) - margin[order]
    top = level[0] - 26 * size
    rise = np.array([0.0, 0.08, 0.25, 0.5, 0.75])
    apex = top + rise * (level[0] - top)
    round_edge = edge[0] * np.sqrt(1 - (1 - rise) ** 2)
    heights = np.concatenate([apex, level, [level[-1] + 60 * size]])
    deep = np.interp(heights / size, [-8, 14, 30, 60, 100, 150, 220, 320], [8, 26, 42, 62, 78, 86, 88, 76])
    deep = deep * np.minimum(1, np.sqrt(np.clip((heights - top) / (30 * size), 0, 1)) + 0.02)
    back = np.array([spine.depth_of_spine(figure, y / size) - 16 for y in heights])
    return Stack(
        heights=list(heights),
        centre_x=[0.0] * len(heights),
        centre_z=list((back + deep * figure.posture.chest_depth) * size),
        half_x=list(np.maximum(np.concatenate([round_edge, edge, [edge[-1]]]), 1.0)),
        half_z=list(deep * figure.posture.chest_depth * size),
        exponent=2.3,
        only=side,
    )


def _diaphragm(figure: Figure, dome: float, rng: np.random.Generator) -> Iterator[Shape]:
    """Two domes, the left one lower, and the middle between them."""
    size = figure.size
    wide = figure.posture.chest_width
    lower = float(np.clip(rng.normal(11, 6), -6, 26))
    for side, extra in ((RIGHT, 0.0), (LEFT, lower)):
        x = side * (70 + rng.normal(0, 4)) * size
        yield Dome(
            top=(x, (dome + extra) * size, (38 + rng.normal(0, 6)) * size),
            reach=(72 * size * wide, 100 * size),
            fall=float(rng.uniform(42, 54)) * size,
            only=side,
        )
        # A second, wider arch makes the dome's outline less than a perfect parabola.
        yield Dome(
            top=(x + side * rng.normal(14, 9) * size, (dome + extra + rng.uniform(2, 7)) * size, 48 * size),
            reach=(60 * size * wide, 84 * size),
            fall=float(rng.uniform(30, 44)) * size,
            only=side,
        )
    yield Stack(  # the crura and what lies behind them: no lung beside the spine below the domes
        heights=[(dome + y) * size for y in (-24, 6, 40, 220)],
        centre_x=[spine.sway(figure, dome + y) * size for y in (-24, 6, 40, 220)],
        centre_z=[-36 * size] * 4,
        half_x=[x * size for x in (12, 22, 28, 33)],
        half_z=[52 * size] * 4,
        exponent=2.0,
    )
    yield Ellipsoid(centre=(4 * size, (dome + 44) * size, 34 * size), half=(80 * size, 46 * size, 80 * size))


def _mediastinum(figure: Figure) -> Iterator[Shape]:
    """What lies between the lungs before and around the spine."""
    size = figure.size
    heights = [-60.0, -18, 8, 36, 80, 120, 160, 200, 260, 340]
    sway = [spine.sway(figure, y) for y in heights]
    plump = 1 + 0.012 * (figure.patient.bmi - 24)  # fat between the great vessels
    swell = plump * (1 + 0.06 * figure.rng(33).standard_normal(len(heights)))
    # Narrowest under the clavicles' heads; above, the vessels lean outwards to the neck and the arms.
    right = np.array([40.0, 41, 31, 25, 27, 31, 33, 34, 38, 42]) * swell
    left = np.array([40.0, 42, 29, 22, 31, 30, 30, 34, 38, 42]) * swell
    yield Stack(
        heights=[y * size for y in heights],
        centre_x=[(0.5 * shift + x) * size for shift, x in zip(sway, 0.5 * (left - right), strict=True)],
        centre_z=[z * size for z in (0, 1, 2, 5, 9, 14, 20, 24, 26, 28)],
        half_x=list(0.5 * (left + right) * size),
        half_z=[z * size for z in (38, 40, 42, 46, 48, 50, 53, 56, 60, 64)],
        exponent=3.2,
    )
    yield Stack(
        heights=[y * size for y in heights],
        centre_x=[shift * size for shift in sway],
        centre_z=[(spine.depth_of_spine(figure, y) - 14) * size for y in heights],
        half_x=[x * size for x in (17, 17.5, 17.5, 17.5, 17.5, 18, 19, 21, 25, 32)],
        half_z=[28 * size] * 10,
        exponent=2.0,
    )


def _heart(figure: Figure, dome: float, rng: np.random.Generator) -> Iterator[Shape]:
    """Left ventricle, right atrium, left atrium and the fat at the apex; broader when the breath is shallow."""
    size = figure.size
    age = figure.patient.age
    broad = np.exp(0.08 * rng.standard_normal()) * (1 + 0.0025 * (age - 55)) * (1 + 0.004 * (figure.patient.bmi - 24))
    broad = float(np.clip(broad * (1 - 0.045 * figure.posture.inspiration), 0.82, 1.22))
    x, y = 5 * rng.standard_normal(), dome - 36 + 4 * rng.standard_normal()
    turn = float(rng.normal(0.62, 0.10) - 0.05 * figure.posture.inspiration)

    def part(dx: float, dy: float, z: float, half: tuple[float, float, float], roll: float = 0.0) -> Ellipsoid:
        half_x, half_y, half_z = (value * size * broad for value in half)
        centre = ((x + dx * broad) * size, (y + dy) * size, z * size)
        return Ellipsoid(centre=centre, half=(half_x, half_y, half_z), roll=roll)

    yield part(28, 0, 42, (68, 48, 66), turn)
    yield part(6, -6, 38, (50, 58, 66), 0.5)
    yield part(-13, 8, 40, (31, 46, 52), 0.25)
    yield part(-15, -30, 34, (22, 52, 40), 0.06)
    yield part(6, -34, 10, (38, 30, 34))
    yield part(22, -50, 36, (25, 36, 38), 0.35)
    yield part(60, 25, 60, (27, 14, 24), 0.6)


def _great_vessels(figure: Figure, rng: np.random.Generator) -> Iterator[Shape]:
    """Aorta (wider and longer with age), upper vena cava, pulmonary trunk and its branches."""
    size = figure.size
    age = figure.patient.age
    wide = 12.5 + 0.09 * (age - 55) + 0.8 * rng.standard_normal()
    unfold = max(0.0, 0.22 * (age - 52)) + 2.5 * rng.standard_normal()
    high = 2.5 * rng.standard_normal()
    chance = figure.rng(35).standard_normal(6)

    def at(x: float, y: float, z: float) -> tuple[float, float, float]:
        return x * size, (y + high) * size, z * size

    def rod(a: tuple[float, float, float], b: tuple[float, float, float], radius: float) -> Rod:
        return Rod(start=at(*a), end=at(*b), radius=float(radius * size))

    def swelling(middle: tuple[float, float, float], half: tuple[float, float, float], roll: float) -> Ellipsoid:
        return Ellipsoid(centre=at(*middle), half=_scaled(half, size), roll=roll)

    # Ascending aorta, whose right side bulges the more the longer it has grown; arch and knob; descending aorta.
    yield swelling((-13 - 0.45 * unfold + 1.5 * chance[0], 112, 44), (1.32 * wide, 40, 1.3 * wide), 0.1)
    yield rod((-8, 86, 34), (20 + 0.5 * unfold, 76, -6), 1.12 * wide)
    knob = (22 + 0.7 * unfold + 1.5 * chance[1], 77 + 2 * chance[2], -8)
    yield swelling(knob, (1.5 * wide, 1.3 * wide, 30), -0.2)
    yield rod((20 + 0.6 * unfold, 80, -12), (20 + unfold, 180, -18), wide)
    yield rod((20 + unfold, 180, -18), (10, 320, -14), wide)
    # Upper vena cava and the veins that meet in it, leaning outwards to the neck.
    cava = 1.5 * chance[3]
    yield swelling((-22 + cava, 92, 26), (13, 62, 20), -0.05)
    yield rod((-38, -18, 20), (-24 + cava, 44, 26), 9)
    # Left subclavian artery: from the knob a hollow line up, then outwards over the apex; the carotid before it.
    reach = 2 * chance[4]
    yield rod((22 + 0.4 * unfold, 74, -6), (19 + reach, 36, -4), 9)
    yield rod((19 + reach, 36, -4), (28 + reach, 8, -4), 8.5)
    yield rod((28 + reach, 8, -4), (46 + reach, -18, -2), 8)
    yield rod((14, 68, 16), (24, -30, 14), 8)
    yield rod((14, 132, 46), (27, 106, 8), 12.5)
    yield rod((8, 118, 10), (-36, 120, 4), 10)
    yield rod((24, 108, 0), (44, 112, -12), 10.5)
    yield rod((-36, 118, 2), (-46, 146, -6), 8)
    yield rod((44, 110, -12), (50, 138, -22), 8)
    yield rod((10, 146, -4), (-40, 152, -8), 7)
    yield rod((10, 146, -4), (42, 146, -10), 7)


def _scaled(half: tuple[float, float, float], size: float) -> tuple[float, float, float]:
    return float(half[0] * size), float(half[1] * size), float(half[2] * size)


def waterline(figure: Figure, rays: Rays, side: int, height: float, chest: Chest) -> Stretch:
    """What an effusion fills of one side: deep at the back, thin at its upper rim, climbing along the chest wall."""
    low, high = chest.cavities[0 if side == LEFT else 1].cross(rays)
    size = figure.size
    depth = 20 * size
    across, y = side * rays.at(depth, 0) / size, rays.at(depth, 1) / size
    climb = 40 * np.clip(across / 125, 0, 1) ** 3
    filled = np.clip((y - height + climb) / 46, 0, 1) * np.clip((across - 6) / 34, 0, 1)
    return low, low + np.maximum(high - low, 0) * filled * (2 - filled)
