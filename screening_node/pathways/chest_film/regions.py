"""Where an estimator's inputs lie on the film: layouts of rectangles, most of them placed by landmarks.

- "rois-15" (Wang et al. 2022, III.B): 14 bone ROIs in the split 2, 2, 4, 4, 1, 1, then the whole film;
- "rois-7" (Wang et al. 2021, 2.2): six bone ROIs, each with a whole clavicle or rib-cage margin, then the whole film;
- "patches-2", "patches-3", "patches-4" (Wang et al. 2022, IV.G 3 and V.B): the film split evenly, then the whole film;
- "whole": the whole film alone.

The papers give no sizes; those of the 14 ROIs are ours. Every size is a share of a length that the same landmarks
give, so that a crop holds the same anatomy in a small and a large patient and at any pixel spacing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from screening_node.domain.result import ROI_NAMES, Roi
from screening_node.errors import Misconfigured
from screening_node.pathways.chest_film.sampling import Corners, letterbox

#: The last input of every layout: the whole film, letterboxed.
WHOLE = "whole"
_SEVEN = ("left_clavicle", "right_clavicle", "cervical", "left_rib_cage", "right_rib_cage", "lumbar", WHOLE)
#: Layouts that need no landmarks: into how many rows and columns the film is split.
_SPLITS = {"whole": 0, "patches-2": 2, "patches-3": 3, "patches-4": 4}


def _patch_names(split: int) -> tuple[str, ...]:
    return tuple(f"patch_{row}_{column}" for row in range(1, split + 1) for column in range(1, split + 1))


_INPUT_NAMES = {"rois-15": (*ROI_NAMES, WHOLE), "rois-7": _SEVEN} | {
    layout: (*_patch_names(split), WHOLE) for layout, split in _SPLITS.items()
}

_CLAVICLE = {"left": slice(0, 3), "right": slice(3, 6)}
_RIBS = {"left": slice(6, 10), "right": slice(10, 14)}
_C7, _T12 = 14, 15

#: Shares: of the distance between two clavicle points (along, across), of the mean distance between rib points,
#: of the distance from C7 to T12.
_CLAVICLE_LENGTH, _CLAVICLE_HEIGHT = 1.10, 0.65
_RIB_SIDE, _RIB_INWARD = 1.25, 0.22
_CERVICAL_SIDE, _LUMBAR_SIDE = 0.22, 0.24


def input_names(layout: str) -> tuple[str, ...]:
    """The names of a layout's inputs in order; Misconfigured where there is no such layout.

    Patches are called patch_ROW_COLUMN, counted from 1 at the film's top left.
    """
    if layout not in _INPUT_NAMES:
        raise Misconfigured(f"The inputs' layout is {layout!r}.", fix=f"Known: {', '.join(_INPUT_NAMES)}.")
    return _INPUT_NAMES[layout]


def rectangles(
    layout: str,
    landmarks: NDArray[np.floating],
    shape: tuple[int, int],
    spacing: tuple[float, float] | None,
    scale: float = 1.0,
) -> list[Corners]:
    """The layout's rectangles on a film of ``shape`` (rows, columns), in the order of ``input_names``.

    ``landmarks``, ``spacing`` and ``scale`` as in ``place``; patches and the whole film take no notice of them.
    Misconfigured where there is no such layout.
    """
    input_names(layout)
    if layout in _SPLITS:
        return [*_patches(shape, _SPLITS[layout]), letterbox(shape)]
    return [*_bones(layout, landmarks, spacing, scale), letterbox(shape)]


def place(landmarks: NDArray[np.floating], spacing: tuple[float, float] | None, scale: float = 1.0) -> tuple[Roi, ...]:
    """The 14 bone ROIs of "rois-15", in ROI_NAMES order, from landmarks (16, 2) in stored pixels.

    ``spacing`` (row, column) in mm squares pixels that are not square; None takes them as square. ``scale`` enlarges
    all alike. Corners come in the crop's order (top left, top right, bottom right, bottom left of the crop): for the
    patient's left they run the other way round on the film, which mirrors the crop, so that lateral is always left
    in the crop and the same bone looks the same on both sides. Pure; any finite landmarks give finite outlines.
    """
    return tuple(
        Roi(name=name, corners=tuple((float(x), float(y)) for x, y in outline))
        for name, outline in zip(ROI_NAMES, _bones("rois-15", landmarks, spacing, scale), strict=True)
    )


def _bones(
    layout: str, landmarks: NDArray[np.floating], spacing: tuple[float, float] | None, scale: float
) -> list[Corners]:
    """The bone ROIs of "rois-15" or "rois-7" in stored pixels."""
    unit = _unit(spacing)
    parts = _parts(np.asarray(landmarks, dtype=np.float64) * unit, scale)
    if layout == "rois-7":
        outlines = [_enclosing(parts[name]) for name in _SEVEN[:-1]]
    else:
        outlines = [outline for part in parts.values() for outline in part]
    return [outline / unit for outline in outlines]


def _parts(points: NDArray[np.float64], scale: float) -> dict[str, list[Corners]]:
    """The outlines of each part of the skeleton, in the order of ROI_NAMES; points and outlines in square pixels."""
    spine = points[_T12] - points[_C7]
    return {
        "left_clavicle": _clavicle(points[_CLAVICLE["left"]], -1.0, scale),
        "right_clavicle": _clavicle(points[_CLAVICLE["right"]], 1.0, scale),
        "left_rib_cage": _rib_cage(points[_RIBS["left"]], -1.0, scale),
        "right_rib_cage": _rib_cage(points[_RIBS["right"]], 1.0, scale),
        "cervical": [_vertebra(points[_C7], spine, _CERVICAL_SIDE * scale)],
        "lumbar": [_vertebra(points[_T12], spine, _LUMBAR_SIDE * scale)],
    }


def _enclosing(outlines: Sequence[Corners]) -> Corners:
    """The rectangle about all outlines of a part, turned as they are on average and mirrored as they are."""
    across = _direction(sum(outline[1] - outline[0] for outline in outlines), (1.0, 0.0))
    down = np.array([-across[1], across[0]])
    if sum(float((outline[3] - outline[0]) @ down) for outline in outlines) < 0:
        down = -down
    axes = np.stack([across, down])
    places = np.concatenate(outlines) @ axes.T  # along the two axes
    low, high = places.min(axis=0), places.max(axis=0)
    return _rectangle((low + high) / 2 @ axes, (high - low)[0] * across, (high - low)[1] * down)


def _patches(shape: tuple[int, int], split: int) -> list[Corners]:
    """The film's own rectangle in ``split`` x ``split`` equal ones that share their edges, row by row."""
    rows, columns = shape
    width, height = np.array([columns, 0.0]) / max(split, 1), np.array([0.0, rows]) / max(split, 1)
    first = (width + height) / 2 - 0.5
    return [
        _rectangle(first + column * width + row * height, width, height)
        for row in range(split)
        for column in range(split)
    ]


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
