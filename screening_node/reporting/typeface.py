"""The page's letters: bundled fonts, chosen character by character, so that any patient's name can be read."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Final

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

from screening_node.reporting import arabic

REGULAR: Final = "NotoSans-Regular"
BOLD: Final = "NotoSans-Bold"
#: Asked in this order for what the Latin fonts lack.
_OTHERS: Final = (
    "NotoSansArabic-Regular",
    "NotoSansHebrew-Regular",
    "NotoSansThai-Regular",
    "Hangul",
    "DroidSansFallback",
)
_FOLDER = Path(__file__).parent / "fonts"
_ELLIPSIS = "…"
_NEVER_FIRST: Final = "、。，．：；！？）」』】》〉・ー々ぁぃぅぇぉっゃゅょァィゥェォッャュョ…,.:;!?)]}%"
_NEVER_LAST: Final = "（「『【《〈([{"

Run = tuple[str, str]


def runs(text: str, font: str = REGULAR) -> list[Run]:
    """(font, text) pieces, each in the order in which its glyphs stand from left to right."""
    if text.isascii() and _loaded(font):
        return [(font, text)] if text else []
    return [piece for part in _by_direction(text) for piece in _by_font(part, font)]


def width(pieces: list[Run], size: float) -> float:
    """Points across."""
    return float(sum(pdfmetrics.stringWidth(text, font, size) for font, text in pieces))


def fitted(text: str, font: str, size: float, room: float) -> list[Run]:
    """The runs of as much of a text as fits, with an ellipsis where something is left out."""
    if width(runs(text, font), size) <= room:
        return runs(text, font)
    fitting, too_long = 0, len(text)
    while too_long - fitting > 1:
        middle = (fitting + too_long) // 2
        if width(runs(text[:middle].rstrip() + _ELLIPSIS, font), size) <= room:
            fitting = middle
        else:
            too_long = middle
    return runs(text[:fitting].rstrip() + _ELLIPSIS, font)


def lines(text: str, font: str, size: float, room: float) -> list[str]:
    """A text broken at its spaces, and between Chinese characters and kana; what cannot be broken keeps its line."""
    broken = [""]
    for gap, piece in _unbreakable(text):
        longer = f"{broken[-1]}{gap}{piece}".strip(" ")
        if width(runs(longer, font), size) <= room or not broken[-1]:
            broken[-1] = longer
        else:
            broken.append(piece)
    return broken


def _unbreakable(text: str) -> Iterator[tuple[str, str]]:
    """Pieces with what stands before them on the same line: words, and the characters of scripts without spaces."""
    for word in re.split(r"[ \t\r\n]+", text):
        gap, piece = " ", ""
        for character in word:
            if piece and _may_break(piece[-1], character):
                yield gap, piece
                gap, piece = "", ""
            piece += character
        yield gap, piece


def _may_break(before: str, after: str) -> bool:
    """Whether a line may end between two characters that no space parts (after JIS X 4051, as far as needed here)."""
    return (
        (_is_ideographic(before) or _is_ideographic(after)) and after not in _NEVER_FIRST and before not in _NEVER_LAST
    )


def _is_ideographic(character: str) -> bool:
    """Han, kana and their punctuation; Hangul has spaces between its words."""
    return unicodedata.east_asian_width(character) in "WF" and not "\uac00" <= character <= "\ud7a3"


def _by_direction(text: str) -> Iterator[str]:
    """Pieces of one direction, those from right to left joined and turned; spaces belong to what is before them."""
    pieces: list[tuple[bool, str]] = []
    for character in text:
        backwards = arabic.is_right_to_left(character) or bool(character == " " and pieces and pieces[-1][0])
        if pieces and pieces[-1][0] == backwards:
            pieces[-1] = (backwards, pieces[-1][1] + character)
        else:
            pieces.append((backwards, character))
    for backwards, piece in pieces:
        yield arabic.visual(piece) if backwards else piece


def _by_font(text: str, font: str) -> Iterator[Run]:
    chosen = [(_font_for(character, font), character) for character in text]
    for name, characters in groupby(chosen, key=lambda pair: pair[0]):
        drawn = "".join(character for _, character in characters)
        yield (name, drawn) if name else (font, "".join(map(_by_number, drawn)))


def _by_number(character: str) -> str:
    """What is shown of a character that no font has, rare ones in names beyond the BMP: its number in Unicode."""
    return f"[U+{ord(character):04X}]"


def _font_for(character: str, font: str) -> str:
    """The first font that has the character; "" where none has."""
    code = ord(character)
    return next((name for name in (font, *_OTHERS) if code in _loaded(name).face.charToGlyph), "")


@cache
def _loaded(name: str) -> TTFont:
    """A font, read and made known to reportlab once in a process, when it is first needed."""
    font = TTFont(name, str(_FOLDER / f"{name}.ttf"))
    pdfmetrics.registerFont(font)
    return font
