"""The listening socket and what stands behind an accepted connection.

pynetdicom's server is taken over with these changes: sockets without Nagle's delay, with a large receive buffer and
with a timeout (a sender that stalls within a PDU would hold its thread for ever); connections closed without a word (a
load balancer's health check) cost no association; supported contexts are shared, not deep-copied (40 ms an
association). pynetdicom negotiates; an association that it has accepted is served on one thread, from the socket to
the spool file, without its state machine's queues, PDU objects and polls; what was spooled goes when it ends.
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
from pynetdicom.dul import DULServiceProvider
from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

from screening_node.intake.door import Door
from screening_node.intake.reception import SpoolingProvider, ae_title_of
from screening_node.intake.wire import ABORT, P_DATA_PDU, RELEASE_REQUEST, BrokenPdu, HungUp, Wire, values

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
    """An acceptor: pynetdicom's until it has accepted, then served on this thread alone, without queues and polls.

    Its unkept spool files are removed when it ends, however it ends.
    """

    def __init__(self, ae: ApplicationEntity, mode: str) -> None:
        super().__init__(ae, mode)
        self.dul = HandingOver(self)
        self.acse_timeout, self.network_timeout = ae.acse_timeout, ae.network_timeout  # the timers are in there
        self._wire: Wire | None = None

    def run_reactor(self) -> None:
        """Serve until the association ends."""
        try:
            super().run_reactor()
        finally:
            self._provider.close()

    @property
    def _provider(self) -> SpoolingProvider:
        return cast(SpoolingProvider, self.dimse)

    def _run_reactor(self) -> None:
        """Serve an accepted association; called by ``run_reactor``."""
        self.dul.join()
        peer = None if self.dul.socket is None else self.dul.socket.socket
        if peer is None or self._kill:
            return
        self._wire = Wire(peer, self.acceptor.maximum_length or _LONGEST_OTHER_PDU)
        self._provider.use(self._wire)
        try:
            self._serve(self._wire)
        finally:
            self._wire.close()
            self.is_established = False

    def _serve(self, wire: Wire) -> None:
        try:
            self.is_released = self._serve_until_release(wire)
            if self.is_released:
                wire.release()
            self.is_aborted = not self.is_released
        except HungUp:
            wire.abort(source=0)
        except TimeoutError:
            logger.warning("An association of %s stalled and is aborted.", ae_title_of(self))
            wire.abort()
        except OSError:
            self.is_aborted = True
        except Exception as error:  # bytes from the network: whatever they break, only this association may end
            logger.warning("An association sent a broken message (%s) and is aborted.", type(error).__name__)
            wire.abort(reason=error.reason if isinstance(error, BrokenPdu) else 0)

    def _serve_until_release(self, wire: Wire) -> bool:
        """True where the peer asked to release, False where it aborted or closed."""
        while (pdu := wire.next_pdu()) is not None:
            kind, body = pdu
            if kind != P_DATA_PDU:
                return self._is_release(kind)
            for context_id, control, fragment in values(body):
                self._provider.receive(context_id, control, fragment)
            self._serve_requests()
        return False

    def _is_release(self, kind: int) -> bool:
        if kind not in (RELEASE_REQUEST, ABORT):
            raise BrokenPdu("a PDU that may not come in an association", reason=2)
        return kind == RELEASE_REQUEST

    def _serve_requests(self) -> None:
        while not self.dimse.msg_queue.empty():
            context_id, request = self.dimse.get_msg()
            if request is not None and context_id is not None:
                self._serve_request(request, context_id)

    def _abort_blocking(self, block: bool = True) -> None:
        """End the association with A-ABORT; from any thread. What ``abort`` does, in a handler and out of one."""
        if self._wire is None:
            super()._abort_blocking(block)
        else:
            self.is_aborted = True
            self._wire.hang_up()


class HandingOver(DULServiceProvider):
    """pynetdicom's state machine of an association until that is accepted (PS3.8 state Sta6); reads nothing then."""

    def _is_transport_event(self) -> bool:
        if self.state_machine.current_state == "Sta6":
            self.kill_dul()
            return False
        return super()._is_transport_event()


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
        *,
        share_port: bool = False,
    ) -> None:
        """``share_port``: other processes of this user listen there, too; the kernel deals out the connections."""
        self.new_provider = new_provider
        self._share_port = share_port
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
        listening = cast(socket.socket, self.socket)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        if self._share_port:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """Accept a connection and switch off Nagle's algorithm."""
        peer, address = super().get_request()
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return peer, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """One connection failed before it became an association; the others go on."""
        logger.warning("A connection from %s failed before it became an association.", client_address[0])
