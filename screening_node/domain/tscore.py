"""T-scores from versioned reference tables.

T = (BMD - young-adult mean) / young-adult SD. The table depends on the DXA maker and the population, so it is
data (config/references/*.toml), never code; the site picks the one that its DXA machine uses.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from screening_node.domain.result import Category, Vertebra
from screening_node.errors import Misconfigured

ANY = "any"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReferenceRow:
    """Young-adult mean and SD in g/cm2 of one sex ("F", "M" or "any") and vertebra ("L1".."L4" or "any")."""

    sex: str
    vertebra: str
    mean: float
    sd: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ReferenceTable:
    """A named, versioned table with its source."""

    name: str
    version: str
    title: str
    maker: str
    population: str
    source: str
    rows: tuple[ReferenceRow, ...]

    @property
    def citation(self) -> str:
        """One line that a report can carry."""
        return f"{self.title} ({self.name} {self.version}): {self.source}"

    @property
    def needs_sex(self) -> bool:
        """Whether a patient without a known sex cannot be looked up."""
        return any(row.sex != ANY for row in self.rows)

    def row(self, vertebra: Vertebra, sex: str | None) -> ReferenceRow | None:
        """The row for a vertebra and sex, the most specific first; None where the table has none."""
        fitting = (row for row in self.rows if row.sex in (sex, ANY) and row.vertebra in (vertebra, ANY))
        return min(fitting, key=lambda row: (row.vertebra == ANY, row.sex == ANY), default=None)

    def covers(self, sex: str | None) -> bool:
        """Whether every vertebra of a patient of this sex can be looked up."""
        return all(self.row(vertebra, sex) is not None for vertebra in Vertebra)

    def t_score(self, bmd: float, vertebra: Vertebra, sex: str | None) -> float:
        """T-score of a BMD in g/cm2; Misconfigured where the table has no row (check ``covers`` first)."""
        row = self.row(vertebra, sex)
        if row is None:
            raise Misconfigured(
                f"Reference table {self.name} has no row for {vertebra} and sex {sex or 'unknown'}.",
                fix="Add the row, or choose another table in [pathways.chest_film] reference.",
            )
        return (bmd - row.mean) / row.sd


def category(t_score: float) -> Category:
    """WHO band: osteoporosis at -2.5 and below, osteopenia between, normal from -1."""
    if t_score <= -2.5:
        return Category.OSTEOPOROSIS
    if t_score < -1.0:
        return Category.OSTEOPENIA
    return Category.NORMAL


def lowest_category(t_scores: Iterable[float]) -> Category:
    """The band of the lowest of several T-scores."""
    return category(min(t_scores))
