"""Sockets that are closed for certain, with real associations on loopback."""

from __future__ import annotations

import threading

import pytest
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from screening_node.delivery.sockets import ClosingEntity, ClosingServer, listen


def echo_server(handlers: list[evt.EventHandlerType] | None = None) -> ClosingServer:
    entity = AE(ae_title="PACS")
    entity.add_supported_context(Verification)
    return listen(entity, ("127.0.0.1", 0), handlers or [], name="pacs")


def caller() -> ClosingEntity:
    entity = ClosingEntity()
    entity.add_requested_context(Verification)
    entity.acse_timeout = entity.dimse_timeout = 10
    return entity


def test_associations_end_with_their_server() -> None:
    server = echo_server()
    association = caller().associate("127.0.0.1", server.server_address[1])
    (accepted,) = server.active_associations
    taken = accepted.dul.socket
    held = None if taken is None else taken.socket
    server.shutdown()
    assert server.active_associations == []
    assert held is not None
    assert held.fileno() == -1
    association.join(10)
    assert association.is_aborted


def test_a_server_waits_for_the_handler_that_is_at_work() -> None:
    asked, answer = threading.Event(), threading.Event()

    def hold(event: evt.Event) -> int:
        asked.set()
        answer.wait(10)
        return 0

    server = echo_server([(evt.EVT_C_ECHO, hold)])
    association = caller().associate("127.0.0.1", server.server_address[1])
    asking = threading.Thread(target=association.send_c_echo)
    asking.start()
    assert asked.wait(10)
    threading.Timer(0.2, answer.set).start()
    server.shutdown()
    assert server.active_associations == []
    asking.join(10)


@pytest.mark.parametrize("how", ["release", "abort"])
def test_no_socket_is_left_to_the_garbage_collector(how: str) -> None:
    server = echo_server()
    association = caller().associate("127.0.0.1", server.server_address[1])
    (accepted,) = server.active_associations
    sockets = [each.dul.socket.socket for each in (association, accepted) if each.dul.socket is not None]
    getattr(association, how)()
    server.shutdown()
    association.join(10)
    assert [each.fileno() for each in sockets if each is not None] == [-1, -1]
