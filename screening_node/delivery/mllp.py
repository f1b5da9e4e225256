"""HL7 v2 messages over MLLP: stored bytes go out as they are, each waits for its acknowledgement.

Source: HL7 v2.5.1 implementation support guide, appendix C, "Minimal Lower Layer Protocol": <VT> message <FS><CR>.
Neither byte can be part of a message: it is UTF-8 without control characters.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from screening_node.delivery import mllp_answers
from screening_node.delivery.channel import Unreachable
from screening_node.delivery.destination import MllpDestination, Timeouts
from screening_node.delivery.outcomes import of_tls, unavailable
from screening_node.delivery.remarks import words_of
from screening_node.delivery.sockets import connect
from screening_node.errors import DestinationUnavailable, UnreadableObject
from screening_node.reporting.reporter import Report
from screening_node.tls import in_words

logger = logging.getLogger(__name__)

_BEGIN, _END = b"\x0b", b"\x1c\r"
_LONGEST_ANSWER = 1024 * 1024
_CONTROL_ID = 9  # MSH-10, where MSH-1 is the separator itself


@dataclass(frozen=True, kw_only=True, slots=True)
class Letter:
    """A message to send: its bytes, its control ID, and the words that it says of the patient."""

    data: bytes = field(repr=False)
    control_id: str
    secrets: frozenset[str] = field(repr=False)


class _HungUp(Exception):
    """The peer closed the connection before it answered anything."""


class MllpChannel:
    """See ``Channel``. One connection, kept for several messages; one message at a time (HL7's original mode)."""

    newest_wins = True

    def __init__(self, destination: MllpDestination, timeouts: Timeouts) -> None:
        self._destination = destination
        self._timeouts = timeouts
        self._socket: socket.socket | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return self._socket is not None

    def load(self, path: Path) -> Letter:
        """The message in a kept file; UnreadableObject where it is none."""
        try:
            return _letter(path.read_bytes())
        except OSError as error:
            raise UnreadableObject("The file to send cannot be read.", fix="Check the archive's disk.") from error
        except (ValueError, IndexError) as error:
            raise UnreadableObject(
                "The file to send is no HL7 message.", fix="Restore the archive from a backup."
            ) from error

    def send(self, parcel: Letter, coming: Sequence[Letter]) -> str:
        """Send over the open connection, or a new one where the peer closed that meanwhile."""
        if self._socket is not None:
            try:
                return self._exchange(self._socket, parcel)
            except _HungUp:
                logger.info("A new connection with %s is needed.", self._destination.name)
                self.close()
        try:
            return self._exchange(self._open(), parcel)
        except _HungUp as error:
            self.close()
            raise unavailable("hung up instead of acknowledging a message", str(self._destination)) from error

    def instead(self, parcel: Letter, kind: str) -> Report | None:
        """There is no other form of a message."""
        return None

    def close(self) -> None:
        """Close the connection: MLLP has no farewell."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
        self._socket = None

    def hang_up(self) -> None:
        """Shut the socket down; whoever reads from it is told at once."""
        if (held := self._socket) is not None:
            with contextlib.suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)

    def _open(self) -> socket.socket:
        try:
            self._socket = connect(self._destination, self._destination.tls, self._timeouts)
        except DestinationUnavailable as error:
            raise Unreachable(error.message, fix=error.fix) from error
        return self._socket

    def _exchange(self, held: socket.socket, letter: Letter) -> str:
        where = str(self._destination)
        try:
            held.settimeout(self._timeouts.message)
            held.sendall(_BEGIN + letter.data + _END)
            answer = _acknowledgement(held, letter.control_id, self._timeouts.message)
        except TimeoutError as error:
            self.close()  # a late answer must not be taken for that to the next message
            raise unavailable("did not acknowledge a message in time", where) from error
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError) as error:
            raise _HungUp from error
        except OSError as error:  # with TLS 1.3 a certificate of ours may be refused as late as this
            self.close()
            raise of_tls(in_words(error), where) from error
        except ValueError as error:
            self.close()
            raise unavailable("answered with something that is no acknowledgement of the message", where) from error
        return mllp_answers.of_acknowledgement(answer, where, letter.secrets)


def _letter(data: bytes) -> Letter:
    segments = data.decode("utf-8").split("\r")
    if not segments[0].startswith("MSH|"):
        raise ValueError("no MSH")
    patient = next((segment for segment in segments if segment.startswith("PID|")), "")
    return Letter(
        data=data, control_id=segments[0].split("|")[_CONTROL_ID], secrets=words_of(patient.removeprefix("PID|"))
    )


def _acknowledgement(held: socket.socket, control_id: str, seconds: float) -> mllp_answers.Acknowledgement:
    """The first answer that belongs to the message.

    Raises TimeoutError, OSError (_HungUp where nothing came at all), or ValueError where what came is no answer.
    """
    until, buffer, strange = time.monotonic() + seconds, b"", False
    while True:
        frame, found, buffer = _frame(buffer)
        if found:
            answer = mllp_answers.read(frame)
            if answer is not None and answer.control_id == control_id:
                return answer
            strange = True
            continue
        held.settimeout(max(until - time.monotonic(), 0.001))
        try:
            received = held.recv(65536)
        except TimeoutError:
            if strange or buffer:
                raise ValueError("no answer to this message") from None
            raise
        if not received:
            if strange or buffer:
                raise ValueError("no answer to this message")
            raise _HungUp
        buffer += received
        if len(buffer) > _LONGEST_ANSWER or time.monotonic() > until:
            raise ValueError("no answer to this message")


def _frame(buffer: bytes) -> tuple[bytes, bool, bytes]:
    """The first whole frame's content, whether there is one, and what follows it."""
    head, end, rest = buffer.partition(_END)
    if not end:
        return b"", False, buffer
    return head[head.find(_BEGIN) + 1 :], True, rest
