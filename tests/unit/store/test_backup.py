"""Backup while the store is written to, restore, check and vacuum."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import sqlite3
import subprocess
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from builders import an_instance

from screening_node.errors import Misconfigured, StoreUnavailable, UnreadableObject
from screening_node.store import records, tables
from screening_node.store.archive import Archive
from screening_node.store.backup import backup, restore
from screening_node.store.session import Store
from screening_node.store.upkeep import Fault, faults, vacuum


def keep(store: Store, archive: Archive, number: int) -> str:
    """A film that is acknowledged: bytes first, then its row."""
    content, uid = f"film {number}".encode(), f"1.2.{number}"
    temp = archive.spool()
    temp.write_bytes(content)
    path = archive.keep(temp, uid)
    with store.begin() as tx:
        records.record_instance(tx, an_instance(uid, content, path=path))
    return path


def films(database: Path, root: Path) -> dict[str, bytes]:
    """What a store holds: the bytes of every film that it has a row of."""
    store = Store(f"sqlite:///{database}")
    try:
        with store.read() as tx:
            rows = tx.execute(sa.select(tables.instances.c.sop_instance_uid, tables.instances.c.path)).all()
    finally:
        store.close()
    return {uid: (root / path).read_bytes() for uid, path in rows}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backup"


def test_what_was_backed_up_comes_back_byte_for_byte(
    store: Store, archive: Archive, folder: Path, tmp_path: Path
) -> None:
    for number in range(5):
        keep(store, archive, number)
    assert backup(store, archive.root, folder).copied == 5
    done = restore(folder, tmp_path / "new" / "node.sqlite", tmp_path / "new" / "archive")
    assert done.files == 5
    assert films(tmp_path / "new" / "node.sqlite", tmp_path / "new" / "archive") == {
        f"1.2.{number}": f"film {number}".encode() for number in range(5)
    }


def test_a_restored_store_is_in_order_and_goes_on(store: Store, archive: Archive, folder: Path, tmp_path: Path) -> None:
    keep(store, archive, 1)
    backup(store, archive.root, folder)
    restore(folder, tmp_path / "new" / "node.sqlite", tmp_path / "new" / "archive")
    restored, again = Store(f"sqlite:///{tmp_path / 'new' / 'node.sqlite'}"), Archive(tmp_path / "new" / "archive")
    restored.migrate()
    keep(restored, again, 2)
    assert list(faults(restored, again)) == []
    restored.close()


def test_a_second_backup_copies_what_is_new(store: Store, archive: Archive, folder: Path) -> None:
    keep(store, archive, 1)
    backup(store, archive.root, folder)
    keep(store, archive, 2)
    done = backup(store, archive.root, folder)
    assert (done.files, done.copied) == (2, 1)
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, check=True, capture_output=True)
    assert len((folder / "SHA256SUMS").read_text().splitlines()) == 3


def test_backups_while_films_come_in_are_whole(store: Store, archive: Archive, folder: Path, tmp_path: Path) -> None:
    """Every backup holds the bytes of each film that its database names, whatever came in meanwhile."""
    keep(store, archive, 0)
    stop, number = threading.Event(), 0

    def modality() -> None:
        nonlocal number
        while not stop.is_set():
            number += 1
            keep(store, archive, number)

    thread = threading.Thread(target=modality)
    thread.start()
    try:
        for turn in range(3):
            before = number
            backup(store, archive.root, folder)
            held = films(_copied(folder, tmp_path / f"copy{turn}"), folder / "archive")
            assert len(held) >= before
            assert all(content == f"film {uid.removeprefix('1.2.')}".encode() for uid, content in held.items())
    finally:
        stop.set()
        thread.join()


def _copied(folder: Path, to: Path) -> Path:
    return Path(shutil.copy(folder / "node.sqlite", to))


def test_a_damaged_backup_is_not_restored(store: Store, archive: Archive, folder: Path, tmp_path: Path) -> None:
    path = keep(store, archive, 1)
    backup(store, archive.root, folder)
    (folder / "archive" / path).write_bytes(b"film X")
    with pytest.raises(UnreadableObject, match="is damaged"):
        restore(folder, tmp_path / "new.sqlite", tmp_path / "new")
    assert not (tmp_path / "new.sqlite").exists()


def test_a_backup_over_the_running_store_is_refused(store: Store, archive: Archive, folder: Path) -> None:
    keep(store, archive, 1)
    backup(store, archive.root, folder)
    assert store.file is not None
    before = hashlib.sha256(store.file.read_bytes()).digest()
    with pytest.raises(Misconfigured, match="is there already"):
        restore(folder, store.file, archive.root)
    assert hashlib.sha256(store.file.read_bytes()).digest() == before


def test_other_folders_are_left_alone(store: Store, archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(Misconfigured, match="other things"):
        backup(store, archive.root, tmp_path / "mine")
    with pytest.raises(Misconfigured, match="no complete backup"):
        restore(tmp_path / "mine", tmp_path / "new.sqlite", tmp_path / "new")


def test_a_backup_with_a_hole_is_said(store: Store, archive: Archive, folder: Path) -> None:
    archive.path(keep(store, archive, 1)).unlink()
    with pytest.raises(UnreadableObject, match="is missing"):
        backup(store, archive.root, folder)
    with pytest.raises(Misconfigured, match="no complete backup"):
        restore(folder / "archive", folder / "x.sqlite", folder / "x")


def test_a_place_that_cannot_be_written_is_said(store: Store, archive: Archive, tmp_path: Path) -> None:
    keep(store, archive, 1)
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match="Copying to"):
        backup(store, archive.root, tmp_path / "file" / "below")


def test_check_names_what_is_lost_and_what_nobody_needs(store: Store, archive: Archive) -> None:
    kept, lost = keep(store, archive, 1), keep(store, archive, 2)
    assert list(faults(store, archive)) == []
    archive.path(lost).unlink()
    assert list(faults(store, archive)) == [Fault(what="file is missing", where=lost)]
    assert archive.path(kept).is_file()


def test_check_finds_damage_in_the_database(store: Store, archive: Archive) -> None:
    keep(store, archive, 1)
    assert store.file is not None
    with contextlib.closing(sqlite3.connect(store.file)) as careless:  # foreign keys are not on by themselves
        careless.execute("DELETE FROM jobs")
        careless.execute("DELETE FROM exams")
        careless.commit()
    (fault,) = faults(store, archive)
    assert (fault.what, fault.harmless) == ("database", False)
    assert "instances" in fault.where
    assert "exams" in fault.where


def test_vacuum_makes_the_file_smaller_and_keeps_everything(store: Store, archive: Archive) -> None:
    assert store.file is not None
    path = keep(store, archive, 1)
    with store.begin() as tx:
        tx.exec_driver_sql("CREATE TABLE ballast (x)")
        tx.exec_driver_sql("INSERT INTO ballast VALUES (randomblob(4000000))")
        tx.exec_driver_sql("DROP TABLE ballast")
    vacuum(store)
    assert store.file.stat().st_size < 2_000_000
    assert films(store.file, archive.root) == {"1.2.1": b"film 1"}
    assert archive.path(path).is_file()
