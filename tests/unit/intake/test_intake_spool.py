"""A spool file: what is written is what is kept, and what is refused leaves nothing."""

import hashlib
from pathlib import Path

import pytest
from pydicom import dcmread

from screening_node.errors import DiskFull
from screening_node.intake.refused import Refused
from screening_node.intake.spool import Spool
from screening_node.intake.statuses import IntakeStatus
from screening_node.store.archive import Archive


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
