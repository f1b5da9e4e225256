"""Exact path lengths through closed surfaces, row by row.

A triangle's distance from the source is close to linear over the film, t = a + b u + c v. Along row v it adds that
line where the row enters the triangle and takes it away where the row leaves it, with the sign of its winding; the
running sum along the row is then the path through all surfaces, since what faces the source and what turns its back
on it count against each other. Overlapping surfaces add up; a surface inside another one with a negative weight
hollows it. Two triangles share an edge, so that one event with the difference of their lines serves both. Sums are
float64: float32 errs by 1 % (design: phantom).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

#: Triangles smaller than this on the film (twice the area, pixels) hold no pixel centre worth the name.
_NO_AREA = 1e-7


@dataclass(frozen=True, kw_only=True)
class Weighted:
    """A closed surface as projected rings (n, m, 3) of (u, v, t), and the weight of each mm of path in it.

    Rings follow each other; the points of a ring go round against the clock, seen from where the rings come from;
    the first and the last ring are one point each.
    """

    rings: Array
    weight: float


def path_map(surfaces: Sequence[Weighted], shape: tuple[int, int], *, shrink: int = 1) -> Array:
    """Weighted path through all surfaces, (rows, columns) of the film divided by ``shrink``, in mm times weight."""
    rows, columns = (-(-side // shrink) for side in shape)
    width = columns + 1
    constant, slope = np.zeros(rows * width), np.zeros(rows * width)
    for group in _by_shape(surfaces):
        rings = np.stack([surface.rings for surface in group])
        if shrink > 1:
            rings[..., :2] = (rings[..., :2] + 0.5) / shrink - 0.5
        weights = np.array([surface.weight for surface in group])
        _add_events(_edges(rings, weights), rows, columns, constant, slope)
    sums = np.cumsum(constant.reshape(rows, width)[:, :columns], axis=1)
    sums += np.cumsum(slope.reshape(rows, width)[:, :columns], axis=1) * np.arange(columns)
    return sums


def _by_shape(surfaces: Sequence[Weighted]) -> list[list[Weighted]]:
    """Surfaces of one shape together, some hundred thousand points at a time."""
    groups: defaultdict[tuple[int, ...], list[Weighted]] = defaultdict(list)
    for surface in surfaces:
        groups[surface.rings.shape].append(surface)
    parts = []
    for (rings, around, _), group in groups.items():
        size = max(1, 60_000 // (rings * around))
        parts += [group[start : start + size] for start in range(0, len(group), size)]
    return parts


@dataclass(frozen=True, kw_only=True)
class _Edges:
    """Directed edges: ends (n,) and what crossing each one from the left adds to a, b and c."""

    u0: Array
    v0: Array
    u1: Array
    v1: Array
    change: Array  # (3, n)


def _edges(rings: Array, weights: Array) -> _Edges:
    """The edges of surfaces (k, n, m, 3) with the change of the weighted lines across each."""
    # t is taken from the surfaces' own mean: closed surfaces do not feel it, and the sums stay small.
    rings = rings - np.array([0, 0, 1]) * rings[..., 2].mean(axis=(1, 2), keepdims=True)[..., None]
    here, beside = rings, np.roll(rings, -1, axis=2)
    a, b, c, d = here[:, :-1], beside[:, :-1], here[:, 1:], beside[:, 1:]
    scale = weights[:, None, None]
    upper, lower = _lines(a, b, c, scale), _lines(b, d, c, scale)
    none = np.zeros((3, rings.shape[0], 1, rings.shape[2]))
    around = np.concatenate([upper, none], axis=2) - np.concatenate([none, lower], axis=2)
    along = np.roll(lower, 1, axis=3) - upper
    across = upper - lower
    pairs = ((here, beside, around), (a, c, along), (b, c, across))
    return _Edges(
        u0=np.concatenate([start[..., 0].ravel() for start, _, _ in pairs]),
        v0=np.concatenate([start[..., 1].ravel() for start, _, _ in pairs]),
        u1=np.concatenate([end[..., 0].ravel() for _, end, _ in pairs]),
        v1=np.concatenate([end[..., 1].ravel() for _, end, _ in pairs]),
        change=np.concatenate([change.reshape(3, -1) for _, _, change in pairs], axis=1),
    )


def _lines(p: Array, q: Array, r: Array, scale: Array) -> Array:
    """(3, ...): a, b, c of t = a + b u + c v through triangles, times the weight; 0 where there is no area."""
    qu, qv, qt = np.moveaxis(q - p, -1, 0)
    ru, rv, rt = np.moveaxis(r - p, -1, 0)
    area = qu * rv - qv * ru
    sound = np.abs(area) > _NO_AREA
    inverse = np.where(sound, scale, 0) / np.where(sound, area, 1)
    b, c = (qt * rv - rt * qv) * inverse, (rt * qu - qt * ru) * inverse
    a = np.where(sound, scale * p[..., 2], 0) - b * p[..., 0] - c * p[..., 1]
    return np.stack([a, b, c])


def _add_events(edges: _Edges, rows: int, columns: int, constant: Array, slope: Array) -> None:
    """Put every crossing of an edge and a row into the difference arrays (rows * (columns + 1),)."""
    first = np.clip(np.ceil(np.minimum(edges.v0, edges.v1)), 0, rows)
    count = (np.clip(np.ceil(np.maximum(edges.v0, edges.v1)), 0, rows) - first).astype(np.int64)
    crossing = np.flatnonzero((count > 0) & (np.minimum(edges.u0, edges.u1) < columns))
    if not len(crossing):
        return
    count = count[crossing]
    u0, v0, u1, v1 = (side[crossing] for side in (edges.u0, edges.v0, edges.u1, edges.v1))
    lean = (u1 - u0) / (v1 - v0)
    sign = np.sign(v1 - v0)
    a, b, c = edges.change[:, crossing] * sign
    before = np.cumsum(count) - count
    owner = np.repeat(np.arange(len(crossing)), count)
    row = first[crossing][owner] + (np.arange(len(owner)) - before[owner])
    column = np.clip(np.ceil((u0 - v0 * lean)[owner] + row * lean[owner]), 0, columns)
    place = (row * (columns + 1) + column).astype(np.int64)
    constant += np.bincount(place, a[owner] + c[owner] * row, len(constant))
    slope += np.bincount(place, b[owner], len(slope))
