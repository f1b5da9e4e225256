"""The bytes: films as they came and reports as they go, each a file that is written once.

    <root>/incoming/   files still being written; whatever lies here at start is a torn one
    <root>/objects/    films        <root>/reports/    reports
    <root>/leaving/    files whose rows are just being changed to say that they are gone

A file's name is made of two hashes, of its SOP Instance UID and of its content: no UID (which a sender chooses)
ever reaches a path, and other content under the same UID can never overwrite what is there.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from screening_node.errors import DiskFull, Misconfigured, StoreUnavailable, UnreadableObject

_SPOOL = "incoming"
_OBJECTS = "objects"
_REPORTS = "reports"
_LEAVING = "leaving"
#: Folders below each room, made in advance: then no film waits for a folder, nor two processes race for one.
_FANOUT = tuple(f"{number:02x}" for number in range(256))
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Archive:
    """A folder of files. Thread safe, and safe for several processes at once."""

    def __init__(self, root: Path) -> None:
        """Make the folders; Misconfigured where they cannot be made, DiskFull or StoreUnavailable by cause."""
        self._root = root.absolute()
        try:
            _make_durable_folder(self._root)
            _make_durable_folders(self._root, (_SPOOL, _OBJECTS, _REPORTS))
            for room in (_OBJECTS, _REPORTS):
                _make_durable_folders(self._root / room, _FANOUT)
        except (PermissionError, NotADirectoryError, FileExistsError) as error:
            raise Misconfigured(
                f"The archive folder {self._root} cannot be made or written.",
                fix="Change [store] archive, or give the node's user the right to write there.",
            ) from error
        except OSError as error:
            raise _translate(error, self._root) from error

    @property
    def root(self) -> Path:
        """The archive's folder."""
        return self._root

    def spool(self) -> Path:
        """The path of a new file to write into, on the same file system as the place where it will be kept."""
        return self._root / _SPOOL / f"{uuid.uuid4().hex}.part"

    def keep(self, temp: Path, sop_instance_uid: str, *, sha256: str | None = None) -> str:
        """Move a spooled film to its place; on return it outlives a power cut. Returns the relative path.

        ``sha256`` (64 hex digits): a hash of the content where the caller has one, so that it is not read again.
        Keeping the same content twice gives the same path. Raises DiskFull or StoreUnavailable.
        """
        with self._translated():
            relative = _relative(_OBJECTS, sop_instance_uid, sha256 or _sha256_of(temp))
            _sync_file(temp)
            self._place(temp, relative)
        return relative

    def keep_report(self, data: bytes, sop_instance_uid: str, *, suffix: str = ".dcm") -> str:
        """Write a report durably; repeating it with the same bytes changes nothing. Returns the relative path.

        ``suffix`` says what it is: ``.dcm``, or ``.hl7`` or ``.json`` for messages.
        """
        relative = _relative(_REPORTS, sop_instance_uid, hashlib.sha256(data).hexdigest(), suffix)
        temp = self.spool()
        try:
            with self._translated():
                with temp.open("xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                self._place(temp, relative)
        finally:
            self.discard(temp)
        return relative

    def path(self, relative: str) -> Path:
        """Where a kept file lies."""
        return self._root / relative

    def existing(self, relative: str) -> Path:
        """Where a kept file lies, once it is certain that it does.

        Raises StoreUnavailable where the whole archive is away, UnreadableObject where only this file is.
        """
        path = self.path(relative)
        if path.is_file():
            return path
        if not (self._root / _OBJECTS).is_dir():
            raise StoreUnavailable(f"The archive {self._root} is gone.", fix="Mount it, or check [store] archive.")
        raise UnreadableObject(
            f"The file {relative} is missing from the archive.", fix="Restore it from a backup, then retry the exam."
        )

    def discard(self, temp: Path) -> None:
        """Remove a spooled file that will not be kept; it may be gone already."""
        with contextlib.suppress(OSError):
            temp.unlink()

    def set_aside(self, relative: str) -> Path | None:
        """Take a kept file out of its place, to be removed or put back; where it lies now, None where it is gone.

        Two steps, because no file goes with the commit of a row: who dies between them leaves the file in
        ``leaving/``, where ``set_aside_files`` finds it.
        """
        aside = self._root / _LEAVING / relative
        with self._translated():
            aside.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.replace(self.path(relative), aside)
            except FileNotFoundError:
                return None
        return aside

    def put_back(self, aside: Path) -> None:
        """Undo ``set_aside``; a file that came anew meanwhile stays, and is the same."""
        target = self._root / aside.relative_to(self._root / _LEAVING)
        with self._translated():
            with contextlib.suppress(FileExistsError):
                os.link(aside, target)
            _sync_folder(target.parent)
        self.discard(aside)

    def set_aside_files(self, *, older_than_seconds: float) -> Iterator[tuple[str, Path]]:
        """Path in the archive, and where it lies, of every file that somebody set aside and then died."""
        newest = time.time() - older_than_seconds
        for aside in (self._root / _LEAVING).rglob("*.*"):
            with contextlib.suppress(FileNotFoundError):
                if aside.stat().st_ctime <= newest:
                    yield str(aside.relative_to(self._root / _LEAVING)), aside

    def free_bytes(self) -> int:
        """Bytes that the archive's file system can still take."""
        with self._translated():
            return shutil.disk_usage(self._root).free

    def sweep(self, *, older_than_seconds: float = 0.0) -> int:
        """Remove torn files of an earlier run; returns how many.

        Call it before anything is received. Where several hosts share the archive, give an age that no transfer
        reaches.
        """
        newest = time.time() - older_than_seconds
        torn = [path for path in (self._root / _SPOOL).iterdir() if _modified(path) <= newest]
        for path in torn:
            self.discard(path)
        return len(torn)

    def kept(self) -> Iterator[str]:
        """The relative path of every kept file, films and reports, in no order."""
        for room in (_OBJECTS, _REPORTS):
            for folder, _, names in os.walk(self._root / room):
                for name in names:
                    yield str((Path(folder) / name).relative_to(self._root))

    def _place(self, temp: Path, relative: str) -> None:
        target = self.path(relative)
        os.replace(temp, target)
        _sync_folder(target.parent)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise _translate(error, self._root) from error


def _translate(error: OSError, root: Path) -> DiskFull | StoreUnavailable:
    if error.errno in _FULL:
        return DiskFull(f"The archive {root} is full.", fix="Free space there, or move [store] archive.")
    return StoreUnavailable(
        f"The archive {root} cannot be read or written: {os.strerror(error.errno or 0)}.",
        fix="Check that the folder is there, mounted, and belongs to the node's user.",
    )


def _relative(room: str, uid: str, content_sha256: str, suffix: str = ".dcm") -> str:
    name = hashlib.sha256(uid.encode()).hexdigest()[:32]
    return f"{room}/{name[:2]}/{name}-{content_sha256[:32]}{suffix}"


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _make_durable_folder(folder: Path) -> None:
    """Make a folder and its parents, each one's entry synced: a file is only as durable as the way to it."""
    if not folder.is_dir():
        _make_durable_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


def _make_durable_folders(parent: Path, names: Iterable[str]) -> None:
    for name in names:
        (parent / name).mkdir(exist_ok=True)
    _sync_folder(parent)


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
