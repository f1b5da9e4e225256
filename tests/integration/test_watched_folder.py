"""The watched folder: what rests is taken once, and moved; links lead nowhere; every end in between is harmless."""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from factory import PATIENT_ID, make_dx, save, to_bytes
from integration.modality import data_set_of

from screening_node.errors import Misconfigured
from screening_node.imaging.header import patient_of
from screening_node.intake.files import FileDoor, Limits
from screening_node.intake.folder import tree
from screening_node.intake.folder.watch import FolderConfig, WatchedFolder, check_apart
from screening_node.pathways.registry import route
from screening_node.store import tables
from screening_node.store.archive import Archive
from screening_node.store.session import Store

SETTLE = 10.0


@dataclass
class Site:
    """A watched folder, whose clock the test sets."""

    path: Path
    store: Store
    archive: Archive
    reserve: int = 0
    now: float = 0.0
    watched: WatchedFolder = field(init=False)

    def __post_init__(self) -> None:
        self.path.mkdir(exist_ok=True)
        self.restart()

    def restart(self) -> None:
        """A node that has forgotten all that it had seen."""
        limits = Limits(min_free_bytes=self.reserve)
        door = FileDoor(store=self.store, archive=self.archive, route=route, patient_of=patient_of, limits=limits)
        config = FolderConfig(path=self.path, limits=limits, settle_seconds=SETTLE)
        self.watched = WatchedFolder(config, door, clock=lambda: self.now)

    def look(self, after: float = 0.0) -> None:
        self.now += after
        self.watched.look(threading.Event())

    def settled(self) -> None:
        """Long enough for all that lies there."""
        self.look()
        self.look(SETTLE)

    def rows(self, table: sa.Table = tables.instances) -> list[Any]:
        with self.store.read() as tx:
            return list(tx.execute(sa.select(table)).all())

    def tree(self) -> list[str]:
        """Everything below the folder, as relative paths."""
        return sorted(
            str(path.relative_to(self.path)) for path in self.path.rglob("*") if path.is_symlink() or not path.is_dir()
        )


@pytest.fixture
def site(tmp_path: Path, store: Store, archive: Archive) -> Site:
    return Site(tmp_path / "films", store, archive)


def test_a_film_that_rests_is_taken_and_moved(site: Site) -> None:
    film = make_dx(rows=300, columns=300)
    save(film, site.path / "a.dcm")
    site.look()
    site.look(SETTLE - 1)
    assert site.rows() == []
    site.look(1)
    (row,) = site.rows()
    assert (row.sop_instance_uid, row.calling_ae) == (film.SOPInstanceUID, "FOLDER")
    assert site.archive.path(row.path).read_bytes().endswith(data_set_of(film))
    assert len(site.rows(tables.jobs)) == 1
    assert site.tree() == ["done/a.dcm"]
    assert list((site.archive.root / "incoming").iterdir()) == []


def test_folders_below_are_kept_and_names_are_not_overwritten(site: Site) -> None:
    (site.path / "cd" / "1").mkdir(parents=True)
    for seed in range(2):
        save(make_dx(seed=seed), site.path / "cd" / "1" / "IM0001")
        site.settled()
    assert site.tree() == ["done/cd/1/IM0001", "done/cd/1/IM0001.2"]
    assert len(site.rows()) == 2


def test_a_file_that_is_still_written_to(site: Site) -> None:
    data = to_bytes(make_dx())
    (site.path / "a").write_bytes(data[:5000])
    site.look()
    site.look(SETTLE - 1)
    (site.path / "a").write_bytes(data)
    site.look(1)
    site.look(SETTLE - 1)
    assert site.rows() == []
    site.look(1)
    assert len(site.rows()) == 1


def test_a_file_written_to_while_it_is_read(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    file = save(make_dx(), site.path / "a")
    proper = tree.Entry.open

    def growing(self: tree.Entry) -> int:
        descriptor = proper(self)
        with file.open("ab") as other:
            other.write(b"more")
        return descriptor

    monkeypatch.setattr(tree.Entry, "open", growing)
    site.settled()
    assert (site.rows(), site.tree()) == ([], ["a"])
    monkeypatch.undo()
    save(make_dx(), file)
    site.settled()
    assert len(site.rows()) == 1


def test_names_of_unfinished_files(site: Site) -> None:
    film = make_dx()
    for name in ("a.part", "b.TMP", ".c"):
        save(film, site.path / name)
    site.settled()
    assert site.rows() == []
    (site.path / "a.part").rename(site.path / "a.dcm")
    site.settled()
    assert len(site.rows()) == 1


def test_what_is_refused_has_its_reason_beside_it(site: Site) -> None:
    (site.path / "note.txt").write_text("no film")
    save(make_dx(SeriesInstanceUID=None), site.path / "b.dcm")
    (site.path / "empty").touch()
    site.settled()
    assert site.tree() == [f"refused/{name}{end}" for name in ("b.dcm", "empty", "note.txt") for end in ("", ".txt")]
    assert "no DICOM file" in (site.path / "refused" / "note.txt.txt").read_text()
    assert "SeriesInstanceUID is missing" in (site.path / "refused" / "b.dcm.txt").read_text()
    assert [row.action for row in site.rows(tables.audit)] == ["intake.refused"] * 3


def test_after_a_crash_before_the_move_nothing_is_doubled(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    save(make_dx(), site.path / "a.dcm")
    monkeypatch.setattr(tree, "move", killed)
    site.look()
    with pytest.raises(Killed):
        site.look(SETTLE)
    assert len(site.rows()) == 1
    assert site.tree() == ["a.dcm"]
    monkeypatch.undo()
    site.restart()
    site.settled()
    assert len(site.rows()) == len(site.rows(tables.jobs)) == 1
    assert site.tree() == ["done/a.dcm"]


def test_another_film_under_the_same_uid(site: Site) -> None:
    film = make_dx()
    save(film, site.path / "a.dcm")
    save(make_dx(SOPInstanceUID=film.SOPInstanceUID, seed=1), site.path / "b.dcm")
    save(film, site.path / "c.dcm")
    site.settled()
    assert site.tree() == ["done/a.dcm", "done/c.dcm", "refused/b.dcm", "refused/b.dcm.txt"]
    assert len(site.rows()) == 1


def test_while_the_disk_is_full_files_wait(site: Site) -> None:
    site.reserve = 1 << 62
    site.restart()
    for number in range(3):
        save(make_dx(seed=number), site.path / f"{number}.dcm")
    site.settled()
    assert site.tree() == ["0.dcm", "1.dcm", "2.dcm"]
    site.look(30)
    assert len(site.rows(tables.audit)) == 1, "tried once a minute"
    site.look(31)
    assert len(site.rows(tables.audit)) == 2


def test_links_are_refused_and_lead_nowhere(site: Site, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    secret = save(make_dx(), elsewhere / "secret.dcm")
    (site.path / "link.dcm").symlink_to(secret)
    (site.path / "folder").symlink_to(elsewhere)
    site.settled()
    assert site.rows() == []
    assert site.tree() == [f"refused/{name}" for name in ("folder", "folder.txt", "link.dcm", "link.dcm.txt")]
    assert "link" in (site.path / "refused" / "link.dcm.txt").read_text()
    assert secret.is_file()


def test_a_folder_swapped_for_a_link(site: Site, tmp_path: Path) -> None:
    """``done`` leads out of the watched folder: nothing is moved through it, and nothing taken twice."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (site.path / "done").symlink_to(outside)
    save(make_dx(), site.path / "a.dcm")
    site.settled()
    site.look(SETTLE)
    assert len(site.rows()) == 1
    assert list(outside.iterdir()) == []
    (site.path / "done").unlink()
    site.look(SETTLE)
    assert site.tree() == ["done/a.dcm"]


def test_what_is_no_file_is_left_alone(site: Site) -> None:
    os.mkfifo(site.path / "pipe")
    site.settled()
    assert site.tree() == ["pipe"]


def test_a_folder_that_is_not_there_is_waited_for(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.path.rmdir()
    site.settled()
    site.look(60)
    assert caplog.text.count("cannot be read") == 1, "said once"
    assert "Mount the share" in caplog.text
    site.path.mkdir()
    save(make_dx(), site.path / "a.dcm")
    site.settled()
    assert len(site.rows()) == 1


def test_files_that_may_not_be_read_do_not_stop_the_others(
    site: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may read everything: a refusal by the system is played."""
    save(make_dx(), site.path / "a.dcm")
    save(make_dx(seed=1), site.path / "b.dcm")
    proper = tree.Entry.open

    def forbidden(self: tree.Entry) -> int:
        if self.name == "a.dcm":
            raise PermissionError(13, "Permission denied")
        return proper(self)

    monkeypatch.setattr(tree.Entry, "open", forbidden)
    site.settled()
    assert site.tree() == ["a.dcm", "done/b.dcm"]
    assert "Permission denied" in caplog.text
    assert "Give the node's user the right" in caplog.text


def test_two_nodes_watch_one_folder(site: Site) -> None:
    other = Site(site.path, site.store, site.archive)
    for number in range(4):
        save(make_dx(seed=number), site.path / f"{number}.dcm")
    site.look()
    other.look()
    site.now = other.now = SETTLE
    threads = [threading.Thread(target=each.look) for each in (site, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert site.tree() == [f"done/{number}.dcm" for number in range(4)]
    assert len(site.rows()) == len(site.rows(tables.jobs)) == 4


def test_no_file_name_in_the_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        save(make_dx(), site.path / "BEISPIEL_KARLA.dcm")
        (site.path / "BEISPIEL.txt").write_text("x")
        (site.path / "BEISPIEL.lnk").symlink_to("/nowhere")
        site.settled()
    assert "the watched folder" in caplog.text
    assert "BEISPIEL" not in caplog.text
    assert PATIENT_ID not in caplog.text


def test_folder_and_archive_lie_apart(tmp_path: Path) -> None:
    check_apart(tmp_path / "films", tmp_path / "archive")
    for folder in (tmp_path / "archive" / "films", tmp_path, tmp_path / "archive"):
        with pytest.raises(Misconfigured, match="lie in each other"):
            check_apart(folder, tmp_path / "archive")
