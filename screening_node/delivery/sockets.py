"""pynetdicom's sockets, closed for certain.

pynetdicom 3.0.4 shuts a socket down and closes it in one ``try``: where the peer is gone already the first fails and
the second never happens. A node that calls an absent PACS for days must not leave that to the garbage collector.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any, cast

from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.transport import (
    AddressInformation,
    AssociationSocket,
    RequestHandler,
    ThreadedAssociationServer,
)


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


class ClosingRequestHandler(RequestHandler):
    """Accepted associations close their sockets."""

    def _create_association(self) -> Association:
        association = super()._create_association()
        cast(Any, association.dul.socket).__class__ = ClosingSocket  # pynetdicom has no place to say it
        return association


def listen(
    entity: AE, address: tuple[str, int], handlers: list[evt.EventHandlerType], *, name: str
) -> ThreadedAssociationServer:
    """Serve on a thread, like ``AE.start_server``; end it with ``shutdown()``. Raises OSError."""
    server = entity.make_server(
        address,
        evt_handlers=handlers,
        server_class=ThreadedAssociationServer,
        request_handler=ClosingRequestHandler,
    )
    assert isinstance(server, ThreadedAssociationServer)
    entity._servers.append(server)  # where shutdown() looks for it
    threading.Thread(target=server.serve_forever, args=(0.1,), name=name, daemon=True).start()
    return server
