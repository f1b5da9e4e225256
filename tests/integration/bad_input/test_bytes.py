"""Bytes that are no DICOM, data sets that are cut, and objects that are too large."""

import socket
import struct

import pytest
from factory import make_dx
from integration.modality import command_bytes, data_set_of, ended, modality, p_data, raw_association
from integration.nodes import IntakeRunner, RunningIntake, assert_clean
from pydicom.uid import DeflatedExplicitVRLittleEndian, generate_uid

from screening_node.intake.statuses import IntakeStatus as Status


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: node\r\n\r\n",
        b"\x00" * 100,
        b"\xff" * 5000,
        struct.pack(">BBL", 0x01, 0, 0xFFFFFFFF),
        struct.pack(">BBL", 0x01, 0, 200) + b"\x00" * 200,
        struct.pack(">BBL", 0x04, 0, 10) + b"\x00" * 10,
    ],
    ids=["http", "zeros", "ones", "endless", "empty request", "data first"],
)
def test_wrong_magic_on_the_wire(intake: RunningIntake, data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", intake.port), timeout=10) as peer:
        peer.sendall(data)
        assert ended(peer)


@pytest.mark.parametrize(
    "pdus",
    [
        p_data(b"\x13\x37" * 50, 0x03),
        p_data(b"\x00" * 2000, 0x00),
        p_data(command_bytes(), 0x03) + p_data(command_bytes(), 0x03),
        p_data(command_bytes(), 0x03, context=7) + p_data(b"\x00" * 10, 0x02, context=7),
        p_data(b"\x01" * 16000, 0x01) * 6,
        struct.pack(">BBL", 0x04, 0, 0x7FFFFFFF) + b"\x00" * 1000,
        p_data(command_bytes(), 0x03) + struct.pack(">BBLLBB", 0x04, 0, 6, 100, 1, 0),
    ],
    ids=["garbage", "data first", "two commands", "unknown context", "endless command", "endless", "lying length"],
)
def test_broken_messages(intake: RunningIntake, pdus: bytes) -> None:
    with raw_association(intake.port) as peer:
        peer.sendall(pdus)
        assert ended(peer)
    assert intake.kept() == {}


def test_a_data_set_that_is_garbage(intake: RunningIntake) -> None:
    with modality(intake.port) as sender:
        for garbage in (b"\x13\x37" * 5000, b"DICM" * 100, b"\x00" * 64, b"\x89PNG\r\n\x1a\n" + b"\x00" * 5000):
            assert sender.store(garbage, sop_instance_uid=generate_uid()) == Status.CANNOT_UNDERSTAND
    assert intake.kept() == {}


def test_an_empty_data_set(intake: RunningIntake) -> None:
    with modality(intake.port) as sender:
        assert sender.store(b"", sop_instance_uid="1.2.3") == Status.CANNOT_UNDERSTAND
        assert sender.store(None, sop_instance_uid="1.2.3") == Status.CANNOT_UNDERSTAND
    assert intake.kept() == {}
    assert intake.audited() == [("intake.refused", "CANNOT_UNDERSTAND")] * 2


@pytest.mark.parametrize("length", [4, 9, 60, 333, 601])
def test_a_data_set_cut_in_its_header(intake: RunningIntake, length: int) -> None:
    film = make_dx()
    data = data_set_of(film)
    assert b"\xe0\x7f\x10\x00" not in data[:length]
    with modality(intake.port) as sender:
        assert sender.store(data[:length], sop_instance_uid=film.SOPInstanceUID) == Status.CANNOT_UNDERSTAND
    assert intake.kept() == {}


def test_a_data_set_cut_in_its_pixels_is_kept_for_the_pathway_to_refuse(intake: RunningIntake) -> None:
    film = make_dx()
    cut = data_set_of(film)[:-2000]
    with modality(intake.port) as sender:
        assert sender.store(cut, sop_instance_uid=film.SOPInstanceUID) == Status.SUCCESS
    assert intake.kept()[film.SOPInstanceUID].endswith(cut)


def test_a_deflated_data_set_that_is_none(intake: RunningIntake) -> None:
    with modality(intake.port, syntax=DeflatedExplicitVRLittleEndian) as sender:
        assert sender.store(b"\x13\x37" * 500, sop_instance_uid="1.2.3") == Status.CANNOT_UNDERSTAND


def test_a_deflated_bomb(intake: RunningIntake) -> None:
    film = make_dx(TransferSyntaxUID=DeflatedExplicitVRLittleEndian, ImageComments="A" * 200_000_000)
    data = data_set_of(film)
    assert len(data) < 1_000_000
    with modality(intake.port, syntax=DeflatedExplicitVRLittleEndian) as sender:
        assert sender.store(data, sop_instance_uid=film.SOPInstanceUID) == Status.CANNOT_UNDERSTAND


def test_an_object_that_is_too_large(run_an_intake: IntakeRunner) -> None:
    with run_an_intake(max_object_bytes=20_000) as node:
        with modality(node.port) as sender:
            assert sender.store_dataset(make_dx(rows=512, columns=512)) == Status.OBJECT_TOO_LARGE
            assert node.spooled() == []
            assert sender.store_dataset(make_dx(rows=8, columns=8)) == Status.SUCCESS
        assert node.audited() == [("intake.refused", "OBJECT_TOO_LARGE")]
        assert_clean(node)
