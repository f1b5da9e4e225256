"""Are the films of late like those that the model was validated on: a few figures of the newest results.

A drift has causes to look for (another scanner, another population, a fault in acquisition); it is no diagnosis.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass

import sqlalchemy as sa

from screening_node.domain.histogram import Histogram
from screening_node.domain.result import RefusalCode
from screening_node.store import tables as t

#: The newest results that count as "of late".
WINDOW = 500
_OTHER_OBJECTS = tuple(code.value for code in RefusalCode if not code.concerns_chest_films)


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Mean and standard deviation, g/cm2, of films' mean BMD."""

    mean: float
    sd: float


@dataclass(frozen=True, kw_only=True)
class Recent:
    """The newest results on chest films. ``crossed`` of the judged ones lie below a threshold."""

    films: int
    judged: int
    crossed: int
    estimates: Histogram
    spread: Spread | None

    @property
    def refusal_rate(self) -> float | None:
        """The part of the films that was refused; None without films."""
        return (self.films - self.judged) / self.films if self.films else None

    @property
    def crossing_rate(self) -> float | None:
        """The part of the judged films that lies below a threshold; None without any."""
        return self.crossed / self.judged if self.judged else None


def recent(tx: sa.Connection) -> Recent:
    """The newest results, what concerns no chest film left out."""
    chest = sa.or_(t.results.c.refusal_code.is_(None), t.results.c.refusal_code.not_in(_OTHER_OBJECTS))
    newest = (
        sa.select(t.results.c.id, t.results.c.refusal_code, t.results.c.crossed)
        .where(t.results.c.current, chest)
        .order_by(t.results.c.id.desc())
        .limit(WINDOW)
        .subquery()
    )
    rows = tx.execute(sa.select(newest)).all()
    by_film = (
        sa.select(sa.func.avg(t.estimates.c.bmd))
        .join(newest, newest.c.id == t.estimates.c.result_id)
        .group_by(t.estimates.c.result_id)
    )
    estimates = [float(value) for value in tx.execute(by_film).scalars()]
    judged = [row for row in rows if row.refusal_code is None]
    return Recent(
        films=len(rows),
        judged=len(judged),
        crossed=sum(bool(row.crossed) for row in judged),
        estimates=Histogram.of(estimates),
        spread=_spread(estimates),
    )


def spread_of(histogram: Histogram) -> Spread | None:
    """Mean and SD of what a histogram counted, each value taken to lie in the middle of its bin."""
    middles = [histogram.begin + (place + 0.5) * histogram.step for place in range(len(histogram.counts))]
    return _spread([middle for middle, count in zip(middles, histogram.counts, strict=True) for _ in range(count)])


def _spread(values: list[float]) -> Spread | None:
    if len(values) < 2:
        return None
    return Spread(mean=statistics.fmean(values), sd=statistics.stdev(values))
