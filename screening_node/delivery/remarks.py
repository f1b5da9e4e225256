"""What a receiver of messages says, without what it may say of a patient.

HL7 and FHIR servers like to quote: "Patient Doe^Jane not found", "MRN 4711 belongs to ...". Their words end in the
outbox, in logs and on the admin's page, so only those are kept that can name nobody: words in small letters, a few
that such errors begin with, and places in a message such as PID-3.4 or Bundle.entry[2]. And never a word that the
message itself says of the patient.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

_LEFT_OUT: Final = "…"
_LONGEST: Final = 200
_SMALL: Final = re.compile(r"[a-z]{1,24}")
_PLACE: Final = re.compile(
    r"(?:MSH|PID|PV1|ORC|OBR|OBX|NTE|MSA|ERR)(?:[-.]\d{1,2}){0,3}"
    r"|(?:Bundle|Patient|Observation|DiagnosticReport|Device)(?:\.[A-Za-z]{1,30}(?:\[\d{1,3}\])?){1,6}"
)
#: Words that begin with a capital letter, or are written in them, in the errors of integration engines and servers.
_OPENINGS: Final = """
    a access accession ack an application authentication authorization bad bundle cannot code conflict could data
    database device diagnosticreport duplicate entry error event exception failed failure field fhir forbidden found
    hl7 id identifier internal invalid is issuer length message missing mrn multiple no not number observation of
    operation order patient permission profile received record rejected request required resource result segment
    server service status study system the this timeout token type unable unauthorized unexpected unknown
    unprocessable unsupported validation value version
"""
_KNOWN: Final = frozenset(_OPENINGS.split())
_BORDERS: Final = ".,:;!?'\"()<>{}"


def harmless(text: str, secrets: Collection[str]) -> str:
    """The words of ``text`` that name nobody, the others as "…"; at most 200 characters.

    ``secrets`` are words that the message says of the patient, in small letters.
    """
    kept: list[str] = []
    for word in _words(text):
        shown = word if _is_harmless(word, secrets) else _LEFT_OUT
        if not (kept and shown == kept[-1] == _LEFT_OUT):
            kept.append(shown)
    said = " ".join(kept)
    return "" if said == _LEFT_OUT else said[:_LONGEST]


def words_of(text: str) -> frozenset[str]:
    """The words in what a message says of a patient, as ``harmless`` wants them."""
    return frozenset(word for word in re.split(r"[\W_]+", text.casefold()) if len(word) > 1)


def _words(text: str) -> Iterator[str]:
    return (word for part in text[:4000].split() if (word := part.strip(_BORDERS)))


def _is_harmless(word: str, secrets: Collection[str]) -> bool:
    if word.casefold() in secrets:
        return False
    return bool(_SMALL.fullmatch(word) or _PLACE.fullmatch(word)) or word.casefold() in _KNOWN
