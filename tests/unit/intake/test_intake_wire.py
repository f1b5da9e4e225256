"""PDUs as they come: in pieces of any size, several at once, wrong ones, and none at all."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from screening_node.intake.wire import ABORT, P_DATA_PDU, RELEASE_REQUEST, BrokenPdu, HungUp, Wire, values

MAX_PDU = 4096


def pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxL", kind, len(body)) + body


def value(fragment: bytes, control: int = 0, context: int = 1) -> bytes:
    return struct.pack(">LBB", len(fragment) + 2, context, control) + fragment


@contextmanager
def connected(timeout: float = 5.0) -> Iterator[tuple[Wire, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.settimeout(timeout)
    theirs.settimeout(5.0)
    wire = Wire(ours, MAX_PDU)
    with theirs:
        yield wire, theirs
    wire.close()


def all_pdus(wire: Wire) -> list[tuple[int, bytes]]:
    read = []
    while (each := wire.next_pdu()) is not None:
        read.append((each[0], bytes(each[1])))
    return read


@settings(max_examples=60, deadline=None)
@given(
    bodies=st.lists(st.binary(max_size=MAX_PDU), min_size=1, max_size=6),
    cuts=st.lists(st.integers(1, 3000), max_size=20),
)
def test_pdus_of_any_size_in_pieces_of_any_size(bodies: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(pdu(P_DATA_PDU, body) for body in bodies) + pdu(RELEASE_REQUEST, bytes(4))
    with connected() as (wire, peer):

        def send() -> None:
            rest = stream
            for cut in cuts:
                peer.sendall(rest[:cut])
                rest = rest[cut:]
            peer.sendall(rest)
            peer.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        read = all_pdus(wire)
        sender.join()
    assert read == [(P_DATA_PDU, body) for body in bodies] + [(RELEASE_REQUEST, bytes(4))]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 1),
        (pdu(0x08, b""), 1),
        (struct.pack(">BxL", P_DATA_PDU, MAX_PDU + 1), 6),
        (struct.pack(">BxL", P_DATA_PDU, 0xFFFFFFFF), 6),
    ],
)
def test_what_is_no_pdu(data: bytes, reason: int) -> None:
    with connected() as (wire, peer):
        peer.sendall(data)
        with pytest.raises(BrokenPdu) as caught:
            wire.next_pdu()
    assert caught.value.reason == reason


@pytest.mark.parametrize("part", [1, 5, 6, 100])
def test_a_peer_that_closes_within_a_pdu(part: int) -> None:
    with connected() as (wire, peer):
        peer.sendall(pdu(P_DATA_PDU, value(b"x" * 200))[:part])
        peer.close()
        assert wire.next_pdu() is None


def test_a_silent_peer() -> None:
    with connected(timeout=0.05) as (wire, _), pytest.raises(TimeoutError):
        wire.next_pdu()


def test_a_peer_that_dribbles() -> None:
    with connected(timeout=0.2) as (wire, peer):
        done = threading.Event()

        def dribble() -> None:
            data = iter(pdu(P_DATA_PDU, bytes(MAX_PDU)))
            while not done.wait(0.02):
                peer.send(bytes((next(data),)))

        sender = threading.Thread(target=dribble)
        sender.start()
        with pytest.raises(TimeoutError):
            wire.next_pdu()
        done.set()
        sender.join()


def test_the_node_itself_ends_it() -> None:
    with connected() as (wire, peer):
        threading.Timer(0.05, wire.hang_up).start()
        with pytest.raises(HungUp):
            wire.next_pdu()
        wire.abort(source=0)
        assert peer.recv(100) == pdu(ABORT, bytes(4))
        assert peer.recv(100) == b""


def test_our_last_word_arrives_though_more_was_sent_than_is_read() -> None:
    with connected() as (wire, peer):
        peer.sendall(b"\xff" * 20000)
        with pytest.raises(BrokenPdu) as caught:
            wire.next_pdu()
        wire.abort(reason=caught.value.reason)
        assert peer.recv(100) == pdu(ABORT, b"\0\0\x02\x01")


def test_several_values_in_one_pdu() -> None:
    body = value(b"command", 3, 5) + value(b"", 0) + value(b"odd", 2)
    read = [(context, control, bytes(fragment)) for context, control, fragment in values(memoryview(body))]
    assert read == [(5, 3, b"command"), (1, 0, b""), (1, 2, b"odd")]


@pytest.mark.parametrize(
    "body",
    [b"\0", value(b"abc")[:-1], value(b"abc") + b"\0\0\0", struct.pack(">LBB", 1, 1, 0), struct.pack(">LBB", 0, 1, 0)],
)
def test_values_that_lie_about_their_length(body: bytes) -> None:
    with pytest.raises(BrokenPdu):
        list(values(memoryview(body)))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_values_or_broken(body: bytes) -> None:
    try:
        read = list(values(memoryview(body)))
    except BrokenPdu:
        return
    assert b"".join(value(bytes(fragment), control, context) for context, control, fragment in read) == body
