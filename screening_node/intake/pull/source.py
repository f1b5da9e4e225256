"""What the puller asks of an archive, whatever it speaks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from screening_node.intake.files import Outcome
from screening_node.store.records import Recorded

#: Films of one day, and of one study: an archive that names more has gone mad.
MOST_MATCHES: Final = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Film:
    """One instance that an archive has."""

    study: str
    series: str
    instance: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Which series are fetched. Without ``body_parts`` all; a series that names none is always."""

    modalities: tuple[str, ...] = ("CR", "DX")
    body_parts: tuple[str, ...] = ()

    def study(self, modalities: tuple[str, ...]) -> bool:
        """By Modalities in Study, where the archive says them."""
        return not modalities or not set(modalities).isdisjoint(self.modalities)

    def series(self, modality: str, body_part: str) -> bool:
        """By Modality and Body Part Examined."""
        by_part = not self.body_parts or not body_part or body_part.upper() in self.body_parts
        return modality in self.modalities and by_part


class Fetched(StrEnum):
    """What became of one film."""

    TAKEN = "taken"
    THERE = "there"
    REFUSED = "refused"  # by the node: another try would end the same way
    FAILED = "failed"  # not given by the archive, or no room for it here


@dataclass(frozen=True, kw_only=True, slots=True)
class Gotten:
    """What became of one film, and why; ``reason`` names nobody."""

    fetched: Fetched
    reason: str = ""


def of_outcome(outcome: Outcome) -> Gotten:
    """What the intake's door said."""
    if outcome.refused is not None:
        return Gotten(fetched=Fetched.REFUSED, reason=outcome.refused.reason)
    return Gotten(fetched=Fetched.THERE if outcome.recorded is Recorded.DUPLICATE else Fetched.TAKEN)


class Source(Protocol):
    """An archive. Its methods raise SourceUnavailable (try again later) or SourceRefused."""

    def films(self, day: dt.date) -> Iterator[Film]:
        """The wanted films of studies of that day."""

    def fetch(self, film: Film) -> Gotten:
        """Have one film brought into the node; on return it is committed there, or is not coming."""

    def check(self) -> str:
        """What shows that the archive answers, in words."""

    def close(self) -> None:
        """End what is open; harmless to repeat."""
