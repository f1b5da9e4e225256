"""Looks into a folder again and again (network shares send no events) and takes what has come to rest.

A file is taken like a film over C-STORE, and only then moved: whatever ends the node in between, the same file is
found again, and taken again it is the film that is there already. Names of files are not logged: people write patients'
names into them.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset

from screening_node.domain.exam import ExamKey, Patient
from screening_node.errors import Misconfigured
from screening_node.intake.callers import RefusalLedger
from screening_node.intake.files import FileDoor, Limits, Outcome
from screening_node.intake.folder import tree
from screening_node.intake.refused import Refused
from screening_node.intake.scp import quiet_libraries
from screening_node.intake.statuses import IntakeStatus
from screening_node.store.archive import Archive
from screening_node.store.session import Store

logger = logging.getLogger(__name__)

#: Stands for the sender's AE title.
SENDER: Final = "FOLDER"
_CHUNK: Final = 1 << 20
#: After a refusal that may pass (disk full, store away) nothing is tried for so long.
_PAUSE_SECONDS: Final = 60.0
_TRANSIENT: Final = (IntakeStatus.OUT_OF_DISK, IntakeStatus.STORE_UNAVAILABLE)
_LINK = "A link, which could lead anywhere: lay down the file itself."


@dataclass(frozen=True, kw_only=True)
class FolderConfig:
    """Which folder is looked into, how often, and how long a file has to be left alone (seconds)."""

    path: Path
    limits: Limits
    poll_seconds: float = 5.0
    settle_seconds: float = 10.0


class WatchedFolder:
    """One folder. Several nodes may watch it: whoever moves a file first has it."""

    def __init__(self, config: FolderConfig, door: FileDoor, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._config, self._door, self._clock = config, door, clock
        self._ledger = RefusalLedger(clock=clock)
        self._seen: dict[tuple[str, ...], tuple[tree.Stamp, float]] = {}
        self._taken: set[tuple[tuple[str, ...], tree.Stamp]] = set()
        self._rest_until = 0.0

    def look(self, stop: threading.Event) -> None:
        """Take all that has come to rest since the last look."""
        if self._clock() < self._rest_until:
            return
        seen, self._seen = self._seen, {}
        try:
            with tree.opened(self._config.path) as root:
                for entry in tree.walk(root, self._unreadable):
                    if stop.is_set():
                        break
                    self._consider(root, entry, seen)
        except OSError as error:
            self._seen = seen | self._seen
            self._unreadable(error)

    def _consider(self, root: int, entry: tree.Entry, seen: dict[tuple[str, ...], tuple[tree.Stamp, float]]) -> None:
        stamp, since = seen.get(entry.key, (None, 0.0))
        if stamp != entry.stamp:
            since = self._clock()
        self._seen[entry.key] = (entry.stamp, since)
        at_rest = self._clock() - since >= self._config.settle_seconds and stamp is not None
        if at_rest and self._clock() >= self._rest_until:
            self._take(root, entry)

    def _take(self, root: int, entry: tree.Entry) -> None:
        if entry.is_link:
            self._put(root, entry, tree.REFUSED, _LINK)
            return
        if (entry.key, entry.stamp) in self._taken:  # it is kept, but could not be moved
            self._put(root, entry, tree.DONE)
            return
        outcome = self._received(entry)
        if outcome is None:
            return
        if outcome.refused is None:
            self._taken.add((entry.key, entry.stamp))
            self._put(root, entry, tree.DONE)
        elif outcome.refused.status in _TRANSIENT:
            self._rest_until = self._clock() + _PAUSE_SECONDS
        else:
            self._put(root, entry, tree.REFUSED, in_words(outcome.refused))

    def _received(self, entry: tree.Entry) -> Outcome | None:
        """What became of the file; None where it cannot be read (now), or is still written to."""
        reception = self._door.begin(SENDER, origin="the watched folder")
        try:
            with os.fdopen(entry.open(), "rb", buffering=0) as file:
                while chunk := file.read(_CHUNK):
                    reception.write(memoryview(chunk))
                unchanged = tree.Stamp.of(os.fstat(file.fileno())) == entry.stamp
            return self._door.keep(reception) if unchanged else None
        except FileNotFoundError:
            return None
        except OSError as error:
            self._complain("A file of the watched folder cannot be read", error)
            return None
        finally:
            reception.spool.discard()

    def _put(self, root: int, entry: tree.Entry, room: str, reason: str = "") -> None:
        try:
            tree.move(root, entry, room, reason)
        except FileNotFoundError:
            pass  # somebody else has moved it
        except OSError as error:
            self._complain(f"A file of the watched folder cannot be moved into {room}", error)
            return
        self._seen.pop(entry.key, None)
        self._taken.discard((entry.key, entry.stamp))

    def _unreadable(self, error: OSError) -> None:
        self._complain("The watched folder, or one in it, cannot be read", error)

    def _complain(self, what: str, error: OSError) -> None:
        """Say it once an hour. The error's own text would name the file."""
        note = self._ledger.note((what, error.errno))
        if note is not None:
            why, fix = os.strerror(error.errno or 0), _fix(error)
            logger.warning("%s: %s (%d times). Fix: %s", what, why, note.times, fix)


def in_words(refused: Refused) -> str:
    """Why a file was refused, for the text beside it."""
    return f"{refused.reason} ({refused.status.name}, 0x{refused.status:04X})"


def _fix(error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "Give the node's user the right to read, write and search [intake.folder] path and what is in it."
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE):
        return "Mount the share, or change [intake.folder] path."
    if error.errno == errno.ELOOP:
        return "Replace the links in [intake.folder] path by real folders and files."
    return "Check the share of [intake.folder] path."


def run_folder(
    config: FolderConfig,
    store: Store,
    archive: Archive,
    route: Callable[[Dataset], ExamKey],
    patient_of: Callable[[Dataset], Patient],
    stop: threading.Event,
) -> None:
    """Watch until ``stop`` is set. Raises Misconfigured where folder and archive lie in each other."""
    quiet_libraries()
    check_apart(config.path, archive.root)
    door = FileDoor(store=store, archive=archive, route=route, patient_of=patient_of, limits=config.limits)
    folder = WatchedFolder(config, door)
    logger.info("Watching %s; taken: %s, refused: %s.", config.path, tree.DONE, tree.REFUSED)
    while not stop.is_set():
        folder.look(stop)
        stop.wait(config.poll_seconds)


def check_apart(folder: Path, archive: Path) -> None:
    """Raises Misconfigured where one lies in the other: the node would take its own files in."""
    one, other = folder.resolve(), archive.resolve()
    if one.is_relative_to(other) or other.is_relative_to(one):
        raise Misconfigured(
            f"The watched folder {folder} and the archive {archive} lie in each other.",
            fix="Change [intake.folder] path.",
        )
