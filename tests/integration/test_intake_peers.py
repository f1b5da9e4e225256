"""DCMTK's senders, as modalities would be, against a running intake."""

import subprocess
from pathlib import Path

import pytest
from factory import CR, DX_PROCESSING, SECONDARY_CAPTURE, make_dx, save
from integration import peers
from integration.nodes import RunningIntake
from pydicom import dcmread
from pydicom.uid import ImplicitVRLittleEndian

from screening_node.store import tables


def test_echo(intake: RunningIntake) -> None:
    assert peers.echoscu(intake.port).returncode == 0


def test_a_film_is_kept_with_its_row_and_its_job(intake: RunningIntake, tmp_path: Path) -> None:
    film = make_dx()
    answer = peers.storescu(intake.port, save(film, tmp_path / "film.dcm"), calling="ROOM1")
    assert answer.returncode == 0, answer.stderr
    (row,) = intake.rows(tables.instances)
    kept = dcmread(intake.archive.path(row.path))
    assert kept == film
    assert kept.file_meta.SourceApplicationEntityTitle == "ROOM1"
    assert kept.file_meta.MediaStorageSOPInstanceUID == film.SOPInstanceUID == row.sop_instance_uid
    assert row.calling_ae == "ROOM1"
    assert row.size == len(intake.archive.path(row.path).read_bytes()) - _header_length(intake.archive.path(row.path))
    assert intake.jobs() == 1
    assert intake.spooled() == []


def _header_length(path: Path) -> int:
    """Preamble, prefix and File Meta Information, by its group length (0002,0000)."""
    return 128 + 4 + 12 + int(dcmread(path).file_meta.FileMetaInformationGroupLength)


def test_the_exam_holds_the_header(intake: RunningIntake, tmp_path: Path) -> None:
    peers.storescu(intake.port, save(make_dx(), tmp_path / "film.dcm"))
    (exam,) = intake.rows(tables.exams)
    assert (exam.patient_id, exam.sex, exam.modality, str(exam.study_date)) == ("FICTION-4711", "F", "DX", "2024-03-11")
    assert exam.accession_number == "ACC-2024-17"


@pytest.mark.parametrize("sop_class", [CR, DX_PROCESSING, SECONDARY_CAPTURE, "1.2.840.10008.5.1.4.1.1.2"])
def test_other_storage_classes(intake: RunningIntake, tmp_path: Path, sop_class: str) -> None:
    film = make_dx(SOPClassUID=sop_class)
    assert peers.dcmsend(intake.port, save(film, tmp_path / "film.dcm")).returncode == 0
    assert list(intake.kept()) == [film.SOPInstanceUID]


def test_implicit_vr(intake: RunningIntake, tmp_path: Path) -> None:
    film = make_dx(TransferSyntaxUID=ImplicitVRLittleEndian)
    answer = peers.storescu(intake.port, "-xi", save(film, tmp_path / "film.dcm"))
    assert answer.returncode == 0, answer.stderr
    (row,) = intake.rows(tables.instances)
    assert row.transfer_syntax_uid == ImplicitVRLittleEndian
    assert dcmread(intake.archive.path(row.path)) == film


@pytest.mark.parametrize(
    ("encode", "propose"),
    [
        (["dcmcjpeg", "+e1"], "-xs"),
        (["dcmcjpls"], "-xt"),
        (["dcmcrle"], "-xr"),
        (["dcmconv", "+td"], "-xd"),
        (["dcmconv", "+tb"], "-xb"),
    ],
)
def test_other_transfer_syntaxes(intake: RunningIntake, tmp_path: Path, encode: list[str], propose: str) -> None:
    plain, encoded = save(make_dx(), tmp_path / "plain.dcm"), tmp_path / "encoded.dcm"
    program = peers.require(encode[0], "dcmtk")
    subprocess.run([program, *encode[1:], str(plain), str(encoded)], check=True, capture_output=True, timeout=60)
    answer = peers.storescu(intake.port, propose, encoded)
    assert answer.returncode == 0, answer.stderr
    (row,) = intake.rows(tables.instances)
    assert row.transfer_syntax_uid == dcmread(encoded).file_meta.TransferSyntaxUID
    assert dcmread(intake.archive.path(row.path)) == dcmread(encoded)


def test_sent_twice_is_kept_once_and_judged_once(intake: RunningIntake, tmp_path: Path) -> None:
    film = save(make_dx(), tmp_path / "film.dcm")
    assert peers.storescu(intake.port, film).returncode == 0
    assert peers.storescu(intake.port, film, film).returncode == 0
    assert len(intake.rows(tables.instances)) == 1
    assert intake.jobs() == 1
    assert intake.audited() == []


def test_many_senders_at_once(intake: RunningIntake, tmp_path: Path) -> None:
    films = [make_dx(rows=600, columns=512, seed=number) for number in range(24)]
    paths = [save(film, tmp_path / f"{number}.dcm") for number, film in enumerate(films)]
    program = peers.require("storescu", "dcmtk")
    senders = [
        subprocess.Popen([program, "127.0.0.1", str(intake.port), *map(str, paths[first::6])]) for first in range(6)
    ]
    assert [sender.wait(timeout=60) for sender in senders] == [0] * 6
    assert {film.SOPInstanceUID for film in films} == set(intake.kept())
    assert intake.jobs() == 24
    assert intake.spooled() == []
