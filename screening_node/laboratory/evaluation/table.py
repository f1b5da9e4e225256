"""What every table of an evaluation is: rows of plain values under columns that say their unit and their digits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
#: A 95 % interval stands beside its figure under the figure's key and these endings.
LOW, HIGH = "_low", "_high"


@dataclass(frozen=True, kw_only=True)
class Column:
    """One figure of each row. ``group`` is a heading above several columns; a percentage is kept as a share."""

    key: str
    title: str
    group: str = ""
    unit: str = ""
    digits: int = 3
    percent: bool = False
    interval: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """What a row holds for this column."""
        return (self.key, self.key + LOW, self.key + HIGH) if self.interval else (self.key,)

    def said(self, value: Any) -> str:
        """A value as people read it."""
        if value is None:
            return "–"
        if not isinstance(value, float):
            return str(value)
        return f"{100 * value:.1f}" if self.percent else f"{value:.{self.digits}f}".replace("-", "−")


@dataclass(frozen=True, kw_only=True)
class Table:
    """``key`` names the CSV file; ``note``: how the figures were made; ``beside``: rows of others, to compare with."""

    key: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    note: str = ""
    beside: tuple[Row, ...] = ()

    @property
    def keys(self) -> list[str]:
        """The CSV's heading."""
        return [key for column in self.columns for key in column.keys]

    def records(self) -> Iterator[dict[str, Any]]:
        """Rows as JSON and CSV take them: every key in every row."""
        for row in self.rows:
            yield {key: row.get(key) for key in self.keys}

    def to_dict(self) -> dict[str, Any]:
        """The table, ready for JSON."""
        told = {"title": self.title, "note": self.note, "rows": list(self.records())}
        return told | ({"beside": [dict(row) for row in self.beside]} if self.beside else {})


def plain(value: float | None) -> float | None:
    """A number as JSON takes it: None for what is not defined."""
    return None if value is None or not math.isfinite(value) else round(float(value), 6)


def figure(key: str, value: float | None, between: tuple[float, float] | None) -> dict[str, Any]:
    """A figure and its interval as entries of a row."""
    low, high = between if between is not None and plain(value) is not None else (None, None)
    return {key: plain(value), key + LOW: plain(low), key + HIGH: plain(high)}


def texts(*titles: tuple[str, str]) -> tuple[Column, ...]:
    """Columns of words or counts: (key, title)."""
    return tuple(Column(key=key, title=title) for key, title in titles)


def grouped(columns: Sequence[Column]) -> list[tuple[str, int]]:
    """Headings over the columns, with how many each spans."""
    spans: list[tuple[str, int]] = []
    for column in columns:
        if spans and spans[-1][0] == column.group and column.group:
            spans[-1] = (column.group, spans[-1][1] + 1)
        else:
            spans.append((column.group, 1))
    return spans
