"""Soft tissue, lungs and gas: water-equivalent thickness on a coarse grid.

A sketch of a chest, not anatomy: torso, neck, shoulders, arms and breasts add water; lungs, trachea and gas take
it away; heart, great vessels and diaphragm keep the lungs out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from screening_node.phantom.cohort import PhantomPatient
from screening_node.phantom.projection import Array, View
from screening_node.phantom.skeleton import Skeleton

Grid = npt.NDArray[np.float64]

_GRID_MM = 1.6
_MEAN_MAGNIFICATION = 1.08


@dataclass(frozen=True, kw_only=True)
class TissueHabit:
    """Chance in the soft tissue: lengths in mm around the mean, lung density in g/cm3."""

    seed: int
    fat: float
    dome: float
    heart: float
    heart_shift: float
    lung_density: float
    breast: float
    gas: tuple[float, float, float]


def draw_tissue(patient: PhantomPatient, inspiration: float, rng: np.random.Generator) -> TissueHabit:
    """A habit that fits the patient's BMI, sex and inspiration."""
    return TissueHabit(
        seed=int(rng.integers(2**31)),
        fat=max(4.0, 9.0 + 2.4 * (patient.bmi - 23.5) + 3.0 * float(rng.standard_normal())),
        dome=float(226 + 11 * inspiration + 5 * rng.standard_normal()),
        heart=float(np.exp(0.09 * rng.standard_normal())),
        heart_shift=float(5 * rng.standard_normal()),
        lung_density=float(rng.normal(0.25, 0.035)),
        breast=float(max(0.0, rng.normal(26 + 1.6 * (patient.bmi - 24), 10))) if patient.sex == "F" else 0.0,
        gas=(float(rng.uniform(15, 45)), float(rng.uniform(8, 22)), float(rng.uniform(20, 60))),
    )


def draw_water(skeleton: Skeleton, habit: TissueHabit, view: View, *, lateral: bool) -> Array:
    """Water-equivalent thickness in cm, (rows, columns) of the view."""
    x, y = _grid(view)
    if lateral:
        water = _lateral_torso(x, y, habit, skeleton) - _lateral_lungs(x, y, skeleton, habit)
    else:
        water = _torso(x, y, skeleton.patient, habit) - _voids(x, y, skeleton, habit)
    return upsample(np.maximum(water, 0) / 10, view.shape)


def upsample(coarse: Grid, shape: tuple[int, int]) -> Array:
    """A coarse map spread evenly over a film, by cubic B-splines (which smooth a little)."""
    down, across = (_spline_matrix(n, full) for n, full in zip(coarse.shape, shape, strict=True))
    return np.asarray(down @ coarse.astype(np.float32) @ across.T, dtype=np.float32)


def _spline_matrix(count: int, full: int) -> Array:
    """Weights (full, count) of cubic B-splines; the first and last coarse sample lie on the film's edges."""
    place = np.arange(full) * (count - 1) / (full - 1)
    base = np.minimum(np.floor(place).astype(int), count - 1)
    matrix = np.zeros((full, count + 3), np.float32)
    for offset in range(-1, 3):
        distance = np.abs(place - base - offset)
        near = 2 / 3 - distance**2 + distance**3 / 2
        far = np.maximum(2 - distance, 0) ** 3 / 6
        matrix[np.arange(full), base + offset + 1] = np.where(distance < 1, near, far)
    inside = matrix[:, 1 : count + 1]
    return np.asarray(inside / inside.sum(axis=1, keepdims=True), dtype=np.float32)


def _grid(view: View) -> tuple[Grid, Grid]:
    """Patient x and y in mm under each coarse sample, for a mean magnification, with roll and shift taken back."""
    rows, columns = (max(int(side * view.spacing / _GRID_MM), 8) for side in view.shape)
    across = np.linspace(0, view.shape[1] * view.spacing, columns)[None] - view.origin[0] - view.pose.shift[0]
    down = np.linspace(0, view.shape[0] * view.spacing, rows)[:, None] - view.origin[1] - view.pose.shift[1]
    cos, sin = np.cos(view.pose.roll), np.sin(view.pose.roll)
    return (across * cos + down * sin) / _MEAN_MAGNIFICATION, (down * cos - across * sin) / _MEAN_MAGNIFICATION


def _oval(u: Grid, power: float = 2.0) -> Grid:
    """Chord of a superellipse at |u| of its half width, as a share of its depth."""
    chord: Grid = np.maximum(1 - np.abs(u) ** power, 0) ** (1 / power)
    return chord


def _torso(x: Grid, y: Grid, patient: PhantomPatient, habit: TissueHabit) -> Grid:
    size, fat = patient.size, habit.fat
    half_width = 146 * size + fat + 10 * np.clip((120 - y) / 200, -0.5, 1) * size
    half_depth = 104 * size + 0.8 * fat
    top = 1 / (1 + np.exp(-(y - 25 * size) / (12 * size)))
    trunk = 2 * half_depth * _oval(x / half_width, 2.6) * (0.35 + 0.65 * top) * (y > -60 * size)
    trunk *= 1 / (1 + np.exp(-(y - 8 * size + 24 * size - 0.22 * np.abs(x)) / (6 * size)))
    neck = 2 * 58 * size * _oval(x / ((58 + 0.35 * fat) * size)) * (y < 90)
    shoulder_x, shoulder_y = (np.abs(x) - 125 * size) / (92 * size), (y - (38 - 0.1 * fat) * size) / (62 * size)
    shoulder = 2 * 56 * size * np.sqrt(np.maximum(1 - shoulder_x**2 - shoulder_y**2, 0))
    arm_axis = (186 + 0.09 * np.maximum(y, 0)) * size + 0.5 * fat
    arm = 2 * 40 * size * _oval((np.abs(x) - arm_axis) / (44 * size + 0.4 * fat)) * (y > 30 * size)
    body = np.maximum.reduce([trunk, neck, shoulder, arm])
    spread_x, spread_y = (np.abs(x) - 82 * size) / (58 * size), (y - 165 * size) / (62 * size)
    breast = habit.breast * np.sqrt(np.maximum(1 - spread_x**2 - spread_y**2, 0))
    smooth: Grid = ndimage.gaussian_filter(body, 1.5) + breast
    return smooth


def _voids(x: Grid, y: Grid, skeleton: Skeleton, habit: TissueHabit) -> Grid:
    """Water that lungs, airways and gas take away, in mm."""
    size = skeleton.patient.size
    lungs = _lungs(x, y, skeleton, habit)
    vessels = _vessels(lungs, habit.seed)
    airway = 15 * size * _oval((x - 1) / (8.5 * size)) / (1 + np.exp((y - 78 * size) / 3)) * (y > -95 * size)
    stomach_x, stomach_y = (x - habit.gas[2] - 15) / habit.gas[0], (y - habit.dome * size - 28) / habit.gas[1]
    stomach = 45 * np.sqrt(np.maximum(1 - stomach_x**2 - stomach_y**2, 0))
    void: Grid = np.maximum(lungs * (1 - habit.lung_density) - vessels, 0) + airway + 0.6 * stomach
    return void


def _lungs(x: Grid, y: Grid, skeleton: Skeleton, habit: TissueHabit) -> Grid:
    """Path through the lungs in mm: inside the ribs, above the diaphragm, beside heart and mediastinum."""
    size = skeleton.patient.size
    path = np.zeros(np.broadcast_shapes(x.shape, y.shape))
    for side in (1, -1):
        tips = [_outermost_point(skeleton.rib(side, number)) for number in range(2, 10)]
        level = np.array([4 * size, 14 * size, *(tip[1] for tip in tips)])
        edge = np.array([18 * size, 44 * size, *(side * tip[0] - 7 * size for tip in tips)])
        half_width = np.interp(y, level, edge)
        half_depth = np.interp(y, [0, 20 * size, 60 * size, 120 * size, 260 * size], [8, 34, 66, 82, 86]) * size
        reach = side * x / half_width
        inside = (reach > 0) & (reach < 1) & (y > 4 * size)
        path += np.where(inside, 2 * half_depth * _oval(reach, 2.4), 0)
    path *= _above_diaphragm(x, y, size, habit)
    # A beating, breathing chest has no edge sharper than a millimetre or two.
    soft: Grid = ndimage.gaussian_filter(np.maximum(path - _heart(x, y, skeleton, habit), 0), 0.8)
    return soft


def _above_diaphragm(x: Grid, y: Grid, size: float, habit: TissueHabit) -> Grid:
    """1 above the domes; below, what the recess behind them leaves."""
    dome = habit.dome * size + np.where(x > 0, 9 * size, 0.0)
    dome = dome + 46 * size * ((np.abs(x) - 72 * size) / (72 * size)) ** 2
    depth = y - dome
    share: Grid = np.where(depth < 0, 1.0, 0.26 * np.exp(-np.maximum(depth, 0) / (22 * size)))
    return share


def _heart(x: Grid, y: Grid, skeleton: Skeleton, habit: TissueHabit) -> Grid:
    """Path in mm that heart, great vessels and mediastinum take from the lungs."""
    size, patient = skeleton.patient.size, skeleton.patient
    u, v = x - (34 + habit.heart_shift) * size, y - 188 * size
    turned_u, turned_v = 0.84 * u + 0.54 * v, 0.84 * v - 0.54 * u
    scale = habit.heart * size
    heart = 150 * size * np.sqrt(np.maximum(1 - (turned_u / (74 * scale)) ** 2 - (turned_v / (52 * scale)) ** 2, 0))
    knob_radius = (17 + 0.12 * (patient.age - 55)) * size
    knob = 110 * size * _ball(x - 22 * size, y - 76 * size, knob_radius)
    hilum = sum(55 * size * _ball(x - s * 36 * size, y - (122 + 4 * s) * size, 17 * size) for s in (1, -1))
    half = (24 + 8 * np.clip((y - 60) / 120, 0, 1)) * size
    half = half + 3 * size * np.sin(y / (23 * size) + np.sign(x))
    middle = 180 * size / (1 + np.exp((np.abs(x) - half) / (3.0 * size)))
    taken: Grid = heart + knob + hilum + middle
    return taken


def _ball(u: Grid, v: Grid, radius: float) -> Grid:
    chord: Grid = np.sqrt(np.maximum(1 - (u**2 + v**2) / radius**2, 0))
    return chord


def _vessels(lungs: Grid, seed: int) -> Grid:
    """Lung vessels as smooth noise at three scales where the lungs are, in mm."""
    rng = np.random.default_rng([seed, 7])
    noise = np.zeros(lungs.shape)
    for sigma, amount in ((1.2, 5.0), (2.5, 7.0), (6.0, 8.0)):
        layer = ndimage.gaussian_filter(rng.standard_normal(lungs.shape), sigma)
        noise += amount * np.maximum(layer / layer.std() - 0.4, 0)
    result: Grid = noise * np.minimum(lungs / 120, 1)
    return result


def _lateral_torso(x: Grid, y: Grid, habit: TissueHabit, skeleton: Skeleton) -> Grid:
    """The torso from the side; x is then towards the front."""
    size, fat = skeleton.patient.size, habit.fat
    taper = np.clip((y + 20 * size) / (110 * size), 0, 1)
    trunk = (
        2
        * 140
        * size
        * _oval((x - 22 * size) / ((70 + 42 * taper) * size + 0.8 * fat), 2.6)
        / (1 + np.exp((8 * size - y) / (6 * size)))
    )
    neck = 110 * size * _oval((x + 15 * size) / (62 * size)) * (y < 60 * size)
    smooth: Grid = ndimage.gaussian_filter(np.maximum.reduce([trunk, neck]), 1.5)
    return smooth


def _lateral_lungs(x: Grid, y: Grid, skeleton: Skeleton, habit: TissueHabit) -> Grid:
    size = skeleton.patient.size
    half = np.interp(y, [10 * size, 60 * size, 130 * size, 280 * size], [28, 62, 86, 90]) * size
    path = 200 * size * _oval((x - 24 * size) / half, 2.4) * (y > 10 * size)
    dome = habit.dome * size + 0.004 * (x - 40 * size) ** 2 - 0.12 * (x - 40 * size)
    path = path * np.where(y < dome, 1.0, 0.0)
    heart = 130 * size * _ball((x - 62 * size) / 1.0, (y - 185 * size) * 0.8, 58 * size)
    void: Grid = ndimage.gaussian_filter(np.maximum(path - heart, 0) * (1 - habit.lung_density), 0.8)
    return void


def _outermost_point(line: Grid) -> Grid:
    point: Grid = line[np.argmax(np.abs(line[:, 0]))]
    return point
