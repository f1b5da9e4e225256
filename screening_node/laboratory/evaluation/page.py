"""An evaluation as one HTML page that needs no other file: tables, pictures and style are inside, in light and dark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from screening_node.laboratory.evaluation.contents import Contents
from screening_node.laboratory.evaluation.drawing import Drawing
from screening_node.laboratory.evaluation.table import HIGH, LOW, Column, Row, Table, grouped

NEVER_RULES_OUT = "A single film never rules disease out."
#: A longer table is folded; its CSV file has all of it anyway.
_MOST_ROWS = 26


@dataclass(frozen=True, kw_only=True)
class About:
    """What the page is of: the cohort's name, facts (label, value), and the sentences that stand above everything."""

    title: str
    facts: tuple[tuple[str, str], ...]
    limits: tuple[str, ...]


def render(about: About, contents: Contents) -> str:
    """The page."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "cells": _cells,
        "grouped": grouped,
        "is_text": _is_text,
        "picture": _picture,
        "most_rows": _MOST_ROWS,
    }
    return environment.get_template("evaluation.html").render(about=about, contents=contents) + "\n"


def _cells(table: Table, row: Row, before: Row | None) -> list[Mapping[str, Any]]:
    """A row's cells: text, interval, and whether it only repeats the cell above in the first column."""
    return [
        {
            "text": column.said(row.get(column.key)),
            "between": _between(column, row),
            "is_text": _is_text(table, column),
            "again": index == 0 and before is not None and before.get(column.key) == row.get(column.key),
        }
        for index, column in enumerate(table.columns)
    ]


def _between(column: Column, row: Row) -> str:
    low, high = row.get(column.key + LOW), row.get(column.key + HIGH)
    return "" if low is None or high is None else f"{column.said(low)} to {column.said(high)}"


def _is_text(table: Table, column: Column) -> bool:
    return any(isinstance(row.get(column.key), str) for row in (*table.rows, *table.beside))


def _picture(drawing: Drawing) -> Markup:
    """The project's own SVG; labels inside it were escaped when it was drawn."""
    return Markup(drawing.svg)
