"""From bones in space to mineral on the film: cone beam, tubes, vertebral bodies, balls.

Patient coordinates in mm: x to the patient's left, y down, z to the front. The film of a PA exposure lies in
front of the patient and is displayed with the patient's left on the right.

A tube's projection is the arc length of its centre line, spread on the film, convolved with its cross-section:
exact for a line that runs along the film and for one that runs along the beam, and close in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import scipy.fft

Array = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]

_SOURCE_TO_DETECTOR = 1800.0
_DETECTOR_Z = 135.0
#: Density of fully mineralised tissue in g/cm3, the ceiling of cortical and of trabecular plates.
_CORTICAL_DENSITY = 1.05
_PLATE_DENSITY = 1.1
_TRABECULAR_LENGTH_CM = 0.05


@dataclass(frozen=True, kw_only=True)
class Pose:
    """How the patient stands: rotation about y, tilt about x, roll in the film's plane (rad), shift in mm."""

    rotation: float
    tilt: float
    roll: float
    shift: tuple[float, float]

    def matrix(self) -> Points:
        """Rotation matrix (3, 3) on column vectors (x, y, z)."""
        cy, sy, cx, sx = np.cos(self.rotation), np.sin(self.rotation), np.cos(self.tilt), np.sin(self.tilt)
        cz, sz = np.cos(self.roll), np.sin(self.roll)
        about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
        about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
        matrix: Points = about_z @ about_x @ about_y
        return matrix


@dataclass(frozen=True, kw_only=True)
class View:
    """The film: shape (rows, columns), spacing in mm, and where the patient's origin falls on it (x, y) in mm."""

    shape: tuple[int, int]
    spacing: float
    origin: tuple[float, float]
    pose: Pose

    def project(self, points: Points) -> tuple[Points, Points]:
        """Points (n, 3) in mm to film pixels (n, 2) as (x, y), and each one's magnification (n,)."""
        turned = points @ self.pose.matrix().T
        magnification = _SOURCE_TO_DETECTOR / (_SOURCE_TO_DETECTOR - (_DETECTOR_Z - turned[:, 2]))
        place = turned[:, :2] * magnification[:, None] + np.array(self.origin) + np.array(self.pose.shift)
        return place / self.spacing - 0.5, magnification


@dataclass(frozen=True, kw_only=True)
class BoneStuff:
    """What a bone is made of, given q = its BMD over the cohort mean.

    ``cortex`` in mm and ``trabecular`` in g/cm3 are the values at q = 1.
    """

    q: float
    cortex: float
    trabecular: float

    @property
    def cortex_mm(self) -> float:
        """Cortical thickness in mm."""
        return float(self.cortex * self.q**0.6)

    @property
    def cortical_density(self) -> float:
        """Mineral in the cortex, g/cm3."""
        return float(_CORTICAL_DENSITY * self.q**0.15)

    @property
    def trabecular_density(self) -> float:
        """Mineral in the marrow space, g/cm3."""
        return float(self.trabecular * self.q**1.25)

    def mineral(self, outer: Array, inner: Array) -> Array:
        """Areal mineral in g/cm2 from path lengths in mm through the outer surface and the marrow."""
        cortical, trabecular = self.cortical_density, self.trabecular_density
        return np.asarray(0.1 * (cortical * outer + (trabecular - cortical) * inner), dtype=np.float32)

    def grain(self, inner: Array) -> Array:
        """Variance of the areal mineral, (g/cm2)2, that single trabeculae cause."""
        fraction = self.trabecular_density / _PLATE_DENSITY
        scale = _PLATE_DENSITY**2 * fraction * (1 - fraction) * _TRABECULAR_LENGTH_CM
        return np.asarray(scale * 0.1 * inner, dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class Mineral:
    """Areal mineral (g/cm2) on the film, and the variance of its trabecular texture by orientation."""

    view: View
    areal: Array = field(repr=False)
    grain_isotropic: Array = field(repr=False)
    grain_vertical: Array = field(repr=False)

    @classmethod
    def empty(cls, view: View) -> Mineral:
        """A film without bone."""
        return cls(
            view=view,
            areal=np.zeros(view.shape, np.float32),
            grain_isotropic=np.zeros(view.shape, np.float32),
            grain_vertical=np.zeros(view.shape, np.float32),
        )

    def add_tubes(
        self,
        lines: Sequence[Points],
        *,
        half_height: float | Sequence[float],
        half_width: float,
        stuff: BoneStuff,
        share: float = 1.0,
    ) -> None:
        """Add tubes around centre lines (n, 3) in mm.

        ``half_height`` is the vertical half axis of the cross-section in mm: one number, or several that are
        spread evenly along each line; ``half_width`` the horizontal one, which is also the half depth of a
        tube that runs sideways. ``share`` scales the path (a fan of tubes that make up one thin blade).
        """
        heights = [half_height] if isinstance(half_height, float | int) else list(half_height)
        samples = [_resample(line, 0.5 * self.view.spacing) for line in lines]
        points = np.concatenate([line for line, _, _ in samples])
        length = np.concatenate([step for _, step, _ in samples])
        along = np.concatenate([position for _, _, position in samples])
        pixels, magnification = self.view.project(points)
        scale = float(magnification.mean()) / self.view.spacing
        for number, height in enumerate(heights):
            weight = length * share
            if len(heights) > 1:
                weight = weight * np.maximum(0.0, 1 - np.abs(along * (len(heights) - 1) - number))
            self._add_spread(pixels, weight, height * scale, half_width * scale, scale, stuff)

    def _add_spread(
        self, pixels: Points, weight: Points, height: float, width: float, scale: float, stuff: BoneStuff
    ) -> None:
        """Spread the arc length ``weight`` (mm) at ``pixels`` with a cross-section of half axes in pixels."""
        margin = int(np.ceil(max(height, width))) + 2
        window = self._window(pixels.min(axis=0) - margin, pixels.max(axis=0) + margin)
        if window is None:
            return
        rows, columns = window
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        density = _splat(pixels - (columns.start, rows.start), weight, shape)
        cortex = stuff.cortex_mm * scale
        outer, inner = _disc(height, width, margin), _disc(height - cortex, width - cortex, margin)
        mineral, grain = _convolve(density, [stuff.mineral(outer, inner), stuff.grain(inner)], margin)
        self.areal[window] += mineral
        self.grain_isotropic[window] += np.maximum(grain, 0)

    def add_body(
        self, centre: Points, *, width: float, height: float, depth: float, tilt: float, lean: float, stuff: BoneStuff
    ) -> None:
        """Add a vertebral body centred at (3,) mm; ``tilt`` in the film's plane, ``lean`` towards the beam (rad)."""
        pixels, magnification = self.view.project(centre[None])
        scale = float(magnification[0]) / self.view.spacing
        reach = 0.5 * float(np.hypot(width, height)) * scale + 6
        window = self._window(pixels[0] - reach, pixels[0] + reach)
        if window is None:
            return
        u, v = self._local(window, pixels[0], tilt + self.view.pose.roll, scale)
        blur = max(abs(depth * np.sin(lean)), 1.0 / scale)
        cortex, plate = 0.4 * stuff.q**0.6, 0.5 * stuff.q**0.6
        outer = _body_path(u, v, width / 2, height / 2, depth, blur)
        inner = _body_path(u, v, width / 2 - cortex, height / 2 - plate, depth - 2 * cortex, blur)
        self.areal[window] += stuff.mineral(outer, inner)
        self.grain_vertical[window] += stuff.grain(inner)

    def add_ball(self, centre: Points, *, radius: float, stuff: BoneStuff) -> None:
        """Add a ball (a humeral head) centred at (3,) mm."""
        pixels, magnification = self.view.project(centre[None])
        scale = float(magnification[0]) / self.view.spacing
        window = self._window(pixels[0] - radius * scale - 2, pixels[0] + radius * scale + 2)
        if window is None:
            return
        u, v = self._local(window, pixels[0], 0.0, scale)
        outer = 2 * np.sqrt(np.maximum(radius**2 - u**2 - v**2, 0))
        inner = 2 * np.sqrt(np.maximum((radius - stuff.cortex_mm) ** 2 - u**2 - v**2, 0))
        self.areal[window] += stuff.mineral(outer, inner)
        self.grain_isotropic[window] += stuff.grain(inner)

    def _window(self, low: Points, high: Points) -> tuple[slice, slice] | None:
        """The part of the film between two corners (x, y), cut at its edges; None if nothing is left."""
        rows, columns = self.view.shape
        x0, y0 = np.maximum(np.floor(low), 0).astype(int)
        x1, y1 = np.minimum(np.ceil(high) + 1, (columns, rows)).astype(int)
        return (slice(y0, y1), slice(x0, x1)) if x1 > x0 and y1 > y0 else None

    def _local(self, window: tuple[slice, slice], centre: Points, angle: float, scale: float) -> tuple[Array, Array]:
        """Coordinates in mm around ``centre`` (pixels), turned by ``angle``: along and down, each (rows, columns)."""
        rows, columns = window
        y = (np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] - np.float32(centre[1])) / np.float32(scale)
        x = (np.arange(columns.start, columns.stop, dtype=np.float32)[None] - np.float32(centre[0])) / np.float32(scale)
        cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        return x * cos + y * sin, y * cos - x * sin


def _resample(line: Points, step: float) -> tuple[Points, Points, Points]:
    """Points (n, 3) evenly along a polyline, each one's share of its length in mm, and its place from 0 to 1."""
    pieces = np.linalg.norm(np.diff(line, axis=0), axis=1)
    travelled = np.concatenate([[0.0], np.cumsum(pieces)])
    total = float(travelled[-1])
    count = max(int(np.ceil(total / step)), 2)
    place = (np.arange(count) + 0.5) / count
    points = np.stack([np.interp(place * total, travelled, line[:, axis]) for axis in range(3)], axis=1)
    return points, np.full(count, total / count), place


def _splat(pixels: Points, weight: Points, shape: tuple[int, int]) -> Array:
    """Bilinear sum of weights at pixels (n, 2) into an image; what falls outside is dropped."""
    base = np.floor(pixels).astype(int)
    fraction = pixels - base
    image = np.zeros(shape[0] * shape[1])
    for dx in (0, 1):
        for dy in (0, 1):
            x, y = base[:, 0] + dx, base[:, 1] + dy
            share = np.abs(1 - dx - fraction[:, 0]) * np.abs(1 - dy - fraction[:, 1]) * weight
            inside = (x >= 0) & (x < shape[1]) & (y >= 0) & (y < shape[0])
            image += np.bincount(y[inside] * shape[1] + x[inside], share[inside], len(image))
    return image.reshape(shape).astype(np.float32)


def _disc(height: float, width: float, margin: int) -> Array:
    """A filled ellipse of half axes in pixels on a square of side 2 margin + 1, with soft edges."""
    if min(height, width) <= 0.05:
        return np.zeros((2 * margin + 1, 2 * margin + 1), np.float32)
    axis = np.arange(-margin, margin + 1, dtype=np.float32)
    radius = np.hypot(axis[None] / width, axis[:, None] / height)
    return np.asarray(np.clip((1 - radius) * min(height, width) + 0.5, 0, 1), dtype=np.float32)


def _convolve(density: Array, kernels: Sequence[Array], margin: int) -> list[Array]:
    """The density convolved with each kernel, of the density's shape."""
    rows, columns = density.shape
    shape = [scipy.fft.next_fast_len(side + 2 * margin, real=True) for side in density.shape]
    spectrum = scipy.fft.rfft2(density, shape)
    results = []
    for kernel in kernels:
        full = scipy.fft.irfft2(spectrum * scipy.fft.rfft2(kernel, shape), shape)
        results.append(full[margin : margin + rows, margin : margin + columns])
    return results


def _body_path(u: Array, v: Array, half_width: float, half_height: float, depth: float, blur: float) -> Array:
    """Path in mm through a waisted body with a superelliptic cross-section."""
    waist = half_width * (1 - 0.11 * np.clip(1 - (v / half_height) ** 2, 0, 1))
    across = np.maximum(1 - np.abs(u / waist) ** 2.4, 0) ** (1 / 2.4)
    coverage = np.clip((half_height - np.abs(v)) / blur + 0.5, 0, 1)
    return np.asarray(depth * across * coverage, dtype=np.float32)
