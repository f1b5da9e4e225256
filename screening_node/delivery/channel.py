"""How one destination is spoken to: what the dispatcher asks of every protocol, and of nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from screening_node.errors import DestinationUnavailable
from screening_node.reporting.reporter import Report

ParcelT = TypeVar("ParcelT")


class Unreachable(DestinationUnavailable):
    """No connection can be had at all: whatever else is owed to the destination would fail the same way."""


class Channel(Protocol[ParcelT]):
    """A connection to one destination that is kept while it is used; a parcel is what its protocol makes of a file.

    Not thread safe, but for ``hang_up``.
    """

    @property
    def is_open(self) -> bool:
        """Whether the connection still stands, as far as is known here."""

    @property
    def newest_wins(self) -> bool:
        """Whether what arrives last replaces what the receiver had of the same film.

        Then an older report must not be sent after a newer one. Objects in PACS stand beside one another.
        """

    def load(self, path: Path) -> ParcelT:
        """Read a kept file. Raises UnreadableObject."""

    def send(self, parcel: ParcelT, coming: Sequence[ParcelT]) -> str:
        """Send one parcel, over the open connection or a new one; what the destination remarked, or "".

        ``coming`` is what is to be sent next, this parcel first. Raises Unreachable where nobody is there,
        SopClassRefused where ``instead`` may help, else DestinationUnavailable, DestinationRefused or
        UnreadableObject.
        """

    def instead(self, parcel: ParcelT, kind: str) -> Report | None:
        """The same report in a form that the destination may take; None where there is no other."""

    def close(self) -> None:
        """End the connection in good order; harmless where there is none."""

    def hang_up(self) -> None:
        """End it at once, from any thread; whoever waits for an answer stops waiting."""
