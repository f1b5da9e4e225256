"""Everything that a sender can get wrong, and everything that can be wrong with the node's own disk and database.

Each test ends by sending a good film: the node must still serve, and must hold nothing but what it acknowledged.
"""

import logging
import os
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from factory import (
    BIRTH_DATE,
    CR,
    DX_PRESENTATION,
    PATIENT_ID,
    PATIENT_NAME,
    make_dx,
    save,
)
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
from integration.nodes import IntakeRunner, RunningIntake, running_intake
from pydicom.uid import DeflatedExplicitVRLittleEndian, generate_uid

from screening_node.delivery.sockets import ClosingEntity
from screening_node.errors import DiskFull
from screening_node.intake.statuses import IntakeStatus as Status
from screening_node.store import tables
from screening_node.store.archive import Archive
from screening_node.store.session import Store


@pytest.fixture
def intake(run_an_intake: IntakeRunner) -> Iterator[RunningIntake]:
    """A running intake; after the test a good film goes in, and nothing else lies about."""
    with run_an_intake() as node:
        yield node
        assert_serves(node)
        assert_clean(node)


def assert_serves(node: RunningIntake) -> None:
    """A good film is taken."""
    film = make_dx()
    with modality(node.port) as sender:
        assert sender.store_dataset(film) == Status.SUCCESS
    assert film.SOPInstanceUID in node.kept()


def assert_clean(node: RunningIntake) -> None:
    """One job for each kept film, no half file, and no file that no row names."""
    assert node.jobs() == len(node.kept())
    peers.wait_until(lambda: node.spooled() == [])
    assert sorted(node.archive.kept()) == sorted(row.path for row in node.rows(tables.instances))


# UIDs


@pytest.mark.parametrize(
    "uid",
    [
        "../../../etc/passwd",
        "/etc/passwd",
        "1.2/../3",
        "1.2.3\n4",
        "1.2.3\x00.4",
        "C:\\films\\1",
        "1..2",
        ".1.2",
        "1.2.",
        "1.2.x",
        "",
        "1.2." + "3" * 70,
        "film",
    ],
)
def test_a_uid_that_is_none(intake: RunningIntake, uid: str) -> None:
    with modality(intake.port) as sender:
        status = sender.store(data_set_of(make_dx()), sop_instance_uid=uid)
        assert status == Status.INVALID_SOP_INSTANCE
        assert sender.store_dataset(make_dx()) == Status.SUCCESS, "the association lives on"
    assert intake.audited() == [("intake.refused", "INVALID_SOP_INSTANCE")]


def test_a_uid_with_a_path_in_the_data_set_only(intake: RunningIntake) -> None:
    film = make_dx(SOPInstanceUID="../../../etc/passwd")
    with modality(intake.port) as sender:
        assert sender.store(data_set_of(film), sop_instance_uid="1.2.3") == Status.DATA_SET_MISMATCH
    assert intake.kept() == {}


def test_a_study_uid_with_a_path(intake: RunningIntake) -> None:
    with modality(intake.port) as sender:
        assert sender.store_dataset(make_dx(StudyInstanceUID="../../x")) == Status.INVALID_STUDY_OR_SERIES
        assert sender.store_dataset(make_dx(StudyInstanceUID=None)) == Status.INVALID_STUDY_OR_SERIES
        assert sender.store_dataset(make_dx(SeriesInstanceUID="")) == Status.INVALID_STUDY_OR_SERIES


def test_a_uid_with_leading_zeros_as_old_modalities_write(intake: RunningIntake) -> None:
    uid = "1.2.392.0200036.09107.1"
    with modality(intake.port) as sender:
        assert sender.store_dataset(make_dx(SOPInstanceUID=uid), sop_instance_uid=uid) == Status.SUCCESS
    assert uid in intake.kept()


def test_uids_of_command_and_data_set_differ(intake: RunningIntake) -> None:
    film = make_dx()
    with modality(intake.port, [DX_PRESENTATION, CR]) as sender:
        assert sender.store_dataset(film, sop_instance_uid=generate_uid()) == Status.DATA_SET_MISMATCH
        assert sender.store_dataset(film, sop_class_uid=CR) == Status.DATA_SET_MISMATCH
    assert intake.kept() == {}


def test_the_same_uid_with_other_content(intake: RunningIntake) -> None:
    first = make_dx(seed=1)
    other = make_dx(seed=2, SOPInstanceUID=first.SOPInstanceUID)
    with modality(intake.port) as sender:
        assert sender.store_dataset(first) == Status.SUCCESS
        kept = intake.kept()
        assert sender.store_dataset(other) == Status.DUPLICATE_SOP_INSTANCE
        assert sender.store_dataset(first) == Status.SUCCESS, "the first is still a duplicate, not a conflict"
    assert intake.kept() == kept
    assert intake.jobs() == 1
    assert intake.audited() == [("intake.conflict", "DUPLICATE_SOP_INSTANCE")]


def test_the_same_uid_with_other_content_at_the_same_time(intake: RunningIntake) -> None:
    uid = generate_uid()
    statuses: list[int | None] = []

    def send(seed: int) -> None:
        with modality(intake.port) as sender:
            statuses.append(sender.store_dataset(make_dx(seed=seed, SOPInstanceUID=uid)))

    threads = [threading.Thread(target=send, args=(seed,)) for seed in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(status or 0 for status in statuses) == [Status.SUCCESS] + [Status.DUPLICATE_SOP_INSTANCE] * 4


def test_one_film_from_many_senders_at_the_same_time(intake: RunningIntake) -> None:
    film = make_dx()
    statuses: list[int | None] = []

    def send() -> None:
        with modality(intake.port) as sender:
            statuses.append(sender.store_dataset(film))

    threads = [threading.Thread(target=send) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [Status.SUCCESS] * 5
    assert len(intake.kept()) == intake.jobs() == 1


# SOP classes


def test_an_unknown_sop_class_is_refused_at_negotiation(
    intake: RunningIntake, caplog: pytest.LogCaptureFixture
) -> None:
    entity = ClosingEntity()
    unknown = "1.2.826.0.1.3680043.9.9999.1"
    entity.add_requested_context(unknown)
    entity.add_requested_context(DX_PRESENTATION)
    association = entity.associate("127.0.0.1", intake.port)
    (refused,) = association.rejected_contexts
    association.release()
    assert (refused.abstract_syntax, refused.result) == (unknown, 3)  # PS3.8: abstract syntax not supported
    assert f"Refused presentation context {unknown}" in caplog.text


def test_storescu_with_an_unknown_sop_class(intake: RunningIntake, tmp_path: Path) -> None:
    film = save(make_dx(SOPClassUID="1.2.826.0.1.3680043.9.9999.1"), tmp_path / "film.dcm")
    assert peers.storescu(intake.port, film).returncode != 0
    assert intake.kept() == {}


def test_a_sop_class_other_than_negotiated(intake: RunningIntake) -> None:
    film = make_dx(SOPClassUID=CR)
    with modality(intake.port) as sender:
        assert sender.store_dataset(film, context_class_uid=DX_PRESENTATION) == Status.SOP_CLASS_NOT_SUPPORTED
    assert intake.kept() == {}
    assert intake.audited() == [("intake.refused", "SOP_CLASS_NOT_SUPPORTED")]


def test_the_reason_travels_with_the_answer(intake: RunningIntake) -> None:
    with modality(intake.port) as sender:
        sender.request(None, "No^Uid", DX_PRESENTATION, DX_PRESENTATION)
        answer = sender.wait_for_response()
    assert (answer.Status, answer.ErrorComment) == (
        Status.CANNOT_UNDERSTAND,
        "The request came without a data set.",
    )
    (row,) = intake.rows(tables.audit)
    assert (row.actor, row.subject) == ("CR1", "")


# Senders that stop


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


# Bytes that are no DICOM


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


# Headers that lie are kept: the pathway judges or refuses, with a code


@pytest.mark.parametrize(
    "header",
    [
        {"PatientID": None, "IssuerOfPatientID": None},
        {"PatientID": ""},
        {"PatientBirthDate": "20991231"},
        {"PatientBirthDate": "not a date", "StudyDate": "31.12.1999", "PatientAge": "old"},
        {"PixelData": None},
        {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0},
        {"NumberOfFrames": "2"},
        {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"},
        {"PixelData": None, "FloatPixelData": b"\x00" * 16},
        {"PixelSpacing": None, "ImagerPixelSpacing": None},
        {"PixelSpacing": ["0", "-1"]},
        {"Rows": 30000, "Columns": 30000},
        {"PhotometricInterpretation": "MONOCHROME9"},
        {"ViewPosition": ""},
    ],
    ids=lambda header: ",".join(f"{keyword}={value!r:.12}" for keyword, value in header.items()),
)
def test_a_header_that_lies_is_kept_as_it_is(intake: RunningIntake, header: dict[str, Any]) -> None:
    film = make_dx(**header)
    with modality(intake.port) as sender:
        assert sender.store_dataset(film) == Status.SUCCESS
    assert intake.kept()[film.SOPInstanceUID].endswith(data_set_of(film))


def test_no_patient_id_is_nobodys_other_film(intake: RunningIntake) -> None:
    with modality(intake.port) as sender:
        for _ in range(2):
            sender.store_dataset(make_dx(PatientID=None))
    keys = [exam.patient_key for exam in intake.rows(tables.exams)]
    assert len(set(keys)) == 2


def test_a_future_birth_date_is_no_birth_date(intake: RunningIntake) -> None:
    with modality(intake.port) as sender:
        sender.store_dataset(make_dx(PatientBirthDate="20991231"))
    (exam,) = intake.rows(tables.exams)
    assert (exam.birth_date, exam.age) == (None, 71)


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("GB18030", "王^小东"),
        ("ISO_IR 100", "Müller^Zoë"),
        ("ISO_IR 192", "Łukasz^Ḿ"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"),
        ("ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
    ],
)
def test_names_in_other_characters(intake: RunningIntake, charset: str | list[str], name: str) -> None:
    with modality(intake.port) as sender:
        assert sender.store_dataset(make_dx(SpecificCharacterSet=charset, PatientName=name)) == Status.SUCCESS
    (exam,) = intake.rows(tables.exams)
    assert exam.patient_name == name


@pytest.mark.parametrize(
    ("declared", "encoding", "name"),
    [(None, "gb18030", "王^小东"), ("ISO_IR 100", "shift_jis", "山田^太郎"), ("ISO_IR 6666", "latin-1", "Müller")],
)
def test_names_in_characters_other_than_declared(
    intake: RunningIntake, declared: str | None, encoding: str, name: str
) -> None:
    """Hospitals send these; the bytes are kept as they came and nothing fails."""
    film = make_dx(PatientName="@" * len(name.encode(encoding)))
    data = data_set_of(film).replace(b"@" * len(name.encode(encoding)), name.encode(encoding))
    if declared is not None:
        length = len(declared) + len(declared) % 2
        element = struct.pack("<HH2sH", 0x0008, 0x0005, b"CS", length) + declared.ljust(length).encode()
        data = element + data
    with modality(intake.port) as sender:
        assert sender.store(data, sop_instance_uid=film.SOPInstanceUID) == Status.SUCCESS
    assert intake.kept()[film.SOPInstanceUID].endswith(data)


# The node's own disk and database


def test_a_disk_below_its_reserve(run_an_intake: IntakeRunner) -> None:
    with run_an_intake(min_free_bytes=1 << 60) as node:
        with modality(node.port) as sender:
            assert sender.store_dataset(make_dx()) == Status.OUT_OF_DISK
        assert node.kept() == {}
        assert node.spooled() == []
        assert node.audited() == [("intake.refused", "OUT_OF_DISK")]


class FullArchive(Archive):
    """An archive whose disk fills as a file is put in its place."""

    full = True

    def keep(self, temp: Path, sop_instance_uid: str, *, sha256: str | None = None) -> str:
        if self.full:
            raise DiskFull("The archive is full.")
        return super().keep(temp, sop_instance_uid, sha256=sha256)


def test_a_disk_that_fills_at_the_last_moment(store: Store, tmp_path: Path) -> None:
    archive = FullArchive(tmp_path / "archive")
    with running_intake(store, archive) as node:
        film = make_dx()
        with modality(node.port) as sender:
            assert sender.store_dataset(film) == Status.OUT_OF_DISK
            assert node.kept() == {}
            assert node.spooled() == []
            archive.full = False
            assert sender.store_dataset(film) == Status.SUCCESS
        assert_clean(node)


@contextmanager
def tiny_disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """A file system of its own; needs the right to mount."""
    folder.mkdir()
    mount = shutil.which("mount", path="/usr/bin:/bin:/usr/sbin:/sbin") or "mount"
    command = [mount, "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("a full disk needs the right to mount a tmpfs: run the tests as root, or with --cap-add SYS_ADMIN")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_full(store: Store, tmp_path: Path) -> None:
    with (
        tiny_disk(tmp_path / "disk", 400) as disk,
        running_intake(store, Archive(disk / "archive")) as node,
        modality(node.port) as sender,
    ):
        assert sender.store_dataset(make_dx(rows=1024, columns=1024)) == Status.OUT_OF_DISK
        assert node.spooled() == []
        assert node.kept() == {}
        assert sender.store_dataset(make_dx()) == Status.SUCCESS, "a small one still fits"
        assert_clean(node)


def test_an_archive_that_is_gone(run_an_intake: IntakeRunner, archive: Archive, tmp_path: Path) -> None:
    with run_an_intake() as node:
        film = make_dx()
        archive.root.rename(tmp_path / "unmounted")
        with modality(node.port) as sender:
            assert sender.store_dataset(film) in (Status.OUT_OF_DISK, Status.STORE_UNAVAILABLE)
            assert node.rows(tables.instances) == []
            (tmp_path / "unmounted").rename(archive.root)
            assert sender.store_dataset(film) == Status.SUCCESS
        assert_clean(node)


def test_a_database_that_is_locked(store: Store, archive: Archive) -> None:
    impatient = Store(f"sqlite:///{store.file}", busy_seconds=0.2)
    with running_intake(impatient, archive) as node:
        film = make_dx()
        with modality(node.port) as sender:
            with store.begin():
                assert sender.store_dataset(film) == Status.STORE_UNAVAILABLE
            assert node.kept() == {}
            assert node.spooled() == []
            assert sender.store_dataset(film) == Status.SUCCESS
        assert_clean(node)
    impatient.close()


def test_a_database_that_is_gone(store: Store, archive: Archive, tmp_path: Path) -> None:
    assert store.file is not None
    with running_intake(store, archive) as node:
        film = make_dx()
        store.close()  # folds the log into the file, so that the copy is whole
        store.file.rename(tmp_path / "away.db")
        with modality(node.port) as sender:
            assert sender.store_dataset(film) == Status.STORE_UNAVAILABLE
            assert node.spooled() == []
            (tmp_path / "away.db").rename(store.file)
            assert sender.store_dataset(film) == Status.SUCCESS
        assert_clean(node)


def test_a_bug_in_the_node_is_not_a_success(
    store: Store, archive: Archive, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(header: Any) -> Any:
        raise KeyError(str(header.PatientName))

    monkeypatch.setattr("integration.nodes.patient_of", broken)
    with running_intake(store, archive) as node, modality(node.port) as sender:
        assert sender.store_dataset(make_dx()) == Status.PROCESSING_FAILURE
        assert node.kept() == {}
        assert node.spooled() == []
    assert "KeyError" in caplog.text
    assert PATIENT_NAME not in caplog.text


# Too much


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


# What is said of it all


def test_no_patient_data_in_any_log(
    intake: RunningIntake, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    secrets = [PATIENT_NAME, PATIENT_NAME.split("^")[0], PATIENT_ID, BIRTH_DATE]
    bad = {"PatientBirthDate": f"{BIRTH_DATE}x", "PatientAge": PATIENT_ID, "StudyInstanceUID": PATIENT_NAME}
    with caplog.at_level(logging.DEBUG), modality(intake.port) as sender:
        sender.store_dataset(make_dx())
        sender.store_dataset(make_dx(**bad))
        sender.store_dataset(make_dx(SpecificCharacterSet="NONSENSE"))
        sender.store(data_set_of(make_dx())[:400], sop_instance_uid="1.2.3")
        sender.store(data_set_of(make_dx()), sop_instance_uid="1.2.3")
    assert "INVALID_STUDY_OR_SERIES" in caplog.text
    said = caplog.text + "".join(capfd.readouterr())
    said += "".join(str(row) for row in intake.rows(tables.audit))
    assert [secret for secret in secrets if secret in said] == []
