"""The geometry of the pages' drawings, as numbers that the templates put into SVG; every drawing has a table beside it.

All lengths are SVG units of the drawing's view box.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from screening_node.domain.histogram import Histogram
from screening_node.domain.result import HALF_WIDTH_90, Vertebra
from screening_node.domain.tscore import ReferenceTable

#: WHO bands (upper end of each), as in domain/tscore.py.
OSTEOPOROSIS_T, OSTEOPENIA_T = -2.5, -1.0


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One vertebra on the T-score axis; ``low`` to ``high`` its interval, None where an SD cannot be converted."""

    vertebra: str
    text: str
    y: float
    x: float
    threshold_x: float
    below: bool
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class Scale:
    """T-scores laid along x."""

    low: float
    high: float
    left: float
    right: float

    def x(self, t_score: float) -> float:
        """Where a T-score lies; beyond the axis it is drawn at its end."""
        share = (min(max(t_score, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.left + share * (self.right - self.left), 1)


@dataclass(frozen=True, kw_only=True)
class EstimateChart:
    """Estimates against thresholds and WHO bands."""

    width: float
    height: float
    scale: Scale
    marks: tuple[Mark, ...]
    ticks: tuple[tuple[float, str], ...]
    bands: tuple[tuple[float, float, str], ...]  # x, width, name
    interval: str | None  # what a mark's line from ``low`` to ``high`` is


#: Words below a distribution's axis.
_MOST_TICKS = 9
_ROW, _TOP, _FOOT = 34.0, 26.0, 26.0


def estimate_chart(
    estimates: Sequence[Mapping[str, Any]],
    *,
    sex: str | None,
    reference: ReferenceTable | None,
    calibrated: bool = False,
) -> EstimateChart:
    """The drawing for an exam's estimates (rows of ``listings.exam``).

    ``reference``: the table that the T-scores come from, to convert SDs; None where it is not at hand. ``calibrated``:
    the SDs are such that 90 % intervals can be drawn.
    """
    half_width = HALF_WIDTH_90 if calibrated else 1.0
    scores = [each["t_score"] for each in estimates]
    low, high = min(-4.0, *scores) - 0.3, max(1.0, *scores) + 0.3
    scale = Scale(low=low, high=high, left=34.0, right=548.0)
    marks = tuple(_mark(each, number, scale, sex, reference, half_width) for number, each in enumerate(estimates))
    ticks = tuple((scale.x(value), f"{value:+d}" if value else "0") for value in range(-9, 8) if low <= value <= high)
    edges = (scale.left, scale.x(OSTEOPOROSIS_T), scale.x(OSTEOPENIA_T), scale.right)
    names = ("osteoporosis", "osteopenia", "normal")
    bands = tuple((edges[i], round(edges[i + 1] - edges[i], 1), name) for i, name in enumerate(names))
    return EstimateChart(
        width=560.0,
        height=_TOP + _ROW * len(marks) + _FOOT,
        scale=scale,
        marks=marks,
        ticks=ticks,
        bands=bands,
        interval=("90 % interval" if calibrated else "± 1 SD") if any(mark.low is not None for mark in marks) else None,
    )


def _mark(
    each: Mapping[str, Any],
    number: int,
    scale: Scale,
    sex: str | None,
    reference: ReferenceTable | None,
    half_width: float,
) -> Mark:
    row = None if reference is None else reference.row(Vertebra(each["vertebra"]), sex)
    spread = None if row is None else half_width * each["sd"] / row.sd
    return Mark(
        vertebra=each["vertebra"],
        text=signed(each["t_score"]),
        y=_TOP + _ROW * (number + 0.5),
        x=scale.x(each["t_score"]),
        threshold_x=scale.x(each["threshold"]),
        below=each["below"],
        low=None if spread is None else scale.x(each["t_score"] - spread),
        high=None if spread is None else scale.x(each["t_score"] + spread),
    )


def signed(value: float) -> str:
    """A T-score as it is written: one decimal, always a sign, a real minus."""
    return f"{value:+.1f}".replace("-", "\N{MINUS SIGN}")


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One column of a bar chart."""

    x: float
    y: float
    width: float
    height: float
    title: str
    label: str | None


@dataclass(frozen=True, kw_only=True)
class BarChart:
    """Columns over days, with a round number at the top of the axis."""

    width: float
    height: float
    base: float
    top: float
    most: int
    bars: tuple[Bar, ...]


def bar_chart(values: Sequence[tuple[str, int]], *, label_every: int = 5) -> BarChart:
    """A column for each (name, count), in order; every so many names are written below."""
    width, base, top, left = 560.0, 132.0, 14.0, 30.0
    most = _round_up(max((count for _, count in values), default=0))
    step = (width - left - 14.0) / max(1, len(values))
    bars = []
    for number, (name, count) in enumerate(values):
        height = round((base - top) * count / most, 1)
        labelled = (len(values) - 1 - number) % label_every == 0
        bars.append(
            Bar(
                x=round(left + number * step + 0.12 * step, 1),
                y=round(base - height, 1),
                width=round(0.76 * step, 1),
                height=height,
                title=f"{name}: {count}",
                label=name if labelled else None,
            )
        )
    return BarChart(width=width, height=154.0, base=base, top=top, most=most, bars=tuple(bars))


def _round_up(value: int) -> int:
    """The next of 1, 2, 5, 10, 20, 50, ... that is no smaller."""
    size = 1
    while True:
        for factor in (1, 2, 5):
            if factor * size >= value:
                return factor * size
        size *= 10


@dataclass(frozen=True, kw_only=True)
class Bin:
    """A bin of a distribution: where it begins and ends on the scale, and its share of this node and of the other."""

    begin: float
    end: float
    own: float
    other: float | None


@dataclass(frozen=True, kw_only=True)
class DistributionChart:
    """The node's distribution as columns, another one as a line over them; ``ticks`` are (x, words)."""

    width: float
    height: float
    base: float
    top: float
    most: str
    bars: tuple[Bar, ...]
    line: str
    ticks: tuple[tuple[float, str], ...]
    bins: tuple[Bin, ...]


@dataclass(frozen=True, kw_only=True)
class _Columns:
    """Where shares up to ``most`` percent lie in columns side by side."""

    left: float
    step: float
    base: float
    top: float
    most: int

    def x(self, place: float) -> float:
        return round(self.left + place * self.step, 1)

    def height(self, share: float) -> float:
        return round((self.base - self.top) * 100 * share / self.most, 1)

    def bar(self, place: int, each: Bin) -> Bar:
        height = self.height(each.own)
        return Bar(
            x=self.x(place + 0.08),
            y=round(self.base - height, 1),
            width=round(0.84 * self.step, 1),
            height=height,
            title=f"{each.begin:.2f} to {each.end:.2f} g/cm²: {100 * each.own:.0f} %",
            label=None,
        )

    def outline(self, bins: Sequence[Bin]) -> str:
        """The other distribution's steps."""
        corners = [(self.x(n + end), each.other or 0.0) for n, each in enumerate(bins) for end in (0, 1)]
        return " ".join(f"{x},{round(self.base - self.height(share), 1)}" for x, share in corners)


def distribution_chart(own: Histogram, other: Histogram | None) -> DistributionChart | None:
    """Shares of both, over the bins that any of them uses; None where this node has counted nothing."""
    if not own.total:
        return None
    bins = _used_bins(own, other)
    width, height, left, base, top = 560.0, 190.0, 40.0, 162.0, 14.0
    most = _round_up(math.ceil(100 * max(share for each in bins for share in (each.own, each.other or 0.0))))
    columns = _Columns(left=left, step=(width - left - 14.0) / len(bins), base=base, top=top, most=most)
    every = math.ceil(len(bins) / _MOST_TICKS)
    return DistributionChart(
        width=width,
        height=height,
        base=base,
        top=top,
        most=f"{most} %",
        bars=tuple(columns.bar(place, each) for place, each in enumerate(bins)),
        line=columns.outline(bins) if other is not None else "",
        ticks=tuple((columns.x(n), f"{each.begin:.2f}") for n, each in enumerate(bins) if n % every == 0),
        bins=bins,
    )


def _used_bins(own: Histogram, other: Histogram | None) -> tuple[Bin, ...]:
    used = [place for place, count in enumerate(own.counts) if count or (other is not None and other.counts[place])]
    places = range(max(0, used[0] - 1), min(len(own.counts), used[-1] + 2))
    return tuple(
        Bin(
            begin=own.edges[place],
            end=own.edges[place + 1],
            own=own.shares[place],
            other=None if other is None else other.shares[place],
        )
        for place in places
    )
