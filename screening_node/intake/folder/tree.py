"""A folder that others write to, walked and changed without ever following a link out of it.

Every step goes by an open folder's descriptor: a name that is swapped for a link between looking and opening leads
nowhere.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DONE: Final = "done"
REFUSED: Final = "refused"
#: What programs call files that they are still writing.
_UNFINISHED: Final = (".part", ".partial", ".tmp", ".crdownload", ".filepart")
_DEEPEST: Final = 16
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, kw_only=True, slots=True)
class Stamp:
    """What changes when a file is written."""

    size: int
    modified_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        """Of a file's status."""
        return cls(size=status.st_size, modified_ns=status.st_mtime_ns, inode=status.st_ino)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A file (or a link) in a folder that is open while it is looked at."""

    folder: int
    parents: tuple[str, ...]
    name: str
    stamp: Stamp
    is_link: bool

    @property
    def key(self) -> tuple[str, ...]:
        """What tells it from the others."""
        return (*self.parents, self.name)

    def open(self) -> int:
        """A descriptor to read from. Raises OSError; ELOOP where it has become a link."""
        descriptor = os.open(self.name, _FILE, dir_fd=self.folder)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.ELOOP, "no regular file")
        return descriptor


@contextlib.contextmanager
def opened(path: Path) -> Iterator[int]:
    """The watched folder itself (which may be a link: the site has named it). Raises OSError."""
    descriptor = os.open(path, _FOLDER & ~os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def walk(folder: int, on_error: Callable[[OSError], None], parents: tuple[str, ...] = ()) -> Iterator[Entry]:
    """Every file and link below, but for what was taken or refused; ``on_error`` hears of what cannot be read.

    Raises OSError where the folder itself cannot.
    """
    for name in sorted(os.listdir(folder)):
        if name.startswith(".") or (not parents and name in (DONE, REFUSED)):
            continue
        try:
            yield from _looked_at(folder, on_error, parents, name)
        except FileNotFoundError:
            pass  # it was moved away meanwhile
        except OSError as error:
            on_error(error)


def _looked_at(
    folder: int, on_error: Callable[[OSError], None], parents: tuple[str, ...], name: str
) -> Iterator[Entry]:
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISDIR(status.st_mode):
        if len(parents) < _DEEPEST:
            with _below(folder, name) as inner:
                yield from walk(inner, on_error, (*parents, name))
        return
    is_link = stat.S_ISLNK(status.st_mode)
    if is_link or (stat.S_ISREG(status.st_mode) and not name.lower().endswith(_UNFINISHED)):
        yield Entry(folder=folder, parents=parents, name=name, stamp=Stamp.of(status), is_link=is_link)


def move(root: int, entry: Entry, room: str, reason: str = "") -> None:
    """Into ``room`` of the watched folder, below the folders that it lay in; with ``reason`` in a text beside it.

    The reason is written first: a file in the room always has one. What is there keeps its name. Raises OSError.
    """
    with contextlib.ExitStack() as held:
        target = root
        for name in (room, *entry.parents):
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, dir_fd=target)
            target = held.enter_context(_below(target, name))
        name = _free_name(target, entry.name)
        if reason:
            _write(target, f"{name}.txt", reason)
        os.rename(entry.name, name, src_dir_fd=entry.folder, dst_dir_fd=target)


@contextlib.contextmanager
def _below(folder: int, name: str) -> Iterator[int]:
    descriptor = os.open(name, _FOLDER, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _free_name(folder: int, name: str) -> str:
    """The name, or with a number where that is taken."""
    there = set(os.listdir(folder))
    number, free = 1, name
    while free in there:
        number += 1
        free = f"{name}.{number}"
    return free


def _write(folder: int, name: str, text: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, 0o640, dir_fd=folder), "w", encoding="utf-8") as file:
        file.write(f"{text}\n")
