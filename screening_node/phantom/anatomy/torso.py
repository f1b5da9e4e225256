"""Skin, fat and muscle: torso, neck, shoulders, arms and breasts; gas and folds of fat in the belly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from screening_node.phantom.anatomy.figure import LEFT, SIDES, Figure
from screening_node.phantom.anatomy.shapes import Ellipsoid, Grid, Rod, Shape, Stack, joined
from screening_node.phantom.physics.camera import Rays

#: Density of fat against water.
_FAT = 0.92


@dataclass(frozen=True, kw_only=True)
class Build:
    """Chance in the soft tissue: ``fat`` under the skin in mm; ``breast`` in mm of height above the chest wall."""

    fat: float
    breast: tuple[float, float]


def draw_build(figure: Figure) -> Build:
    """A build that fits BMI and sex."""
    rng = figure.rng(20)
    patient = figure.patient
    breast = max(0.0, rng.normal(24 + 1.8 * (patient.bmi - 24), 9)) if patient.sex == "F" else 0.0
    removed = patient.sex == "F" and rng.random() < 0.02
    sides = (breast * float(np.exp(0.08 * rng.standard_normal())), 0.0 if removed else breast)
    return Build(
        fat=float(max(4.0, 9.0 + 2.4 * (patient.bmi - 23.5) + 3.0 * rng.standard_normal())),
        breast=sides if rng.random() < 0.5 else (sides[1], sides[0]),
    )


def body(figure: Figure, build: Build, rays: Rays, *, arms_up: bool = False) -> Grid:
    """Water-equivalent path through the body in mm, lungs not yet taken out."""
    outside = list(_outline(figure, build, arms_up=arms_up))
    inside = joined(rays, outside)
    # The skin's layer of fat, a little lighter than water: thicker where the body is.
    fat = np.minimum(2.2 * build.fat, 0.35 * inside)
    breasts = joined(rays, [*outside, *_breasts(figure, build)]) - inside if max(build.breast) > 0 else 0.0
    # The upper pole runs out into the chest wall without an edge.
    slope = np.clip((rays.at(110.0 * figure.size, 1) / figure.size - 96) / 85, 0, 1)
    path: Grid = inside - (1 - _FAT) * fat + 0.95 * breasts * slope**1.5
    return path


def belly(figure: Figure, rays: Rays, dome: float) -> Grid:
    """Path in mm to take away below the diaphragm: gas, and the light planes of fat around organs."""
    path = np.zeros(rays.stretch.shape)
    below = np.flatnonzero((rays.at(0.0, 1) > (dome - 12) * figure.size).any(axis=1))
    if len(below):
        window = (slice(int(below[0]), None), slice(None))
        part = rays.crop(window)
        path[window] = _stomach(figure, part, dome) + _colon(figure, part, dome) + _fat_planes(figure, part, dome)
    return path


def _outline(figure: Figure, build: Build, *, arms_up: bool) -> Iterator[Shape]:
    size, fat = figure.size, build.fat
    wide, deep = figure.posture.chest_width, figure.posture.chest_depth
    heights = np.array([-46, -30, -14, 4, 22, 45, 90, 140, 200, 260, 320, 460])
    half_x = np.array([34, 58, 84, 112, 134, 148, 149, 152, 155, 152, 146, 152]) * wide
    half_z = np.array([40, 46, 52, 60, 72, 84, 103, 111, 116, 113, 108, 106]) * deep
    share = np.array([0.2, 0.3, 0.4, 0.5, 0.6, 0.6, 0.8, 0.9, 1, 1.15, 1.3, 1.4])
    yield Stack(
        heights=list(heights * size),
        centre_x=[0.0] * 12,
        centre_z=list(np.array([-18, -16, -12, -6, 2, 10, 20, 25, 26, 25, 24, 24]) * size),
        half_x=list(half_x * size + share * fat),
        half_z=list(half_z * size + 0.8 * share * fat),
        exponent=2.5,
    )
    thick = 55 * size + 0.35 * fat
    yield Stack(
        heights=[-260 * size, -120 * size, -60 * size, -20 * size, 20 * size, 40 * size],
        centre_x=[0.0] * 6,
        centre_z=[-2 * size, -6 * size, -10 * size, -14 * size, -10 * size, -6 * size],
        half_x=[thick * 0.96, thick * 0.94, thick, thick * 1.2, thick * 1.5, thick],
        half_z=[thick * 1.05, thick, thick * 1.02, thick * 1.1, thick, thick * 0.8],
        exponent=2.2,
    )
    for side in SIDES:
        lift = figure.lift(side) * size
        high = (34 * size - 0.8 * lift) - 0.15 * fat
        if arms_up:  # the shoulders go up with the arms
            yield Ellipsoid(centre=(side * 128 * size, -38 * size, -14 * size), half=(46 * size, 44 * size, 44 * size))
            yield Rod(
                start=(side * 152 * size, 8 * size, -22 * size),
                end=(side * 132 * size, -260 * size, 96 * size),
                radius=44 * size + 0.4 * fat,
            )
            continue
        yield Ellipsoid(
            centre=(side * 78 * size, 8 * size - 0.5 * lift, -22 * size), half=(76 * size, 38 * size, 44 * size)
        )
        yield Ellipsoid(
            centre=(side * 152 * size, high + 8 * size, -16 * size),
            half=(62 * size + 0.6 * fat, 56 * size + 0.4 * fat, 52 * size + 0.3 * fat),
        )
        yield Rod(
            start=(side * (184 * size + 0.4 * fat), high + 10 * size, -18 * size),
            end=(side * ((207 + 1.3 * figure.posture.arms) * size + 1.1 * fat), 440 * size, -12 * size),
            radius=43 * size + 0.45 * fat,
        )


def _breasts(figure: Figure, build: Build) -> Iterator[Shape]:
    size = figure.size
    for side, high in zip(SIDES, build.breast, strict=True):
        if high > 0:
            middle = (side * (78 + 0.1 * high) * size, (160 + 0.35 * high) * size, (116 + 0.3 * high) * size)
            half = ((56 + 0.2 * high) * size, (56 + 0.25 * high) * size, max(high, 8.0) * size)
            yield Ellipsoid(centre=middle, half=half, roll=-0.25 * side)


def _stomach(figure: Figure, rays: Rays, dome: float) -> Grid:
    """Gas under the left dome, above a fluid level when the patient stands."""
    rng = figure.rng(21)
    size = figure.size
    if rng.random() < 0.15:
        return np.zeros(rays.stretch.shape)
    wide, high = rng.uniform(22, 46), rng.uniform(12, 26)
    middle = np.array([rng.uniform(48, 78), dome + 26 + 0.7 * high, rng.uniform(-10, 25)])
    parts = [
        Ellipsoid(
            centre=_triple((middle + rng.normal(0, 1, 3) * (0.30 * wide, 0.22 * high, 8)) * size),
            half=(
                wide * size * rng.uniform(0.6, 1),
                high * size * rng.uniform(0.6, 1),
                26 * size * rng.uniform(0.7, 1),
            ),
            roll=float(rng.normal(0.15, 0.25)),
        )
        for _ in range(4)
    ]
    fluid = (middle[1] + rng.uniform(0.1, 0.8) * high) * size
    level = 1 / (1 + np.exp((rays.at(float(middle[2]) * size, 1) - fluid) / 0.7))
    gas: Grid = joined(rays, parts) * level
    return gas


def _colon(figure: Figure, rays: Rays, dome: float) -> Grid:
    """Haustra in a row: the left bend below the stomach, sometimes the right one under the liver."""
    rng = figure.rng(22)
    size = figure.size
    parts: list[Shape] = []
    for side, chance, low in ((LEFT, 0.75, 58), (-LEFT, 0.35, 95)):
        if rng.random() > chance:
            continue
        place = np.array([side * rng.uniform(80, 108), dome + low + rng.normal(0, 10), 20.0])
        heading = rng.uniform(0.3, 1.2)
        for _ in range(int(rng.integers(7, 15))):
            radius = rng.uniform(7, 17)
            parts.append(
                Ellipsoid(
                    centre=_triple(place * size),
                    half=_triple(size * radius * rng.uniform((0.9, 0.6, 0.4), (1.5, 1.0, 1.1))),
                    roll=float(rng.uniform(-1.2, 1.2)),
                )
            )
            heading += rng.normal(0.12, 0.35)
            place = place + radius * 0.75 * np.array([-side * np.cos(heading), np.sin(heading), 0.1])
    return 0.8 * joined(rays, parts) if parts else np.zeros(rays.stretch.shape)


def _fat_planes(figure: Figure, rays: Rays, dome: float) -> Grid:
    """Fat around the kidneys, along the psoas, under the liver's edge and between loops of bowel."""
    rng = figure.rng(23)
    size = figure.size
    plump = np.clip(figure.patient.bmi / 24, 0.7, 1.5)
    path = np.zeros(rays.stretch.shape)
    for side in SIDES:
        x, y = side * (62 + rng.normal(0, 4)), dome + 92 + rng.normal(0, 8) + (6 if side < 0 else 0)
        halo, kidney = (
            Ellipsoid(
                centre=_triple(np.array([x, y, -48.0]) * size), half=_triple(np.array(h) * size), roll=-side * 0.2
            )
            for h in ((42, 66, 32), (28, 52, 22))
        )
        psoas = Rod(
            start=_triple(np.array([side * 24, dome + 80, -40.0]) * size),
            end=_triple(np.array([side * 62, dome + 260, -30.0]) * size),
            radius=20 * size,
        )
        path += joined(rays, [halo]) - joined(rays, [kidney, psoas], within=[halo.cross(rays)])
        path += 0.6 * joined(
            rays,
            [
                Ellipsoid(
                    centre=_triple(np.array([side * 70, dome + 140 + rng.normal(0, 12), 30.0]) * size),
                    half=_triple(np.array([60, 16, 40.0]) * size),
                    roll=float(-side * rng.uniform(0.1, 0.6)),
                )
            ],
        )
    for _ in range(14):
        loop = rng.uniform([-95, dome + 75, 10], [95, dome + 240, 70])
        half = rng.uniform([8, 5, 10], [26, 11, 26])
        path += 0.8 * joined(
            rays, [Ellipsoid(centre=_triple(loop * size), half=_triple(half * size), roll=float(rng.uniform(-1, 1)))]
        )
    planes: Grid = (1 - _FAT) * plump * path
    return planes


def _triple(values: Grid) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
