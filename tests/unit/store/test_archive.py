"""Files that are written once, and durably."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest
from builders import NOW, OPEN, a_result, an_instance, an_outgoing

from screening_node.errors import DiskFull, Misconfigured, StoreUnavailable, UnreadableObject
from screening_node.queue import queue
from screening_node.store import records
from screening_node.store.archive import Archive
from screening_node.store.orphans import orphans
from screening_node.store.session import Store


def spooled(archive: Archive, content: bytes) -> Path:
    temp = archive.spool()
    temp.write_bytes(content)
    return temp


def test_keep_moves_the_file_to_a_name_made_of_hashes(archive: Archive) -> None:
    temp = spooled(archive, b"film")
    relative = archive.keep(temp, "1.2.3")
    assert archive.path(relative).read_bytes() == b"film"
    assert not temp.exists()
    assert "1.2.3" not in relative


@pytest.mark.parametrize("uid", ["../../etc/passwd", "/etc/passwd", "a" * 5000, "", "1.2\0.3", "\N{SNOWMAN}"])
def test_no_uid_can_lead_out_of_the_archive(archive: Archive, uid: str) -> None:
    path = archive.path(archive.keep(spooled(archive, b"film"), uid)).resolve()
    assert path.is_relative_to(archive.root.resolve() / "objects")


def test_keeping_the_same_content_twice_is_the_same_file(archive: Archive) -> None:
    first = archive.keep(spooled(archive, b"film"), "1.2.3")
    assert archive.keep(spooled(archive, b"film"), "1.2.3") == first
    assert list(archive.kept()) == [first]


def test_other_content_under_the_same_uid_overwrites_nothing(archive: Archive) -> None:
    first = archive.keep(spooled(archive, b"film"), "1.2.3")
    second = archive.keep(spooled(archive, b"another"), "1.2.3")
    assert archive.path(first).read_bytes() == b"film"
    assert archive.path(second).read_bytes() == b"another"


def test_a_hash_that_the_caller_has_is_used(archive: Archive) -> None:
    ab, cd = (archive.keep(spooled(archive, b"film"), "1.2.3", sha256=pair * 32) for pair in ("ab", "cd"))
    assert ab != cd


def test_reports_are_kept_once(archive: Archive) -> None:
    first = archive.keep_report(b"report", "2.25.1")
    assert archive.keep_report(b"report", "2.25.1") == first
    assert archive.path(first).read_bytes() == b"report"
    assert not list((archive.root / "incoming").iterdir())


def test_file_and_folder_are_synced_and_in_that_order(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    temp = spooled(archive, b"film")
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def note_replace(source: Path, target: Path) -> None:
        steps.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    archive.keep(temp, "1.2.3")
    assert steps == ["file", "rename", "folder"]
    steps.clear()
    archive.keep_report(b"report", "2.25.1")
    assert steps == ["file", "rename", "folder"]


def test_new_folders_are_synced_into_their_parents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}"))))
    root = tmp_path / "a" / "b"
    Archive(root)
    assert {tmp_path, tmp_path / "a", root, root / "objects", root / "reports"} <= set(synced)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk(archive: Archive, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    temp = spooled(archive, b"film")

    def full(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull, match=r"is full.*Fix: Free space"):
        archive.keep(temp, "1.2.3")
    with pytest.raises(DiskFull):
        archive.keep_report(b"report", "2.25.1")
    assert list(archive.kept()) == []
    assert list((archive.root / "incoming").iterdir()) == [temp], "a report that failed leaves nothing behind"


def test_a_broken_disk_is_no_full_one(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    temp = spooled(archive, b"film")
    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(StoreUnavailable, match="cannot be read or written: Input/output error"):
        archive.keep(temp, "1.2.3")


def test_a_root_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match=r"cannot be made.*\[store\] archive"):
        Archive(tmp_path / "file" / "archive")


def test_sweep_removes_torn_files_and_nothing_else(archive: Archive) -> None:
    kept = archive.keep(spooled(archive, b"film"), "1.2.3")
    spooled(archive, b"half a fi")
    assert archive.sweep(older_than_seconds=3600) == 0
    assert archive.sweep() == 1
    assert list((archive.root / "incoming").iterdir()) == []
    assert list(archive.kept()) == [kept]


def test_discarding_twice_is_harmless(archive: Archive) -> None:
    temp = spooled(archive, b"film")
    archive.discard(temp)
    archive.discard(temp)
    assert not temp.exists()


def test_free_bytes(archive: Archive) -> None:
    assert archive.free_bytes() > 0


def test_a_missing_file_and_a_missing_archive_differ(archive: Archive) -> None:
    relative = archive.keep(spooled(archive, b"film"), "1.2.3")
    assert archive.existing(relative).read_bytes() == b"film"
    archive.path(relative).unlink()
    with pytest.raises(UnreadableObject, match="is missing from the archive"):
        archive.existing(relative)
    archive.root.rename(archive.root.with_name("unmounted"))
    with pytest.raises(StoreUnavailable, match="is gone"):
        archive.existing(relative)


def test_orphans_are_files_without_a_row(store: Store, archive: Archive) -> None:
    film = archive.keep(spooled(archive, b"film"), "1.2.3")
    report = archive.keep_report(b"report", "2.25.1")
    lost = {archive.keep(spooled(archive, b"lost"), "9.9"), archive.keep_report(b"lost", "2.25.9")}
    with store.begin() as tx:
        records.record_instance(tx, an_instance("1.2.3", b"film", path=film))
    (job,) = queue.claim(store, "me", 1, 60, now=NOW)
    with store.begin() as tx:
        exam = records.exam(tx, job.exam_id)
        outgoing = an_outgoing(path=report)
        records.commit_result(tx, exam=exam, job_id=job.id, result=a_result(), alarm=OPEN, reports=[outgoing], now=NOW)
    assert set(orphans(store, archive, older_than_seconds=0)) == lost
    assert set(orphans(store, archive)) == set(), "young files may still be about to get their row"
