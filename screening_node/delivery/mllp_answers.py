"""What a receiver's acknowledgement means: delivered, worth another try, or no. Pure, and in words.

Sources: HL7 v2.5.1 chapter 2, sections 2.9 (acknowledgment), 2.15.8 (MSA), 2.15.5 (ERR); tables 0008 and 0357.
Read by hand and not with a library: an acknowledgement may name any version of HL7, even one that does not exist,
and still say clearly that the message was taken.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from screening_node.delivery.remarks import harmless
from screening_node.errors import DestinationRefused, DestinationUnavailable, ScreeningNodeError

_TAKEN: Final = ("AA", "CA")
_REFUSED: Final = {"AE": "an error", "CE": "an error", "AR": "a rejection", "CR": "a rejection"}
#: Table 0357, message error condition codes.
_CONDITIONS: Final = {
    "100": "segment sequence error",
    "101": "required field missing",
    "102": "data type error",
    "103": "table value not found",
    "200": "unsupported message type",
    "201": "unsupported event code",
    "202": "unsupported processing ID",
    "203": "unsupported version ID",
    "204": "unknown key identifier",
    "205": "duplicate key identifier",
    "206": "application record locked",
    "207": "application internal error",
}
#: The receiver failed rather than refused: another day it may take the same message.
_WORTH_ANOTHER_TRY: Final = ("206", "207")
_LOCATION: Final = re.compile(r"[A-Z][A-Z0-9]{2}(\^\d{1,3}){0,5}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """One error that an acknowledgement names: its code of table 0357, and where in our message."""

    code: str
    location: str = ""

    def __str__(self) -> str:
        where = f" at {self.location.replace('^', '-', 1).replace('^', '.')}" if self.location else ""
        return f"{_CONDITIONS.get(self.code, 'error')} ({self.code}){where}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Acknowledgement:
    """MSA and ERR of an answer. ``texts`` are the receiver's own words, which may name a patient: never shown raw."""

    code: str
    control_id: str
    conditions: tuple[Condition, ...] = ()
    texts: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Acknowledgement({self.code})"  # a repr ends in logs


def read(frame: bytes) -> Acknowledgement | None:
    """The acknowledgement in a frame's content; None where it is none."""
    segments = [line for line in re.split(r"[\r\n]+", frame.decode("utf-8", errors="replace")) if line]
    if not segments or len(segments[0]) < 9 or not segments[0].startswith("MSH"):
        return None
    separator, component = segments[0][3], segments[0][4]
    rows = [segment.split(separator) for segment in segments]
    answers = [row for row in rows if row[0] == "MSA" and len(row) > 2]
    if len(answers) != 1:
        return None
    errors = [row for row in rows if row[0] == "ERR"]
    return Acknowledgement(
        code=answers[0][1].strip(),
        control_id=answers[0][2].strip(),
        conditions=tuple(found for row in errors if (found := _condition(row, component)) is not None),
        texts=tuple(filter(None, [_at(answers[0], 3), *(_at(row, place) for row in errors for place in (7, 8))])),
    )


def of_acknowledgement(answer: Acknowledgement, where: str, secrets: Collection[str]) -> str:
    """Nothing, where the receiver has the message; raises DestinationUnavailable or DestinationRefused.

    ``secrets``: see ``remarks.harmless``.
    """
    if answer.code in _TAKEN:
        return ""
    if answer.code not in _REFUSED:
        raise DestinationUnavailable(
            f"{where} answered with an acknowledgement code that HL7 does not know.",
            fix="See its log; the node keeps trying.",
        )
    raise _failure(answer, where, _reason(answer, secrets))


def _failure(answer: Acknowledgement, where: str, reason: str) -> ScreeningNodeError:
    codes = [condition.code for condition in answer.conditions]
    if codes and all(code in _WORTH_ANOTHER_TRY for code in codes):
        return DestinationUnavailable(f"{where} failed with {reason}.", fix="See its log; the node keeps trying.")
    return DestinationRefused(
        f"{where} refused the message with {_REFUSED[answer.code]} ({answer.code}): {reason}.",
        fix="See its log, mend the cause there or in this destination's settings, then retry the delivery.",
    )


def _reason(answer: Acknowledgement, secrets: Collection[str]) -> str:
    said = [str(condition) for condition in answer.conditions]
    texts = (harmless(text, secrets) for text in answer.texts)
    said += [f'"{text}"' for text in dict.fromkeys(filter(None, texts))]
    return "; ".join(said) or "it gave no reason"


def _condition(row: list[str], component: str) -> Condition | None:
    """ERR-3 and ERR-2; of HL7 before 2.5, ERR-1 with both (segment, sequence, field, code)."""
    code, location = _at(row, 3).split(component)[0], _at(row, 2)
    if not code and len(old := _at(row, 1).split(component)) > 3:
        code, location = old[3].split("&")[0], component.join(old[:3])
    location = location.replace(component, "^").strip("^")
    if code not in _CONDITIONS:
        return None
    return Condition(code=code, location=location if _LOCATION.fullmatch(location) else "")


def _at(row: list[str], place: int) -> str:
    return row[place].strip() if len(row) > place else ""
