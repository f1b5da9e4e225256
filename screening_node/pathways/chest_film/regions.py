"""Where the bone is: 14 oriented rectangles from 16 landmarks, and their crops (Wang et al. 2022, III.B).

The paper gives the split (2, 2, 4, 4, 1, 1) and no sizes; those here are ours. Every size is a share of a length that
the same landmarks give, so that a crop holds the same anatomy in a small and a large patient and at any pixel spacing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from screening_node.domain.result import ROI_NAMES, Roi
from screening_node.imaging.pyramid import Pyramid, build_pyramid
from screening_node.pathways.chest_film.sampling import Corners, letterbox, sample

#: How many inputs the estimator has: the 14 bone ROIs, then the whole film.
INPUTS = len(ROI_NAMES) + 1

_CLAVICLE = {"left": slice(0, 3), "right": slice(3, 6)}
_RIBS = {"left": slice(6, 10), "right": slice(10, 14)}
_C7, _T12 = 14, 15

#: Shares: of the distance between two clavicle points (along, across), of the mean distance between rib points,
#: of the distance from C7 to T12.
_CLAVICLE_LENGTH, _CLAVICLE_HEIGHT = 1.10, 0.65
_RIB_SIDE, _RIB_INWARD = 1.25, 0.22
_CERVICAL_SIDE, _LUMBAR_SIDE = 0.22, 0.24


def place(landmarks: NDArray[np.floating], spacing: tuple[float, float] | None, scale: float = 1.0) -> tuple[Roi, ...]:
    """The 14 ROIs in ROI_NAMES order from landmarks (16, 2) in stored pixels.

    ``spacing`` (row, column) in mm squares pixels that are not square; None takes them as square. ``scale`` enlarges
    all alike. Corners come in the crop's order (top left, top right, bottom right, bottom left of the crop): for the
    patient's left they run the other way round on the film, which mirrors the crop, so that lateral is always left
    in the crop and the same bone looks the same on both sides. Pure; any finite landmarks give finite outlines.
    """
    unit = _unit(spacing)
    points = np.asarray(landmarks, dtype=np.float64) * unit
    corners = [
        *_clavicle(points[_CLAVICLE["left"]], -1.0, scale),
        *_clavicle(points[_CLAVICLE["right"]], 1.0, scale),
        *_rib_cage(points[_RIBS["left"]], -1.0, scale),
        *_rib_cage(points[_RIBS["right"]], 1.0, scale),
        _vertebra(points[_C7], points[_T12] - points[_C7], _CERVICAL_SIDE * scale),
        _vertebra(points[_T12], points[_T12] - points[_C7], _LUMBAR_SIDE * scale),
    ]
    return tuple(
        Roi(name=name, corners=tuple((float(x), float(y)) for x, y in outline / unit))
        for name, outline in zip(ROI_NAMES, corners, strict=True)
    )


def crops(film: NDArray[np.float32] | Pyramid, rois: Sequence[Roi], size: int) -> NDArray[np.float32]:
    """Grey values of each ROI and, last, of the whole film letterboxed; float32 (len(rois) + 1, size, size).

    Always straight from the full-resolution film; hand in its Pyramid where one is built already.
    """
    pyramid = film if isinstance(film, Pyramid) else build_pyramid(film)
    rectangles = [np.array(roi.corners, dtype=np.float64) for roi in rois]
    return sample(pyramid, [*rectangles, letterbox(pyramid.shape)], size)


def _unit(spacing: tuple[float, float] | None) -> NDArray[np.float64]:
    """(x, y) factors that make pixels square, in units of a column."""
    return np.array([1.0, 1.0 if spacing is None else spacing[0] / spacing[1]])


def _clavicle(points: NDArray[np.float64], lateral: float, scale: float) -> list[Corners]:
    """Medial and lateral half, each along its own piece of the bone; ``lateral`` -1 where x grows laterally."""
    medial, middle, end = points
    return [_along(medial, middle, lateral, scale), _along(middle, end, lateral, scale)]


def _along(inner: NDArray[np.float64], outer: NDArray[np.float64], lateral: float, scale: float) -> Corners:
    """The crop's x axis runs from lateral to medial, its y axis to the feet."""
    length = _norm(inner - outer)
    across = _direction(inner - outer, (lateral, 0.0))
    down = lateral * np.array([-across[1], across[0]])
    return _rectangle(
        (inner + outer) / 2, across * length * _CLAVICLE_LENGTH * scale, down * length * _CLAVICLE_HEIGHT * scale
    )


def _rib_cage(points: NDArray[np.float64], lateral: float, scale: float) -> list[Corners]:
    """A square at each rib point, along the margin there, moved inwards to hold more rib than skin."""
    mean_step = _norm(points[-1] - points[0]) / (len(points) - 1)
    return [_rib(points, index, mean_step, lateral, scale) for index in range(len(points))]


def _rib(points: NDArray[np.float64], index: int, step: float, lateral: float, scale: float) -> Corners:
    before, after = points[max(0, index - 1)], points[min(len(points) - 1, index + 1)]
    down = _direction(after - before, (0.0, 1.0))
    across = lateral * np.array([down[1], -down[0]])
    side = step * _RIB_SIDE * scale
    return _rectangle(points[index] + across * side * _RIB_INWARD, across * side, down * side)


def _vertebra(centre: NDArray[np.float64], axis: NDArray[np.float64], share: float) -> Corners:
    """A square about a vertebra's centre, upright along the spine."""
    down = _direction(axis, (0.0, 1.0))
    across = np.array([down[1], -down[0]])
    side = _norm(axis) * share
    return _rectangle(centre, across * side, down * side)


def _rectangle(centre: NDArray[np.float64], across: NDArray[np.float64], down: NDArray[np.float64]) -> Corners:
    """Corners from the centre and the two whole side vectors."""
    return np.array(
        [
            centre - across / 2 - down / 2,
            centre + across / 2 - down / 2,
            centre + across / 2 + down / 2,
            centre - across / 2 + down / 2,
        ]
    )


def _norm(vector: NDArray[np.float64]) -> float:
    return max(float(np.hypot(vector[0], vector[1])), 1.0)


def _direction(vector: NDArray[np.float64], fallback: tuple[float, float]) -> NDArray[np.float64]:
    """Unit vector; the fallback where the points coincide."""
    length = float(np.hypot(vector[0], vector[1]))
    return vector / length if length > 1e-6 else np.array(fallback)
