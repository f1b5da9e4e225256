"""C-STORE as a channel: one association for several objects, the next SOP class where one is refused."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from screening_node.delivery.channel import Unreachable
from screening_node.delivery.destination import Destination, Timeouts
from screening_node.delivery.sender import Connection, StoredObject, inspect
from screening_node.errors import DestinationUnavailable
from screening_node.reporting import fallback
from screening_node.reporting.kinds import Kind
from screening_node.reporting.reporter import Report

logger = logging.getLogger(__name__)


class StoreChannel:
    """See ``Channel``. Its parcels are files with what their meta information says."""

    newest_wins = False

    def __init__(self, destination: Destination, calling_ae: str, timeouts: Timeouts) -> None:
        self._destination = destination
        self._connection = Connection(destination, calling_ae, timeouts)

    @property
    def is_open(self) -> bool:
        """Whether the association stands."""
        return self._connection.is_open

    def load(self, path: Path) -> StoredObject:
        """The file's meta information."""
        return inspect(path)

    def send(self, parcel: StoredObject, coming: Sequence[StoredObject]) -> str:
        """Send over the open association, or a new one where that is gone or was never negotiated for this."""
        if self._connection.serves([parcel]):
            try:
                return self._connection.store(parcel).note
            except DestinationUnavailable as error:  # an idle association that the peer closed meanwhile
                logger.info("A new association with %s is needed: %s", self._destination.name, error.message)
        try:
            self._connection.open_for(coming)
        except DestinationUnavailable as error:
            raise Unreachable(error.message, fix=error.fix) from error
        return self._connection.store(parcel).note

    def instead(self, parcel: StoredObject, kind: str) -> Report | None:
        """A Structured Report in the next SOP class."""
        return fallback.in_next_class(parcel.path) if kind == Kind.SR else None

    def close(self) -> None:
        """Release the association."""
        self._connection.close()

    def hang_up(self) -> None:
        """Close the socket."""
        self._connection.hang_up()
