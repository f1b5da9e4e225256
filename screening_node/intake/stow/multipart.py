"""A multipart/related message of Part 10 files (RFC 2387, PS3.18 section 8.6), kept part by part as it comes.

The bytes go from the connection to the spool: no part is ever held.
Used by STOW-RS, and by WADO-RS the other way round.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from screening_node.intake.files import FileDoor, Outcome
from screening_node.intake.part10 import Part10Reception
from screening_node.intake.statuses import IntakeStatus

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

DICOM: Final = "application/dicom"
#: RFC 2046 section 5.1.1 allows 70; Orthanc sends 73.
_LONGEST_BOUNDARY: Final = 200
#: What is remembered of each part is small, but a message has to end.
_MOST_PARTS: Final = 20_000

# Its warnings quote bytes of what was sent.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


class BrokenMessage(Exception):
    """The message is not what its Content-Type says; the text names no content."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Related:
    """What a Content-Type of multipart/related says."""

    boundary: bytes

    @classmethod
    def read(cls, content_type: str) -> Related | None:
        """None where it is another type, or holds something other than Part 10 files. Raises BrokenMessage."""
        kind, parameters = parse_options_header(content_type)
        # the type parameter is required (RFC 2387); where it is left out, the parts say what they are
        root = parameters.get(b"type", DICOM.encode()).lower()
        if kind.lower() != b"multipart/related" or root != DICOM.encode():
            return None
        boundary = parameters.get(b"boundary", b"")
        if not 0 < len(boundary) <= _LONGEST_BOUNDARY or boundary.endswith(b" ") or not boundary.isascii():
            raise BrokenMessage("The boundary is missing, or too long.")
        return cls(boundary=boundary)


class RelatedFiles:
    """Keeps each part of one message through the door, as it ends. Written to by one thread at a time."""

    def __init__(
        self, related: Related, door: FileDoor, begin: Callable[[], Part10Reception], *, study: str | None = None
    ) -> None:
        """``study``: the Study Instance UID that every part has to have, where there is one."""
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._part_begins,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_headers_finished": self._data_begins,
            "on_part_data": self._data,
            "on_part_end": self._part_ends,
            "on_end": self._message_ends,
        }
        self._parser = MultipartParser(related.boundary, callbacks)
        self._door, self._begin, self._study = door, begin, study
        self._lock = threading.Lock()
        self._name, self._value, self._type = bytearray(), bytearray(), ""
        self._current: Part10Reception | None = None
        self._ended = self._closed = False
        self.outcomes: list[Outcome] = []

    def write(self, data: bytes) -> None:
        """Take the next bytes; parts that end are durable and committed on return. Raises BrokenMessage."""
        with self._lock:
            if self._closed or self._ended:  # what follows the last boundary means nothing (RFC 2046 section 5.1.1)
                return
            try:
                self._parser.write(data)
            except FormParserError as error:
                raise BrokenMessage("The message is no multipart message with the boundary that it names.") from error

    def end(self) -> None:
        """No more bytes come. Raises BrokenMessage where the message is cut."""
        if not self._ended:
            raise BrokenMessage("The message ends before its last boundary.")

    def close(self) -> None:
        """What has come of an unfinished part goes; harmless to repeat, and from any thread."""
        with self._lock:
            self._closed = True
            if self._current is not None:
                self._current.spool.discard()
                self._current = None

    def _part_begins(self) -> None:
        if len(self.outcomes) >= _MOST_PARTS:
            raise BrokenMessage(f"The message holds more than {_MOST_PARTS} parts.")
        self._name, self._value, self._type = bytearray(), bytearray(), DICOM

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        if self._value:
            self._header_done()
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_done(self) -> None:
        if bytes(self._name).lower() == b"content-type":
            self._type = parse_options_header(bytes(self._value))[0].decode("latin-1").lower()
        self._name, self._value = bytearray(), bytearray()

    def _data_begins(self) -> None:
        self._header_done()
        self._current = self._begin()
        if self._type != DICOM:
            self._current.refuse(IntakeStatus.CANNOT_UNDERSTAND, "A part is not application/dicom.")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._current is not None:
            self._current.write(memoryview(data)[start:end])

    def _part_ends(self) -> None:
        if self._current is None:
            raise BrokenMessage("A part has no end of its headers.")
        current, self._current = self._current, None
        self.outcomes.append(self._door.keep(current, study_instance_uid=self._study))

    def _message_ends(self) -> None:
        self._ended = True
