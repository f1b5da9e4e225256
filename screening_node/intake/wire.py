"""PDUs of an association that stands (PS3.8 section 9.3), read into one buffer and handed on without a copy."""

from __future__ import annotations

import contextlib
import math
import socket
import struct
import time
from collections.abc import Iterator

from pynetdicom.pdu import P_DATA_TF
from pynetdicom.pdu_primitives import P_DATA

P_DATA_PDU, RELEASE_REQUEST, ABORT = 0x04, 0x05, 0x07
_PDU_HEAD = struct.Struct(">BxL")
_VALUE_HEAD = struct.Struct(">LBB")
#: How much of the next PDU is read with the end of this one: its head, and that of its first value.
_LOOK_AHEAD = _PDU_HEAD.size + _VALUE_HEAD.size
#: Ends of an association and what is not worth reading, while the peer reads our last PDU.
_LINGER_SECONDS = 0.5
_RELEASE_RESPONSE = bytes.fromhex("06 00 00000004 00000000")


class BrokenPdu(Exception):
    """Bytes that are no PDU, or none that may come now. ``reason`` is that of A-ABORT (PS3.8 section 9.3.8)."""

    def __init__(self, text: str, reason: int = 0) -> None:
        super().__init__(text)
        self.reason = reason


class HungUp(Exception):
    """The node itself ends the association."""


class Wire:
    """A connection over which an association was accepted. Read by one thread; ``hang_up`` may come from another."""

    def __init__(self, peer: socket.socket, max_pdu: int) -> None:
        self._peer = peer
        self._longest = max_pdu
        self._buffer = bytearray(_PDU_HEAD.size + max_pdu + _LOOK_AHEAD)
        self._view = memoryview(self._buffer)
        self._have = 0
        self._used = 0
        self._hung_up = False

    def next_pdu(self) -> tuple[int, memoryview] | None:
        """Type and body of the next PDU; None where the peer has closed.

            The body lies in the wire's one buffer: it is gone with the next call. Raises BrokenPdu, or OSError
        XX"""
        self._drop_used()
        if not self._fill(_PDU_HEAD.size):
            return None
        kind, length = _PDU_HEAD.unpack_from(self._buffer)
        if not 0x01 <= kind <= 0x07:
            raise BrokenPdu("an unknown PDU", reason=1)
        if length > self._longest:
            raise BrokenPdu("a PDU longer than negotiated", reason=6)
        end = _PDU_HEAD.size + length
        if not self._fill(end):
            return None
        self._used = end
        return kind, self._view[_PDU_HEAD.size : end]

    def send(self, data: bytes) -> None:
        """Send bytes. Raises OSError."""
        self._peer.sendall(data)

    def send_values(self, primitive: P_DATA) -> None:
        """Send one P-DATA primitive of pynetdicom. Raises OSError."""
        pdu = P_DATA_TF()
        pdu.from_primitive(primitive)
        self.send(pdu.encode())

    def release(self) -> None:
        """Answer the peer's request to release, and close."""
        self._say_last(_RELEASE_RESPONSE)

    def abort(self, *, source: int = 2, reason: int = 0) -> None:
        """Send A-ABORT (source 0: service user, 2: service provider), and close."""
        self._say_last(struct.pack(">BxLxxBB", ABORT, 4, source, reason))

    def hang_up(self) -> None:
        """End the association from another thread: the reading one hears of it as HungUp."""
        self._hung_up = True
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._peer, socket.SHUT_RD)  # not a TLS socket's own: its reader is at work

    def close(self) -> None:
        """Close the connection; harmless to repeat."""
        self._peer.close()

    def _say_last(self, data: bytes) -> None:
        """Send and close; what still comes is read for a moment, or a reset could overtake our last word."""
        until = time.monotonic() + _LINGER_SECONDS
        try:
            self._peer.settimeout(_LINGER_SECONDS)
            self._peer.sendall(data)
            self._peer.shutdown(socket.SHUT_WR)
            while time.monotonic() < until and self._peer.recv_into(self._view):
                pass
        except OSError:
            pass
        finally:
            self.close()

    def _drop_used(self) -> None:
        """Move the few bytes that were read ahead to the front."""
        rest = self._have - self._used
        if self._used:
            self._buffer[:rest] = self._buffer[self._used : self._have]
        self._have, self._used = rest, 0

    def _fill(self, wanted: int) -> bool:
        """Have ``wanted`` bytes from the front of the buffer on, and up to the look-ahead more; False at the end."""
        limit = wanted + _LOOK_AHEAD if wanted > _PDU_HEAD.size else _LOOK_AHEAD
        patience = self._peer.gettimeout() or math.inf
        began = time.monotonic()
        while self._have < wanted:
            count = self._peer.recv_into(self._view[self._have : limit])
            if count == 0:
                if self._hung_up:
                    raise HungUp
                return False
            self._have += count
            if self._have < wanted and time.monotonic() - began > patience:
                raise TimeoutError("a sender too slow")
        return True


def values(body: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Context ID, message control header and fragment of each presentation data value (PS3.8 section 9.3.5.1)."""
    at = 0
    while at < len(body):
        if len(body) - at < _VALUE_HEAD.size:
            raise BrokenPdu("a cut presentation data value", reason=6)
        length, context_id, control = _VALUE_HEAD.unpack_from(body, at)
        start, at = at + _VALUE_HEAD.size, at + 4 + length
        if length < 2 or at > len(body):
            raise BrokenPdu("a presentation data value that lies about its length", reason=6)
        yield context_id, control, body[start:at]
