"""The listening socket and what stands behind an accepted connection.

pynetdicom's server is taken over with five changes: sockets without Nagle's delay, with a large receive buffer and
with a timeout (a sender that stalls within a PDU would hold its thread for ever); one ``recv_into`` a PDU instead of
4096-byte reads; connections closed without a word (a load balancer's health check) cost no association; supported
contexts are shared, not deep-copied (40 ms an association); and what an association spooled goes when it ends.
"""

from __future__ import annotations

import copy
import logging
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from socketserver import BaseServer
from typing import TYPE_CHECKING, Any, cast

from pynetdicom import evt
from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.association import Association
from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

from screening_node.intake.door import Door
from screening_node.intake.reception import SpoolingProvider

if TYPE_CHECKING:
    from pynetdicom.ae import ApplicationEntity
    from pynetdicom.presentation import PresentationContext

logger = logging.getLogger(__name__)

_RECEIVE_BUFFER = 1048576
#: An A-ASSOCIATE-RQ with 128 contexts stays far below; a longer PDU than this and the negotiated one is hostile.
_LONGEST_OTHER_PDU = 1048576

ProviderFactory = Callable[[Association], SpoolingProvider]


class IntakeSocket(AssociationSocket):
    """Reads a PDU's bytes into one buffer, and is closed for certain."""

    def recv(self, nr_bytes: int) -> bytearray:
        """Read ``nr_bytes``, or fewer where the peer closed. Raises OSError on timeout or an absurd length."""
        if nr_bytes > max(_LONGEST_OTHER_PDU, self.assoc.acceptor.maximum_length or 0) + 6:
            raise OSError("a PDU longer than negotiated")
        peer = cast(socket.socket, self.socket)
        buffer = bytearray(nr_bytes)
        view = memoryview(buffer)
        received = 0
        while received < nr_bytes:
            count = peer.recv_into(view[received:])
            if count == 0:
                break
            received += count
        view.release()
        del buffer[received:]
        return buffer

    def _shutdown_socket(self) -> None:
        """Close for certain: pynetdicom does not where the peer is gone already and shutting down fails."""
        super()._shutdown_socket()
        if self.socket is not None:
            self.socket.close()


class IntakeAssociation(Association):
    """An acceptor whose unkept spool files are removed when it ends, however it ends."""

    def run_reactor(self) -> None:
        """Serve until the association ends."""
        try:
            super().run_reactor()
        finally:
            cast(SpoolingProvider, self.dimse).close()


class IntakeRequestHandler(RequestHandler):
    """Turns an accepted connection into an association, unless the peer hangs up without a word."""

    server: IntakeListener

    def handle(self) -> None:
        """Wait for the first byte, then start the association."""
        peer = cast(socket.socket, self.request)
        peer.settimeout(self.ae.acse_timeout)
        first = b""
        try:
            first = peer.recv(1, socket.MSG_PEEK)
        except OSError:
            logger.info("A connection from %s said nothing in time and was closed.", self.client_address[0])
        if not first:
            peer.close()
            return
        secured = self.server.door.let_in(peer, first, str(self.client_address[0]))
        if secured is None:
            return
        self.request = secured
        secured.settimeout(self.ae.network_timeout)
        super().handle()

    def _create_association(self) -> Association:
        assoc = IntakeAssociation(self.ae, MODE_ACCEPTOR)
        assoc._server = self.server
        assoc.name = f"AcceptorThread@{datetime.now(UTC):%Y%m%d%H%M%S}"  # pynetdicom counts associations by it
        assoc.dimse = self.server.new_provider(assoc)
        assoc.set_socket(IntakeSocket(assoc, client_socket=cast(socket.socket, self.request)))
        acceptor = assoc.acceptor
        acceptor.maximum_length = self.ae.maximum_pdu_size
        acceptor.ae_title = self.server.ae_title
        acceptor.address_info = self.local
        acceptor.implementation_class_uid = self.ae.implementation_class_uid
        acceptor.implementation_version_name = self.ae.implementation_version_name
        acceptor.supported_contexts = [copy.copy(context) for context in self.server.contexts]
        assoc.requestor.address_info = self.remote
        self._bind_handlers(assoc)
        return assoc

    def _bind_handlers(self, assoc: Association) -> None:
        for event, bound in self.server._handlers.items():
            if isinstance(event, evt.NotificationEvent):
                for handler, args in cast(list[Any], bound):
                    assoc.bind(event, handler, args)
            elif bound:
                assoc.bind(event, *cast(tuple[Any, Any], bound))


class IntakeListener(ThreadedAssociationServer):
    """Listens on one address. ``new_provider`` makes each association's DIMSE provider; ``door`` lets its peer in."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        ae: ApplicationEntity,
        address: tuple[str, int],
        contexts: list[PresentationContext],
        handlers: list[evt.EventHandlerType],
        new_provider: ProviderFactory,
        door: Door,
    ) -> None:
        self.new_provider = new_provider
        self.door = door
        super().__init__(
            ae, address, ae.ae_title, contexts, evt_handlers=handlers, request_handler=IntakeRequestHandler
        )

    def stop_listening(self) -> None:
        """Close the listening socket; running associations go on."""
        BaseServer.shutdown(self)
        self.server_close()

    def service_actions(self) -> None:
        """Nothing: pynetdicom collects garbage here to close forgotten sockets; ours are closed when they end."""

    def server_bind(self) -> None:
        """Bind with a large receive buffer, which accepted sockets inherit."""
        cast(socket.socket, self.socket).setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        super().server_bind()

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """Accept a connection and switch off Nagle's algorithm."""
        peer, address = super().get_request()
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return peer, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """One connection failed before it became an association; the others go on."""
        logger.warning("A connection from %s failed before it became an association.", client_address[0])
