"""Senders that stop, say nothing, or come in too great a number."""

import os
import socket
import struct
import subprocess
import threading
from pathlib import Path

from factory import DX_PRESENTATION, make_dx, save
from integration import peers
from integration.modality import (
    Modality,
    command_bytes,
    data_set_of,
    ended,
    modality,
    p_data,
    raw_association,
    receive_pdu,
)
from integration.nodes import IntakeRunner, RunningIntake, assert_serves

from screening_node.delivery.sockets import ClosingEntity


def test_a_sender_that_aborts_half_way(intake: RunningIntake) -> None:
    with modality(intake.port) as sender:
        _send_half(sender)
        peers.wait_until(lambda: len(intake.spooled()) == 1)
        sender.association.abort()
    peers.wait_until(lambda: intake.spooled() == [])
    assert intake.kept() == {}


def test_a_sender_that_vanishes_half_way(intake: RunningIntake) -> None:
    peer = raw_association(intake.port)
    peer.sendall(p_data(command_bytes(), 0x03) + p_data(b"\x08\x00" * 8000, 0x00))
    peers.wait_until(lambda: len(intake.spooled()) == 1)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close with a reset
    peer.close()
    peers.wait_until(lambda: intake.spooled() == [])


def test_a_sender_that_stalls_half_way(intake: RunningIntake) -> None:
    with raw_association(intake.port) as peer:
        peer.sendall(p_data(command_bytes(), 0x03) + p_data(b"\x08\x00" * 8000, 0x00))
        peers.wait_until(lambda: len(intake.spooled()) == 1)
        assert ended(peer)
    peers.wait_until(lambda: intake.spooled() == [])


def test_a_sender_that_stalls_within_a_pdu(intake: RunningIntake) -> None:
    with raw_association(intake.port) as peer:
        peer.sendall((p_data(command_bytes(), 0x03) + p_data(b"\x08\x00" * 8000, 0x00))[:-100])
        assert ended(peer)
    peers.wait_until(lambda: intake.spooled() == [])


def test_a_sender_that_is_killed(intake: RunningIntake, tmp_path: Path) -> None:
    film = save(make_dx(rows=4000, columns=4000), tmp_path / "film.dcm")
    program = peers.require("storescu", "dcmtk")
    sender = subprocess.Popen([program, "--repeat", "1000", "127.0.0.1", str(intake.port), str(film)])
    peers.wait_until(lambda: intake.spooled())
    sender.kill()
    sender.wait()
    peers.wait_until(lambda: intake.spooled() == [])


def test_a_connection_that_says_nothing_is_closed(intake: RunningIntake) -> None:
    with socket.create_connection(("127.0.0.1", intake.port), timeout=10) as silent:
        assert_serves(intake)
        assert ended(silent)


def test_an_association_that_says_nothing_is_aborted(intake: RunningIntake) -> None:
    with raw_association(intake.port) as silent:
        assert_serves(intake)
        assert receive_pdu(silent)[0] == 0x07  # A-ABORT


def test_health_checks_leave_nothing_behind(intake: RunningIntake) -> None:
    threads, descriptors = threading.active_count(), _descriptors()
    for _ in range(100):
        socket.create_connection(("127.0.0.1", intake.port), timeout=10).close()
    peers.wait_until(lambda: threading.active_count() <= threads)
    peers.wait_until(lambda: _descriptors() <= descriptors)


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def _send_half(sender: Modality) -> None:
    film = make_dx(rows=512, columns=512)
    sender.request(data_set_of(film), film.SOPInstanceUID, DX_PRESENTATION, DX_PRESENTATION, keep=10)


def test_more_associations_than_allowed(run_an_intake: IntakeRunner) -> None:
    with run_an_intake(max_associations=2) as node:
        with modality(node.port), modality(node.port):
            entity = ClosingEntity()
            entity.add_requested_context(DX_PRESENTATION)
            third = entity.associate("127.0.0.1", node.port)
            assert third.is_rejected
            answer = third.acceptor.primitive
            assert answer is not None
            assert (answer.result, answer.result_source, answer.diagnostic) == (2, 3, 2)  # transient, local limit
        peers.wait_until(lambda: _accepts(node))
        assert_serves(node)


def _accepts(node: RunningIntake) -> bool:
    return peers.echoscu(node.port).returncode == 0
