"""What a listening port demands of a connection before DICOM begins: TLS, or the lack of it."""

from __future__ import annotations

import socket

from screening_node.intake.callers import Doorkeeper
from screening_node.tls import Renewing, in_words

#: First byte of a TLS handshake record (RFC 8446 section 5.1); of DICOM's PDUs the first is 1 to 7 (PS3.8 9.3.1).
_TLS_HANDSHAKE = b"\x16"


class Door:
    """The way in of one listener. ``context`` is None where it speaks no TLS."""

    def __init__(self, doorkeeper: Doorkeeper, context: Renewing | None) -> None:
        self._doorkeeper = doorkeeper
        self._context = context

    def let_in(self, peer: socket.socket, first: bytes, address: str) -> socket.socket | None:
        """The socket to speak DICOM over; None where the peer is not let in, and is closed.

        ``first`` is the byte that the peer has sent, and that is not yet read. A handshake waits for the peer as long
        as the socket's timeout says, on the connection's own thread.
        """
        reason = self._unfit(first)
        if reason is None and self._context is None:
            return peer
        try:
            if reason is None and self._context is not None:
                return self._context.get().wrap_socket(peer, server_side=True)
        except OSError as error:
            reason = f"TLS: {in_words(error)}"
        peer.close()
        self._doorkeeper.turned_away("", address, reason or "")
        return None

    def _unfit(self, first: bytes) -> str | None:
        if self._context is None:
            return "spoke TLS to a port without TLS" if first == _TLS_HANDSHAKE else None
        return None if first == _TLS_HANDSHAKE else "spoke no TLS to a port with TLS"
