r"""HL7 v2 encoding rules ("ER7"): delimiters, escapes, segments.

Source: HL7 v2.5.1 chapter 2, sections 2.5 (segments, fields), 2.7 (escape sequences). Written here and not with a
library: the escapes must be exact, and a message is made on the way of every film.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Final

SEPARATORS: Final = r"^~\&"
_ESCAPES: Final = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}
_BREAK: Final = "\\.br\\"
_CONTROLS: Final = "Cc"


def escaped(text: str) -> str:
    """Text as it may stand in a component: on one line, without control characters, delimiters escaped."""
    line = " ".join(text.splitlines()).rstrip()
    return "".join(_ESCAPES.get(sign, sign) for sign in line if unicodedata.category(sign) != _CONTROLS)


def formatted(text: str) -> str:
    r"""Several lines as the value of an FT field, ``\.br\`` between them."""
    return _BREAK.join(escaped(line) for line in text.splitlines())


def components(*parts: str) -> str:
    """Texts as the components of a field; empty ones at the end are left out."""
    return "^".join(escaped(part) for part in parts).rstrip("^")


def segment(name: str, fields: Mapping[int, str]) -> str:
    """A segment with its fields, already encoded, by their number; empty ones at the end are left out."""
    last = max((place for place, value in fields.items() if value), default=0)
    return "|".join([name, *(fields.get(place, "") for place in range(1, last + 1))])


def message(header: Mapping[int, str], *segments: str) -> bytes:
    """A message as UTF-8, each segment ended by a carriage return; MSH-1 and MSH-2 are added to ``header``."""
    first = segment("MSH", {place - 1: value for place, value in {**header, 2: SEPARATORS}.items()})
    return "".join(f"{line}\r" for line in (first, *segments)).encode("utf-8")
