"""The node's own disk and database: full, gone, locked."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from factory import PATIENT_NAME, make_dx
from integration.modality import modality
from integration.nodes import IntakeRunner, assert_clean, running_intake

from screening_node.errors import DiskFull
from screening_node.intake.statuses import IntakeStatus as Status
from screening_node.store import tables
from screening_node.store.archive import Archive
from screening_node.store.session import Store


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
