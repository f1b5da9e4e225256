"""What commands print: results on standard output, everything else on standard error."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from screening_node.errors import ScreeningNodeError

out = Console()
err = Console(stderr=True)
#: For tables that go into a pipe or a file: there a row is a line, however long.
piped = Console(width=1000)


ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Configuration file.", show_default="config/node.toml")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
ActorOption = Annotated[
    str | None, typer.Option("--actor", help="Who does it, for the audit.", show_default="the user logged in")
]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="Show at most so many, the newest first.")]


def fail(error: ScreeningNodeError) -> None:
    """The error and its fix in red; no traceback."""
    err.print(Text(printable(str(error), keep="\n"), style="red"), soft_wrap=True)


def printable(text: str, *, keep: str = "") -> str:
    """``text`` without control characters: names in DICOM headers come from outside and may hold escapes."""
    return "".join(letter if letter.isprintable() or letter in keep else "\N{REPLACEMENT CHARACTER}" for letter in text)


def print_json(data: Any) -> None:
    """JSON, alone on standard output."""
    json.dump(data, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def cell(value: Any) -> Text:
    """A value as people read it."""
    if value is None:
        return Text("")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, float):
        return Text(f"{value:.2f}")
    return Text(printable(str(value)))


Columns = Mapping[str, str | Callable[[Mapping[str, Any]], Any]]


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Columns, *, as_json: bool, empty: str = "None.") -> None:
    """A listing: as JSON all of it, as a table the ``columns`` (heading: key, or what to make of a row)."""
    if as_json:
        print_json([dict(row) for row in rows])
    elif not rows:
        out.print(empty)
    else:
        (out if out.is_terminal else piped).print(_table(rows, columns))


def _table(rows: Iterable[Mapping[str, Any]], columns: Columns) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in columns:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(cell(row[what] if isinstance(what, str) else what(row)) for what in columns.values()))
    return table


def local_time(key: str) -> Callable[[Mapping[str, Any]], str | None]:
    """A column with the time of ``key`` as clocks here show it."""

    def said(row: Mapping[str, Any]) -> str | None:
        time = row[key]
        return None if time is None else dt.datetime.fromisoformat(time).astimezone().strftime("%Y-%m-%d %H:%M")

    return said


def print_record(record: Mapping[str, Any], *, as_json: bool) -> None:
    """One thing with all its fields, nested ones indented."""
    if as_json:
        print_json(record)
        return
    for key, value in record.items():
        _print_field(key, value, "")


def _print_field(key: str, value: Any, indent: str) -> None:
    heading = Text(f"{indent}{key.replace('_', ' ')}: ", style="bold")
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        out.print(heading)
        for item in value:
            parts = (f"{name.replace('_', ' ')} {cell(part)}" for name, part in item.items() if part is not None)
            out.print(Text(f"{indent}  " + ", ".join(parts)), soft_wrap=True)
    else:
        text = cell(", ".join(map(str, value)) if isinstance(value, list) else value)
        out.print(heading + text, soft_wrap=True)
