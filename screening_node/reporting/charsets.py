"""From the bytes of a header to text, whatever Specific Character Set says (DICOM PS3.3 section C.12.1.1.2).

pydicom's own decoding is not used: it warns where it replaces, and leaves the escapes of ISO 2022 IR 58 in names.
Its tables are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydicom.charset import CODES_TO_ENCODINGS, default_encoding, python_encoding

_ESCAPE = b"\x1b"
_FRAGMENTS = re.compile(rb"^[^\x1b]+|\x1b[^\x1b]*")
_DELIMITERS = re.compile(rb"[\\^=\r\n\f\t]")  # each ends a code extension (PS3.5 section 6.1.2.5.3)
_READS_ITS_ESCAPES = {"iso2022_jp", "iso2022_jp_2"}
_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def encodings(terms: Sequence[str]) -> tuple[str, ...]:
    """Python's names of the character sets; unknown terms are left out, the default repertoire is the fall-back."""
    known = tuple(python_encoding[term] for term in terms if term in python_encoding)
    return known or (default_encoding,)


def decode(raw: bytes, sets: Sequence[str]) -> tuple[str, bool]:
    """The text, and whether every byte was what the character sets allow.

    Bytes that the declared sets do not allow are read as UTF-8 where they are UTF-8 (which text in another set
    hardly ever is by chance), or as one of the other declared sets; otherwise as the first set, "?" for what it lacks.
    """
    try:
        text = _strict(raw, sets)
    except UnicodeError:
        return _tidy(_fallback(raw, sets)), False
    undeclared = sets[0] == default_encoding and _ESCAPE not in raw and not raw.isascii()
    return _tidy(_fallback(raw, sets) if undeclared else text), not undeclared


def _strict(raw: bytes, sets: Sequence[str]) -> str:
    if _ESCAPE not in raw:
        return raw.decode(sets[0])
    return "".join(_fragment(fragment, sets) for fragment in _FRAGMENTS.findall(raw))


def _fragment(fragment: bytes, sets: Sequence[str]) -> str:
    """One stretch of text up to the next escape sequence."""
    if not fragment.startswith(_ESCAPE):
        return fragment.decode(sets[0])
    length = 4 if fragment[:3] in (b"\x1b$(", b"\x1b$)") else 3
    encoding = CODES_TO_ENCODINGS.get(fragment[:length])
    if encoding is None:
        raise UnicodeError("unknown escape sequence")
    if encoding in _READS_ITS_ESCAPES:
        return fragment.decode(encoding)
    body = fragment[length:]
    end = _DELIMITERS.search(body)
    cut = end.start() if end else len(body)
    return body[:cut].decode(encoding) + body[cut:].decode(sets[0])


def _fallback(raw: bytes, sets: Sequence[str]) -> str:
    for encoding in ("utf-8", *sets[1:]):
        try:
            return raw.decode(encoding)
        except UnicodeError:
            continue
    return raw.decode(sets[0], errors="replace").replace("�", "?")


def _tidy(text: str) -> str:
    """Without control characters (line feeds stay), padding and trailing NULs."""
    return _CONTROLS.sub("", text.replace("\t", " ")).strip(" \n")
