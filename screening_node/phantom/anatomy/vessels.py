"""The tree of vessels in each lung, and the windpipe with its branches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from screening_node.phantom.anatomy.bone import Points, Stuff, smooth, tube
from screening_node.phantom.anatomy.chest import Chest
from screening_node.phantom.anatomy.figure import SIDES, Figure
from screening_node.phantom.anatomy.spine import sway

_LEAVES = 800
_HILUM = (38.0, 122.0, -2.0)
_AROUND = 6
#: Where along a branch its rings lie; each bends a little in the middle.
_PLACES = np.array([0.0, 0.0, 0.33, 0.67, 1.0, 1.0])


def vessels(figure: Figure, chest: Chest) -> Iterator[Points]:
    """Rings (k, n, m, 3) in mm of both lungs' vessels, thick ones first."""
    for side in SIDES:
        rng = figure.rng(31, side + 1)
        leaves = _leaves(figure, chest, side, rng)
        if len(leaves) < 8:
            continue
        root = np.array([side * _HILUM[0], _HILUM[1], _HILUM[2]]) * figure.size
        starts, ends, served = _tree(root, leaves, rng)
        yield _rings(starts, ends, 0.72 * served**0.345 * figure.size, rng)


def airway(figure: Figure) -> Iterator[tuple[Points, float]]:
    """Rings (n, m, 3) of windpipe and main bronchi, and the share of water each takes away."""
    size = figure.size
    stuff = Stuff(q=1.0, cortex=0.0, trabecular=0.0)
    rng = figure.rng(32)
    drift = 3 + 2 * rng.standard_normal()
    middle = [(0.5 * sway(figure, y), y, z) for y, z in ((-190, 4), (-110, 4), (-50, 2), (0, 0), (40, -4), (74, -8))]
    line = np.array(middle) + np.array([[0], [0], [0], [0.2], [0.6], [1.0]]) * [-drift, 0, 0]
    wide = (8.6 if figure.patient.sex == "M" else 7.6) * size
    yield tube(smooth(line * size, 30), 0.95 * wide, wide, stuff=stuff, up=(0, 0, 1), ends=(1, 1), around=14).outer, 1.0
    carina = line[-1] * size
    for side, steps in (
        (-1, [(-14, 94, -9), (-34, 116, -10), (-46, 138, -12)]),
        (1, [(20, 94, -10), (42, 112, -14), (54, 134, -22)]),
    ):
        points = [carina, *(np.array(step) * size for step in steps)]
        radii = np.array([6.4, 5.8, 4.6, 3.2]) * size * (1.0 if side < 0 else 0.9)
        yield tube(smooth(points, 20), radii, radii, stuff=stuff, up=(0, 0, 1), ends=(1, 1), around=10).outer, 0.8


def _leaves(figure: Figure, chest: Chest, side: int, rng: np.random.Generator) -> Points:
    """Points (n, 3) spread over one lung, denser towards the base, as blood is when one stands."""
    size = figure.size
    low, high = np.array([8, 14, -75]) * size, np.array([140, chest.dome + 70, 120]) * size
    points = rng.uniform(low, high, (5 * _LEAVES, 3))
    points[:, 0] *= side
    keep = rng.random(len(points)) < 0.4 + 0.6 * np.clip((points[:, 1] - low[1]) / (200 * size), 0, 1)
    inside: Points = points[keep & chest.is_lung(points, side)]
    return inside[:_LEAVES]


def _tree(root: Points, leaves: Points, rng: np.random.Generator) -> tuple[Points, Points, Points]:
    """Branches as starts (k, 3), ends (k, 3) and the leaves that each serves (k,).

    Each knot sends branches to the two halves of its leaves, cut where they spread most; a branch ends part of the
    way to the middle of its leaves, so that the halves are reached by forks and not by a star.
    """
    knots = [(root, np.arange(len(leaves)))]
    branches: list[tuple[Points, Points, int]] = []
    while knots:
        knot, mine = knots.pop()
        points = leaves[mine]
        if len(mine) == 1:
            branches.append((knot, points[0], 1))
            continue
        spread = np.argmax(np.ptp(points, axis=0))
        order = mine[np.argsort(points[:, spread])]
        cut = int(len(order) * rng.uniform(0.38, 0.62)) or 1
        for half in (order[:cut], order[cut:]):
            middle = leaves[half].mean(axis=0)
            reach = 0.34 if len(half) > 150 else 0.5 if len(half) > 2 else 0.75
            end = knot + reach * (middle - knot) + 0.05 * np.linalg.norm(middle - knot) * rng.standard_normal(3)
            branches.append((knot, end, len(half)))
            knots.append((end, half))
    starts, ends, served = zip(*branches, strict=True)
    return np.array(starts), np.array(ends), np.array(served, dtype=np.float64)


def _rings(starts: Points, ends: Points, radius: Points, rng: np.random.Generator) -> Points:
    """Closed, slightly bent tubes (k, n, m, 3) between starts and ends (k, 3)."""
    along = ends - starts
    length = np.linalg.norm(along, axis=1, keepdims=True)
    tangent = along / np.maximum(length, 1e-6)
    helper = np.where(np.abs(tangent[:, :1]) < 0.8, np.array([[1.0, 0, 0]]), np.array([[0, 1.0, 0]]))
    across = np.cross(tangent, helper)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    upright = np.cross(across, tangent)  # turns the same way as the bones' rings
    bend = 0.07 * length * rng.standard_normal((len(starts), 1)) * across
    bow = 4 * _PLACES * (1 - _PLACES)
    centre = starts[:, None] + _PLACES[None, :, None] * along[:, None] + bow[None, :, None] * bend[:, None]
    angle = 2 * np.pi * np.arange(_AROUND) / _AROUND
    circle = np.cos(angle)[:, None] * across[:, None] + np.sin(angle)[:, None] * upright[:, None]
    open_ = np.array([0.0, 1, 1, 0.96, 0.92, 0])
    rings: Points = centre[:, :, None] + radius[:, None, None, None] * open_[None, :, None, None] * circle[:, None]
    return rings
