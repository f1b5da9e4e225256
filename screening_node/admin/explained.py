"""What led to a film's answer, as its page tells it: each region's own estimate and attention, the gate's numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from screening_node.domain.result import Explanation, GateCheck, RegionAnswer, Vertebra

#: What each of the gate's numbers is, and its unit.
_CHECKS = {
    "off_film": ("Landmarks that lie off the film", "%"),
    "ordered": ("Landmarks in their anatomical order", ""),
    "width_ratio": ("Width of the rib cage over the spine's length", ""),
    "spine_mm": ("From C7 to T12", "mm"),
    "tilt": ("Tilt of the spine", "°"),
    "asymmetry": ("Left against mirrored right, over the spine's length", ""),
    "lung_contrast": ("Lung fields against the mediastinum", "SD"),
    "mirror_likeness": ("Likeness of the two sides", ""),
    "unsteadiness": ("Landmarks' movement when the film is moved", "%"),
    "opaque_edge": ("Edges of metal on the worst bone region", "%"),
}
_AS_PERCENT = frozenset({"off_film", "unsteadiness", "opaque_edge"})
_WHOLE_NUMBERS = frozenset({"spine_mm", "tilt"})


@dataclass(frozen=True, kw_only=True)
class RegionRow:
    """A region in the table beside the film. ``bmd``: g/cm2 in the order of the table's vertebrae, None where unknown.

    ``attention`` is its share; ``weight`` the share over the largest one, for drawing; ``drawn``: the film shows it.
    """

    name: str
    bmd: tuple[float | None, ...]
    attention: float | None
    weight: float
    drawn: bool


@dataclass(frozen=True, kw_only=True)
class Regions:
    """What the networks said region by region; ``answer`` is the estimate of all of them together."""

    vertebrae: tuple[str, ...]
    answer: tuple[float | None, ...]
    rows: tuple[RegionRow, ...]
    with_attention: bool

    def weight(self, name: str) -> float:
        """How strongly to shade a region of the film, 0 to 1."""
        return next((row.weight for row in self.rows if row.name == name), 0.0)


@dataclass(frozen=True, kw_only=True)
class CheckRow:
    """One of the gate's numbers in words."""

    what: str
    value: str
    limits: str
    passed: bool


def explanation_of(document: Mapping[str, Any] | None) -> Explanation:
    """What a stored result keeps of it; empty for those of earlier versions."""
    return Explanation.from_dict((document or {}).get("explanation"))


def region_table(
    regions: Sequence[RegionAnswer], estimates: Sequence[Mapping[str, Any]], drawn: Sequence[Mapping[str, Any]]
) -> Regions | None:
    """The table of regions, those that got most attention first; None where the result keeps none.

    ``estimates``: rows of ``listings.exam``; ``drawn``: the ROIs over the film.
    """
    if not regions:
        return None
    vertebrae = tuple(str(each) for each in Vertebra if any(each in region.bmd for region in regions))
    answers = {row["vertebra"]: row["bmd"] for row in estimates}
    outlined = {roi["name"] for roi in drawn}
    most = max((region.attention or 0.0 for region in regions), default=0.0) or 1.0
    rows = [
        RegionRow(
            name=region.name,
            bmd=tuple(region.bmd.get(vertebra) for vertebra in vertebrae),
            attention=region.attention,
            weight=round((region.attention or 0.0) / most, 3),
            drawn=region.name in outlined,
        )
        for region in regions
    ]
    return Regions(
        vertebrae=vertebrae,
        answer=tuple(answers.get(vertebra) for vertebra in vertebrae),
        rows=tuple(sorted(rows, key=lambda row: -row.weight)),
        with_attention=any(row.attention is not None for row in rows),
    )


def check_rows(checks: Sequence[GateCheck]) -> tuple[CheckRow, ...]:
    """The gate's numbers in words, those that fail first."""
    return tuple(_check(check) for check in sorted(checks, key=lambda check: check.passed))


def _check(check: GateCheck) -> CheckRow:
    what, unit = _CHECKS.get(check.name, (check.name.replace("_", " "), ""))
    if check.name == "ordered":
        return CheckRow(what=what, value="yes" if check.value else "no", limits="yes", passed=check.passed)
    return CheckRow(
        what=what, value=_shown(check.name, check.value, unit), limits=_limits(check, unit), passed=check.passed
    )


def _limits(check: GateCheck, unit: str) -> str:
    least, most = (None if each is None else _shown(check.name, each, unit) for each in (check.least, check.most))
    if least is not None and most is not None:
        return f"{_shown(check.name, check.least or 0.0, '')} to {most}"
    return f"at most {most}" if most is not None else f"at least {least}" if least is not None else ""


def _shown(name: str, value: float, unit: str) -> str:
    if name in _AS_PERCENT:
        number = f"{100 * value:.1f}"
    else:
        number = f"{value:.0f}" if name in _WHOLE_NUMBERS else f"{value:.2f}"
    space = "" if unit in ("", "°") else "\N{NO-BREAK SPACE}"
    return f"{number}{space}{unit}".replace("-", "\N{MINUS SIGN}")
