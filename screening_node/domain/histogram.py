"""How estimates are spread over a scale: what a card keeps of its validation cohort, what a node counts of its films.

Both are of the same number, a film's mean BMD over its vertebrae in g/cm2, in the same bins, so that they can be laid
over each other whatever the reference table.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

#: The key among a card's metrics.
METRIC = "unseen_mean_bmd"
#: g/cm2: no living patient's lumbar spine lies outside; what does is counted in the first or last bin.
_BEGIN, _STEP, _BINS = 0.3, 0.05, 28
_DECIMALS = 2


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Counts in bins of equal width ``step`` from ``begin`` on."""

    begin: float
    step: float
    counts: tuple[int, ...]

    @classmethod
    def of(cls, values: Iterable[float]) -> Histogram:
        """The finite values, counted in the bins that every card and node use."""
        counts = [0] * _BINS
        for value in values:
            if math.isfinite(value):
                counts[min(_BINS - 1, max(0, int((value - _BEGIN) / _STEP)))] += 1
        return cls(begin=_BEGIN, step=_STEP, counts=tuple(counts))

    @classmethod
    def from_metrics(cls, metrics: Mapping[str, Any]) -> Histogram | None:
        """What a card says; None where it says nothing that can be laid over a node's own."""
        table = metrics.get(METRIC)
        if not isinstance(table, Mapping) or (table.get("begin"), table.get("step")) != (_BEGIN, _STEP):
            return None
        counts = table.get("counts")
        if not isinstance(counts, list) or len(counts) != _BINS or not all(_is_count(count) for count in counts):
            return None
        return cls(begin=_BEGIN, step=_STEP, counts=tuple(counts))

    def to_table(self) -> dict[str, Any]:
        """As a card keeps it."""
        return {"begin": self.begin, "step": self.step, "counts": list(self.counts)}

    @property
    def total(self) -> int:
        """How many values were counted."""
        return sum(self.counts)

    @property
    def shares(self) -> tuple[float, ...]:
        """The part of all values in each bin."""
        return tuple(count / (self.total or 1) for count in self.counts)

    @property
    def edges(self) -> tuple[float, ...]:
        """Where each bin begins, and where the last one ends."""
        return tuple(round(self.begin + place * self.step, _DECIMALS) for place in range(len(self.counts) + 1))

    def overlap(self, other: Histogram) -> float:
        """The part that two have in common, 0 to 1: the area under both, each taken as 1."""
        return sum(min(one, two) for one, two in zip(self.shares, other.shares, strict=True))


def film_means(rows: Iterable[Iterable[float]]) -> list[float]:
    """Each film's mean over the vertebrae that it has an estimate of; films without any are left out."""
    known = ([value for value in row if math.isfinite(value)] for row in rows)
    return [sum(values) / len(values) for values in known if values]


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
