"""A spool file: what is written is what is kept, and what is refused leaves nothing."""

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import pytest
from factory import PATIENT_NAME, make_dx
from pydicom import dcmread
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID
from pynetdicom.dsutils import create_file_meta, encode

from screening_node.errors import DiskFull
from screening_node.intake.header import read_header
from screening_node.intake.refused import Refused
from screening_node.intake.spool import Spool, part10_preamble
from screening_node.intake.statuses import IntakeStatus
from screening_node.store.archive import Archive

DX = "1.2.840.10008.5.1.4.1.1.1.1"


def opened(archive: Archive, max_bytes: int = 1000, min_free: int = 0) -> Spool:
    spool = Spool(archive, max_bytes)
    spool.open(
        sop_class_uid="1.2.840.10008.5.1.4.1.1.1",
        sop_instance_uid="1.2.3",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        calling_ae="CR1",
        min_free=min_free,
    )
    return spool


def spooled(archive: Archive) -> list[Path]:
    return list((archive.root / "incoming").iterdir())


def test_fragments_become_a_part_10_file(archive: Archive) -> None:
    spool = opened(archive)
    element = b"\x10\x00\x20\x00LO\x04\x00AB12"
    spool.write(memoryview(element[:5]))
    spool.write(memoryview(element[5:]))
    complete = spool.complete()
    assert complete.size == len(element)
    assert complete.sha256 == hashlib.sha256(element).hexdigest()
    assert complete.path.read_bytes()[complete.offset :] == element
    read = dcmread(complete.path)
    assert read.PatientID == "AB12"
    assert read.file_meta.MediaStorageSOPInstanceUID == "1.2.3"
    assert read.file_meta.SourceApplicationEntityTitle == "CR1"


@pytest.mark.parametrize("calling_ae", ["CR1", "ROOM1", "", "A" * 16])
@pytest.mark.parametrize("instance", ["1.2.3", "1.2.34", "1." + "2" * 62])
def test_the_meta_header_is_that_of_pydicom(instance: str, calling_ae: str) -> None:
    syntax = "1.2.840.10008.1.2.4.90"
    meta = create_file_meta(sop_class_uid=UID(DX), sop_instance_uid=UID(instance), transfer_syntax=UID(syntax))
    meta.SourceApplicationEntityTitle = calling_ae
    wanted = DicomBytesIO()
    wanted.write(b"\0" * 128 + b"DICM")
    write_file_meta_info(wanted, meta, enforce_standard=True)
    written = part10_preamble(
        sop_class_uid=DX, sop_instance_uid=instance, transfer_syntax_uid=syntax, calling_ae=calling_ae
    )
    assert written == wanted.getvalue()


def a_film(pixels: int, private: int = 0) -> bytes:
    """A data set in explicit VR little endian with that many bytes of pixels, and of a private value before them."""
    film = make_dx(rows=16, columns=16, PixelData=bytes(pixels))
    film.add_new(0x00091001, "OB", bytes(private))
    data = encode(film, False, True)
    assert data is not None
    return data


@pytest.mark.parametrize("fragment", [1000, 65536, 131066])
@pytest.mark.parametrize(
    ("data", "early"), [(a_film(300_000), True), (a_film(300_000, private=70_000), False), (a_film(512), False)]
)
def test_the_header_is_read_on_the_way_where_the_beginning_holds_it(
    archive: Archive, data: bytes, early: bool, fragment: int
) -> None:
    spool = opened(archive, max_bytes=10**7)
    for at in range(0, len(data), fragment):
        spool.write(memoryview(data)[at : at + fragment])
    spooled = spool.complete()
    assert (spooled.header is not None) is early
    uids = dcmread(io.BytesIO(data), force=True, stop_before_pixels=True)
    right = replace(spooled, sop_class_uid=uids.SOPClassUID, sop_instance_uid=uids.SOPInstanceUID)
    header = read_header(right)
    assert header == read_header(replace(right, header=None))
    assert (header.PatientName, "PixelData" in header) == (PATIENT_NAME, False)


def test_a_broken_beginning_is_said_at_the_end(archive: Archive) -> None:
    spool = opened(archive, max_bytes=10**7)
    spool.write(memoryview(b"\x13\x37" * 100_000))
    spooled = spool.complete()
    assert spooled.header is None
    with pytest.raises(Refused) as caught:
        read_header(spooled)
    assert caught.value.status is IntakeStatus.CANNOT_UNDERSTAND


def test_what_is_discarded_is_gone(archive: Archive) -> None:
    spool = opened(archive)
    spool.write(memoryview(b"abc"))
    spool.discard()
    spool.discard()
    spool.write(memoryview(b"late"))
    assert spooled(archive) == []
    assert spool.settled
    with pytest.raises(Refused, match="PROCESSING_FAILURE"):
        spool.complete()


def test_what_is_kept_survives_the_discard_after_it(archive: Archive) -> None:
    spool = opened(archive)
    spool.write(memoryview(b"abc"))
    complete = spool.complete()
    kept = archive.keep(complete.path, "1.2.3", sha256=complete.sha256)
    spool.discard()
    assert archive.path(kept).read_bytes().endswith(b"abc")


def test_too_large_is_dropped_as_soon_as_it_is(archive: Archive) -> None:
    spool = opened(archive, max_bytes=5)
    spool.write(memoryview(b"12345"))
    assert len(spooled(archive)) == 1
    spool.write(memoryview(b"6"))
    assert spooled(archive) == []
    spool.write(memoryview(b"7"))
    with pytest.raises(Refused) as caught:
        spool.complete()
    assert caught.value.status is IntakeStatus.OBJECT_TOO_LARGE


def test_a_reserve_of_disk_is_kept(archive: Archive) -> None:
    spool = opened(archive, min_free=1 << 60)
    spool.write(memoryview(b"abc"))
    assert spooled(archive) == []
    with pytest.raises(Refused) as caught:
        spool.complete()
    assert caught.value.status is IntakeStatus.OUT_OF_DISK


class Brim(Archive):
    """An archive that has no space left, as its folder says only when asked."""

    def free_bytes(self) -> int:
        raise DiskFull("full")


def test_a_full_disk_at_the_first_question(tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        opened(Brim(tmp_path / "archive")).complete()
    assert caught.value.status is IntakeStatus.OUT_OF_DISK


class Nowhere(Archive):
    """An archive whose spool folder is gone."""

    def spool(self) -> Path:
        return self.root / "no" / "such" / "folder"


def test_a_spool_that_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        opened(Nowhere(tmp_path / "archive")).complete()
    assert caught.value.status is IntakeStatus.OUT_OF_DISK
