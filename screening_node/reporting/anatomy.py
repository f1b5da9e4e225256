"""How the landmarks and bone ROIs of a chest film are called and coded in a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydicom.sr.coding import Code

from screening_node.reporting import codes


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A name for people, the coded site, and the patient's side where the site has one."""

    title: str
    site: Code
    side: Code | None = None


_SIDES = {"left": codes.LEFT, "right": codes.RIGHT}

#: By LANDMARK_NAMES.
LANDMARKS: dict[str, Place] = {
    **{
        f"{side}_clavicle_{part}": Place(title=f"{side.title()} clavicle, {part}", site=codes.CLAVICLE, side=code)
        for side, code in _SIDES.items()
        for part in ("medial", "middle", "lateral")
    },
    **{
        f"{side}_rib_{rib}": Place(title=f"{side.title()} rib {rib}, inner margin", site=codes.RIB, side=code)
        for side, code in _SIDES.items()
        for rib in (3, 5, 7, 9)
    },
    "c7": Place(title="C7", site=codes.C7),
    "t12": Place(title="T12", site=codes.T12),
}

#: By ROI_NAMES.
ROIS: dict[str, Place] = {
    **{
        f"{side}_clavicle_{part}": Place(title=f"{side.title()} clavicle, {part}", site=codes.CLAVICLE, side=code)
        for side, code in _SIDES.items()
        for part in ("medial", "lateral")
    },
    **{
        f"{side}_rib_cage_{part}": Place(
            title=f"{side.title()} rib cage, part {part} from above", site=codes.RIB, side=code
        )
        for side, code in _SIDES.items()
        for part in (1, 2, 3, 4)
    },
    "cervical": Place(title="Cervical spine", site=codes.CERVICAL_SPINE),
    "lumbar": Place(title="Thoraco-lumbar spine", site=codes.THORACO_LUMBAR_SPINE),
}

Point = tuple[float, float]


def to_corner_origin(point: Point) -> Point:
    """From pixel centres at integers to the film's top left corner at 0, 0 (PS3.3 section C.18.6.1.2)."""
    return point[0] + 0.5, point[1] + 0.5


def clipped(points: Sequence[Point], columns: int, rows: int) -> list[Point]:
    """What of a convex outline lies on the film (Sutherland and Hodgman 1974); empty where nothing does.

    ``points`` have the film's corner at 0, 0. An oriented ROI may reach beyond the film; a report's outline may not.
    """
    edges = ((0, 0.0, 1.0), (0, float(columns), -1.0), (1, 0.0, 1.0), (1, float(rows), -1.0))
    inside = list(points)
    for axis, limit, sign in edges:
        inside = _clip(inside, axis, limit, sign)
    return inside


def _clip(points: list[Point], axis: int, limit: float, sign: float) -> list[Point]:
    """The part of an outline where sign * (coordinate - limit) >= 0."""
    kept: list[Point] = []
    for before, point in zip(points[-1:] + points[:-1], points, strict=True):
        was, now = (sign * (end[axis] - limit) for end in (before, point))
        if was * now < 0:
            share = was / (was - now)
            kept.append((before[0] + share * (point[0] - before[0]), before[1] + share * (point[1] - before[1])))
        if now >= 0:
            kept.append(point)
    return kept
