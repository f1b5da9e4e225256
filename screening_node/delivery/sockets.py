"""pynetdicom's sockets, closed for certain.

pynetdicom 3.0.4 shuts a socket down and closes it in one ``try``: where the peer is gone already the first fails and
the second never happens. A node that calls an absent PACS for days must not leave that to the garbage collector.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from typing import Any, cast

from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.transport import (
    AddressInformation,
    AssociationSocket,
    RequestHandler,
    ThreadedAssociationServer,
)

from screening_node.delivery.destination import Destination, FhirDestination, MllpDestination, Timeouts
from screening_node.delivery.outcomes import of_tls, unavailable
from screening_node.errors import DestinationUnavailable, Misconfigured
from screening_node.tls import ClientTls, calling, in_words

#: An alert over our certificate comes at once; a server that likes it waits for our A-ASSOCIATE-RQ.
_ALERT_SECONDS = 1.0
#: What the threads of a server's associations get to end in; a handler may be at work.
_END_SECONDS = 5.0


class ClosingSocket(AssociationSocket):
    """Closes its socket whether or not it can be shut down."""

    def _shutdown_socket(self) -> None:
        super()._shutdown_socket()
        if self.socket is not None:
            with contextlib.suppress(OSError):
                self.socket.close()


class ClosingEntity(AE):
    """An application entity whose outgoing associations close their sockets."""

    def _create_socket(self, assoc: Association, address: AddressInformation, tls_args: Any) -> AssociationSocket:
        sock = ClosingSocket(assoc, address=address)
        sock.tls_args = tls_args
        return sock


def listens(destination: Destination) -> bool:
    """Whether somebody accepts connections there."""
    try:
        socket.create_connection((destination.host, destination.port), 2.0).close()
    except OSError:
        return False
    return True


def connect(destination: MllpDestination | FhirDestination, tls: ClientTls | None, timeouts: Timeouts) -> socket.socket:
    """A TCP connection, with TLS where there is to be some. Raises DestinationUnavailable.

    Certificates are read anew for each: a renewed one needs no restart, a broken one is worth another try.
    """
    where = str(destination)
    try:
        plain = socket.create_connection((destination.host, destination.port), timeouts.connect)
    except socket.gaierror as error:
        raise unavailable("has a host name that cannot be resolved", where) from error
    except OSError as error:
        raise unavailable("cannot be reached", where) from error
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls is None:
        return plain
    try:
        return calling(tls).get().wrap_socket(plain, server_hostname=tls.server_name or destination.host)
    except OSError as error:
        plain.close()
        raise of_tls(in_words(error), where) from error
    except Misconfigured as error:
        plain.close()
        raise DestinationUnavailable(f"{where}: {error.message}", fix=error.fix) from error


def why_no_handshake(
    context: ssl.SSLContext, server_name: str, destination: Destination, timeouts: Timeouts
) -> str | None:
    """Why TLS with a destination fails, in words; None where it does not, or nobody is there.

    A server of TLS 1.3 may refuse our certificate after the handshake as we see it: hence the last read.
    """
    try:
        plain = socket.create_connection((destination.host, destination.port), timeouts.connect)
    except OSError:
        return None
    with plain:
        try:
            with context.wrap_socket(plain, server_hostname=server_name) as secure:
                return _late_refusal(secure)
        except OSError as error:
            return in_words(error)


def _late_refusal(secure: ssl.SSLSocket) -> str | None:
    secure.settimeout(_ALERT_SECONDS)
    try:
        return None if secure.recv(1) else "the peer hung up after the handshake"
    except TimeoutError:
        return None
    except OSError as error:
        return in_words(error)


class ClosingRequestHandler(RequestHandler):
    """Accepted associations close their sockets."""

    def _create_association(self) -> Association:
        association = super()._create_association()
        cast(Any, association.dul.socket).__class__ = ClosingSocket  # pynetdicom has no place to say it
        return association


class ClosingServer(ThreadedAssociationServer):
    """When it is shut down, its associations end with it; pynetdicom's leaves them to their threads."""

    def shutdown(self) -> None:
        """Stop listening, abort what still runs, and wait for its threads, which close their sockets."""
        super().shutdown()
        running = self.active_associations
        for association in running:
            association.abort()
        until = time.monotonic() + _END_SECONDS
        for association in running:
            association.join(max(until - time.monotonic(), 0.0))


def listen(entity: AE, address: tuple[str, int], handlers: list[evt.EventHandlerType], *, name: str) -> ClosingServer:
    """Serve on a thread, like ``AE.start_server``; end it with ``shutdown()``. Raises OSError."""
    server = entity.make_server(
        address,
        evt_handlers=handlers,
        server_class=ClosingServer,
        request_handler=ClosingRequestHandler,
    )
    assert isinstance(server, ClosingServer)
    entity._servers.append(server)  # where shutdown() looks for it
    threading.Thread(target=server.serve_forever, args=(0.1,), name=name, daemon=True).start()
    return server
