"""The alert log as a file: CSV or a workbook, row by row, so that a log of any length fits in memory.

What comes from films' headers comes from outside: in neither file does any of it become a formula, a link or markup.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import IO, Any

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from screening_node.admin import listings
from screening_node.errors import Permanent

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
#: Stands in every workbook.
NOTE = "Estimates by a phantom-trained model, not for clinical use. A film without an alert rules nothing out."
#: A spreadsheet takes a cell of a CSV file that begins so for a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
#: XlsxWriter takes a string that begins so for markup of its own.
_MARKUP = "<r>"
#: Rows of a sheet and characters of a cell that Excel opens.
_MOST_ROWS, _MOST_CHARACTERS = 1_048_576, 32_767
_TIMES = frozenset(key for key in listings.ALERT_KEYS if key.endswith("_at"))
_DATES = frozenset(key for key in listings.ALERT_KEYS if key.endswith("_date"))
_CHUNK = 64 * 1024


def csv_lines(rows: Iterable[listings.Row]) -> Iterator[str]:
    """RFC 4180, with a byte order mark: spreadsheets take the names for Latin-1 otherwise."""
    text = io.StringIO(newline="")
    text.write("\N{ZERO WIDTH NO-BREAK SPACE}")
    writer = csv.DictWriter(text, fieldnames=listings.ALERT_KEYS)
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _harmless(value) for key, value in row.items()})
        if text.tell() > _CHUNK:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value


def workbook(rows: Iterable[listings.Row], *, limits_of_use: str = "") -> IO[bytes]:
    """The same rows and columns as an XLSX file without a name, at its beginning; closing it removes it.

    Times are on this machine's clock: a workbook knows no time zones. Raises Permanent where a sheet has too few rows.
    """
    with ExitStack() as held:
        file = held.enter_context(tempfile.TemporaryFile())
        with Workbook(file, {"constant_memory": True}) as book:
            _Sheet(book).fill(rows)
            about = book.add_worksheet("Limits of use")
            about.set_column(0, 0, 100)
            about.write_string(0, 0, f"{limits_of_use} {NOTE}".strip())
        file.seek(0)
        held.pop_all()  # whoever reads it closes it
    return file


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """A file's bytes, some at a time; it is closed at the end, also where nobody reads so far."""
    with file:
        while piece := file.read(_CHUNK):
            yield piece


class _Sheet:
    """The log's sheet: one row an alert, headings that stay in view, a filter on every column."""

    def __init__(self, book: Workbook) -> None:
        self._sheet: Worksheet = book.add_worksheet("Alerts")
        self._day: Format = book.add_format({"num_format": "yyyy-mm-dd"})
        self._time: Format = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._heading: Format = book.add_format({"bold": True})

    def fill(self, rows: Iterable[listings.Row]) -> None:
        """Headings and rows, in the order in which a sheet in constant memory has to be written."""
        sheet, last = self._sheet, len(listings.ALERT_KEYS) - 1
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, last, 18)
        for column, key in enumerate(listings.ALERT_KEYS):
            sheet.write_string(0, column, key, self._heading)
        number = 0
        for number, row in enumerate(rows, start=1):
            if number >= _MOST_ROWS:
                raise Permanent("The log has more rows than a sheet can hold.", fix="Filter it, or export CSV.")
            for column, key in enumerate(listings.ALERT_KEYS):
                self._write(number, column, key, row[key])
        sheet.autofilter(0, 0, number, last)

    def _write(self, row: int, column: int, key: str, value: Any) -> None:
        if value is None:
            return
        if key in _TIMES:
            local = dt.datetime.fromisoformat(value).astimezone().replace(tzinfo=None, microsecond=0)
            self._sheet.write_datetime(row, column, local, self._time)
        elif key in _DATES:
            self._sheet.write_datetime(row, column, dt.datetime.fromisoformat(value), self._day)
        elif isinstance(value, int | float):
            self._sheet.write_number(row, column, value)
        else:
            self._sheet.write_string(row, column, _plain(str(value)))


def _plain(text: str) -> str:
    text = text[:_MOST_CHARACTERS]
    return f" {text}" if text.startswith(_MARKUP) else text
