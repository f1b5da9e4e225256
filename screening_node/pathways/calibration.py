"""What a validation cohort taught about a bundle's estimates: a line by vertebra and scanner, and a scale of the SD.

A part of the bundle's card: the same weights with another calibration answer otherwise, and are another model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from screening_node.domain.result import Vertebra

#: The group of every scanner that has no lines of its own.
ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Line:
    """Calibrated BMD = intercept + slope x estimated BMD; the intercept in g/cm2."""

    slope: float
    intercept: float

    def __post_init__(self) -> None:
        if not (0 < self.slope < math.inf and math.isfinite(self.intercept)):
            raise ValueError(f"no calibration has slope {self.slope} and intercept {self.intercept}")


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """``lines`` by scanner group ("all", or maker and model as in the film's header), then by vertebra.

    ``interval_scale`` by vertebra: what the SD, once it went through the line, is multiplied by so that bmd -+ 1.645 SD
    holds 90 % of the truths.
    """

    lines: Mapping[str, Mapping[str, Line]]
    interval_scale: Mapping[str, float]

    def __post_init__(self) -> None:
        names = {str(vertebra) for vertebra in Vertebra}
        if ALL not in self.lines or any(set(own) != names for own in (*self.lines.values(), self.interval_scale)):
            raise ValueError(f"a calibration has the group {ALL!r}, and all of L1 to L4 in each group and as scales")
        if not all(0 < scale < math.inf for scale in self.interval_scale.values()):
            raise ValueError("an interval's scale is not above 0")

    def group(self, scanner: str | None) -> str:
        """The group whose lines a film of that scanner gets."""
        return scanner if scanner is not None and scanner in self.lines else ALL

    def apply(self, vertebra: Vertebra, bmd: float, sd: float, scanner: str | None) -> tuple[float, float]:
        """A vertebra's estimate and its SD, both g/cm2, calibrated."""
        line = self.lines[self.group(scanner)][vertebra]
        return line.intercept + line.slope * bmd, line.slope * sd * self.interval_scale[vertebra]

    def to_table(self) -> dict[str, Any]:
        """The calibration as the card's table."""
        lines = {
            group: {name: {"slope": line.slope, "intercept": line.intercept} for name, line in own.items()}
            for group, own in self.lines.items()
        }
        return {"interval_scale": dict(self.interval_scale), "lines": lines}

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Calibration:
        """The inverse of ``to_table``; ValueError, KeyError or TypeError where it is none."""
        lines = {
            group: {
                name: Line(slope=float(line["slope"]), intercept=float(line["intercept"])) for name, line in own.items()
            }
            for group, own in table["lines"].items()
        }
        scale = {name: float(value) for name, value in table["interval_scale"].items()}
        return cls(lines=lines, interval_scale=scale)
