"""The tables of a cohort folder as they were written: dxa.csv, landmarks.csv, manifest.json.

Cells are never quoted in a problem: where columns are mixed up, any cell may hold a name.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from screening_node.domain.result import LANDMARK_NAMES, Vertebra
from screening_node.laboratory.folder.problems import Kind, Problem
from screening_node.phantom.cohort_folder import DXA, FORMAT, FORMAT_VERSION, LANDMARK_COLUMNS, LANDMARKS, MANIFEST

Floats = npt.NDArray[np.float64]

_NEEDED = ("film", "patient_id", "sex", "age", *(str(vertebra) for vertebra in Vertebra))
T_COLUMNS = tuple(f"T_{vertebra}" for vertebra in Vertebra)
#: A cell may stand for "not measured" in these ways too; spreadsheets and statistics programs write them.
_EMPTY = frozenset({"", "na", "n/a", "nan", "null", "none"})


@dataclass(frozen=True, kw_only=True)
class Table:
    """A CSV file: rows as heading -> cell, stripped; the first data row is row 2."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...] = field(repr=False)

    def texts(self, column: str) -> list[str]:
        """A column's cells; empty texts where the table has no such column."""
        return [row.get(column, "") for row in self.rows]

    def numbers(self, columns: Sequence[str], problems: list[Problem]) -> Floats:
        """Columns as numbers (rows, columns), NaN where empty; what is no number is a problem."""
        values = np.full((len(self.rows), len(columns)), np.nan)
        for index, row in enumerate(self.rows):
            cells = [_number(row.get(column, "")) for column in columns]
            wrong = [column for column, value in zip(columns, cells, strict=True) if value is None]
            if wrong:
                text = f"{', '.join(wrong)} is no number"
                problems.append(Problem(kind=Kind.VALUE, file=self.name, row=index + 2, text=text))
            values[index] = [np.nan if value is None else value for value in cells]
        return values

    def decimals(self, column: str) -> int:
        """Most digits after the point that the column's cells have."""
        return max((len(cell.partition(".")[2]) for cell in self.texts(column)), default=0)


@dataclass(frozen=True, kw_only=True)
class ManifestFilm:
    """A film as the manifest lists it."""

    seed: int | None
    sha256: str | None
    findings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """manifest.json, all of it optional; ``films`` by path."""

    generator: str | None = None
    reference: str | None = None
    films: Mapping[str, ManifestFilm] = field(default_factory=dict)


def read_dxa(folder: Path, problems: list[Problem]) -> Table | None:
    """dxa.csv; None, with the problem told, where it is not there, cannot be read or lacks columns."""
    if not (folder / DXA).exists():
        problems.append(Problem(kind=Kind.TABLE, file=DXA, text="there is no such file"))
        return None
    return _table(folder / DXA, _NEEDED, problems)


def read_landmarks(folder: Path, problems: list[Problem]) -> tuple[Table | None, Floats]:
    """landmarks.csv with its points (rows, 16, 2), NaN where unknown; None where there is no usable one."""
    nothing = np.empty((0, len(LANDMARK_NAMES), 2))
    if not (folder / LANDMARKS).exists():
        return None, nothing
    table = _table(folder / LANDMARKS, LANDMARK_COLUMNS, problems)
    if table is None:
        return None, nothing
    points = table.numbers(LANDMARK_COLUMNS[1:], problems).reshape(-1, len(LANDMARK_NAMES), 2)
    halves = np.flatnonzero((np.isnan(points).sum(axis=2) == 1).any(axis=1))
    problems.extend(
        Problem(kind=Kind.LANDMARKS, file=LANDMARKS, row=int(index) + 2, text="a point has x or y, but not both")
        for index in halves
    )
    return table, points


def read_manifest(folder: Path, problems: list[Problem]) -> Manifest:
    """manifest.json; an empty one where there is none or none that can be used, with the problem told."""
    path = folder / MANIFEST
    if not path.exists():
        return Manifest()
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != FORMAT or data["format_version"] != FORMAT_VERSION:
            raise ValueError
        if not data.get("complete", True):
            problems.append(Problem(kind=Kind.UNFINISHED, file=MANIFEST, text="the cohort was not written to its end"))
            return Manifest()
        return _manifest(data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        text = f"it is no manifest of format {FORMAT!r}, version {FORMAT_VERSION}"
        problems.append(Problem(kind=Kind.MANIFEST, file=MANIFEST, text=text))
        return Manifest()


def _manifest(data: Mapping[str, Any]) -> Manifest:
    generator, reference = data.get("generator"), data.get("reference")
    films = {str(entry["film"]): _manifest_film(entry) for entry in data.get("list", [])}
    return Manifest(
        generator=None if generator is None else f"{generator} {data.get('generator_version', '')}".strip(),
        reference=None if reference is None else str(reference),
        films=films,
    )


def _manifest_film(entry: Mapping[str, Any]) -> ManifestFilm:
    seed, digest = entry.get("seed"), entry.get("sha256")
    return ManifestFilm(
        seed=None if seed is None else int(seed),
        sha256=None if digest is None else str(digest),
        findings=tuple(str(finding) for finding in entry.get("findings", ())),
    )


def _table(path: Path, needed: Iterable[str], problems: list[Problem]) -> Table | None:
    text = _decoded(path, problems)
    if text is None:
        return None
    try:
        lines = [[cell.strip() for cell in line] for line in csv.reader(io.StringIO(text, newline=""), strict=True)]
    except csv.Error as error:
        problems.append(Problem(kind=Kind.TABLE, file=path.name, text=f"it is no CSV: {error}"))
        return None
    columns = tuple(lines[0]) if lines else ()
    if not _usable(path.name, columns, needed, problems):
        return None
    return Table(name=path.name, columns=columns, rows=_rows(path.name, columns, lines[1:], problems))


def _rows(
    name: str, columns: Sequence[str], lines: Sequence[Sequence[str]], problems: list[Problem]
) -> tuple[dict[str, str], ...]:
    """Rows by heading; empty lines at the end are no rows."""
    while lines and not any(lines[-1]):
        lines = lines[:-1]
    for row, line in enumerate(lines, start=2):
        if len(line) != len(columns):
            text = f"{len(line)} cells, and the heading has {len(columns)}"
            problems.append(Problem(kind=Kind.TABLE, file=name, row=row, text=text))
    if not lines:
        problems.append(Problem(kind=Kind.TABLE, file=name, text="it has no rows"))
    return tuple(dict(zip(columns, line, strict=False)) for line in lines)


def _usable(name: str, columns: Sequence[str], needed: Iterable[str], problems: list[Problem]) -> bool:
    missing = [column for column in needed if column not in columns]
    twice = sorted({column for column in columns if column and columns.count(column) > 1})
    if missing:
        text = f"there is no column {', '.join(missing)}"
        if len(columns) == 1 and ";" in columns[0]:
            text += "; its columns are separated by semicolons"
        problems.append(Problem(kind=Kind.COLUMNS, file=name, row=1, text=text))
    if twice:
        text = f"the column {', '.join(twice)} is there twice"
        problems.append(Problem(kind=Kind.COLUMNS, file=name, row=1, text=text))
    return not missing and not twice


def _decoded(path: Path, problems: list[Problem]) -> str | None:
    try:
        data = path.read_bytes()
    except OSError as error:
        problems.append(Problem(kind=Kind.TABLE, file=path.name, text=f"it cannot be read: {error.strerror}"))
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        problems.append(Problem(kind=Kind.TABLE, file=path.name, row=row, text="it is not UTF-8"))
        return None


def _number(cell: str) -> float | None:
    """A cell's number, NaN where it is empty, None where it is neither."""
    if cell.lower() in _EMPTY:
        return float("nan")
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if np.isfinite(value) else None
