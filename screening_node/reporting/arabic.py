"""Arabic letters as they join, for renderers that place one glyph after another.

Uses Unicode's presentation forms B (the code points of a letter's isolated, final, initial and medial shape), whose
compatibility decompositions say which letter each is a form of (Unicode Standard, chapter 9.2).
"""

from __future__ import annotations

import unicodedata
from functools import cache

_FORMS_B = range(0xFE70, 0xFEFD)
_LAM = "ل"


def is_right_to_left(character: str) -> bool:
    """Whether a character is written from right to left."""
    return unicodedata.bidirectional(character) in ("R", "AL")


def visual(text: str) -> str:
    """A run of right-to-left text as its glyphs stand from left to right."""
    return "".join(reversed(joined(text)))


def joined(text: str) -> str:
    """Every letter in the form that its neighbours ask for; lam and alef become one."""
    letters = _ligated([character for character in text if not unicodedata.combining(character)])
    shaped = []
    for place, letter in enumerate(letters):
        before = letters[place - 1] if place else ""
        after = letters[place + 1] if place + 1 < len(letters) else ""
        from_right = _reaches_on(before) and _can(letter, "final")
        to_left = _reaches_on(letter) and _can(after, "final")
        form = {(True, True): "medial", (True, False): "final", (False, True): "initial"}.get((from_right, to_left))
        shaped.append(_forms().get((letter, form or "isolated"), _plain(letter)))
    return "".join(shaped)


def _ligated(characters: list[str]) -> list[str]:
    letters: list[str] = []
    for character in characters:
        if letters and letters[-1] == _LAM and (_LAM + character, "isolated") in _forms():
            letters[-1] += character
        else:
            letters.append(character)
    return letters


def _reaches_on(letter: str) -> bool:
    """Whether a letter joins the one after it."""
    return _can(letter, "initial")


def _can(letter: str, form: str) -> bool:
    return (letter, form) in _forms()


def _plain(letter: str) -> str:
    """What has no forms stands as it is."""
    return letter[::-1]


@cache
def _forms() -> dict[tuple[str, str], str]:
    """(letter or lam-alef, form) to presentation form."""
    found = {}
    for point in _FORMS_B:
        kind, _, letters = unicodedata.decomposition(chr(point)).partition(" ")
        text = "".join(chr(int(code, 16)) for code in letters.split())
        if kind and not text.startswith((" ", "ـ")):
            found[text, kind.strip("<>")] = chr(point)
    return found
