"""How the landmarks and bone ROIs of a chest film are called and coded in a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydicom.sr.coding import Code

from screening_node.reporting import codes
from screening_node.reporting.language import ENGLISH, Words, later


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A name for people, the coded site, and the patient's side where the site has one.

    ``number`` stands in the name's braces: of a rib, or of a part of the rib cage.
    """

    words: str
    site: Code
    side: Code | None = None
    number: int | None = None

    def name(self, say: Words) -> str:
        """The name in a language."""
        return say(self.words) if self.number is None else say(self.words, number=str(self.number))

    @property
    def title(self) -> str:
        """The name in English."""
        return self.name(ENGLISH)


_SIDES = {"left": codes.LEFT, "right": codes.RIGHT}
_CLAVICLES = {
    ("left", "medial"): later("Left clavicle, medial"),
    ("left", "middle"): later("Left clavicle, middle"),
    ("left", "lateral"): later("Left clavicle, lateral"),
    ("right", "medial"): later("Right clavicle, medial"),
    ("right", "middle"): later("Right clavicle, middle"),
    ("right", "lateral"): later("Right clavicle, lateral"),
}
_RIBS = {"left": later("Left rib {number}, inner margin"), "right": later("Right rib {number}, inner margin")}
_RIB_CAGES = {
    "left": later("Left rib cage, part {number} from above"),
    "right": later("Right rib cage, part {number} from above"),
}

#: By LANDMARK_NAMES.
LANDMARKS: dict[str, Place] = {
    **{
        f"{side}_clavicle_{part}": Place(words=_CLAVICLES[side, part], site=codes.CLAVICLE, side=code)
        for side, code in _SIDES.items()
        for part in ("medial", "middle", "lateral")
    },
    **{
        f"{side}_rib_{rib}": Place(words=_RIBS[side], number=rib, site=codes.RIB, side=code)
        for side, code in _SIDES.items()
        for rib in (3, 5, 7, 9)
    },
    "c7": Place(words="C7", site=codes.C7),
    "t12": Place(words="T12", site=codes.T12),
}

#: By ROI_NAMES.
ROIS: dict[str, Place] = {
    **{
        f"{side}_clavicle_{part}": Place(words=_CLAVICLES[side, part], site=codes.CLAVICLE, side=code)
        for side, code in _SIDES.items()
        for part in ("medial", "lateral")
    },
    **{
        f"{side}_rib_cage_{part}": Place(words=_RIB_CAGES[side], number=part, site=codes.RIB, side=code)
        for side, code in _SIDES.items()
        for part in (1, 2, 3, 4)
    },
    "cervical": Place(words=later("Cervical spine"), site=codes.CERVICAL_SPINE),
    "lumbar": Place(words=later("Thoraco-lumbar spine"), site=codes.THORACO_LUMBAR_SPINE),
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
