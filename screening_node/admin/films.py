"""Display copies of films: made when somebody looks, kept on disk, never more than so many bytes of them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import uuid
from pathlib import Path

from screening_node.errors import DiskFull
from screening_node.imaging.display import display_png

MIB = 1024 * 1024
#: The folder of display copies, below the archive's.
DISPLAY = "display"
#: Changes when a film would be drawn otherwise: old copies are then not found, and age out.
_STYLE = "1"


class DisplayCopies:
    """PNGs of stored films in a folder. Thread safe; several processes may share the folder."""

    def __init__(self, folder: Path, *, most_bytes: int = 512 * MIB) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._drawing = threading.Semaphore(2)  # a film takes some 100 MiB while it is decoded

    def png(self, film: Path, name: str) -> bytes:
        """The display copy of a stored film; ``name`` stands for its content. Raises what ``display_png`` raises."""
        copy = self._copy(name)
        with contextlib.suppress(OSError):
            data = copy.read_bytes()
            os.utime(copy)
            return data
        with self._drawing:
            data = display_png(film)
        self._keep(copy, data)
        return data

    def forget(self, name: str) -> None:
        """Remove the copy of a film that is gone. Raises nothing: a copy that stays ages out."""
        with contextlib.suppress(OSError):
            self._copy(name).unlink(missing_ok=True)

    def _copy(self, name: str) -> Path:
        return self._folder / (hashlib.sha256(f"{_STYLE} {name}".encode()).hexdigest() + ".png")

    def _keep(self, copy: Path, data: bytes) -> None:
        """A copy that cannot be kept is drawn again next time; the disk may be full of films."""
        temp = copy.with_name(f"{uuid.uuid4().hex}.part")
        with contextlib.suppress(OSError, DiskFull):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            temp.write_bytes(data)
            temp.replace(copy)
            self._make_room()
        with contextlib.suppress(OSError):
            temp.unlink()

    def _make_room(self) -> None:
        """Remove what nobody has looked at for longest."""
        files = sorted(((file.stat(), file) for file in self._folder.iterdir()), key=lambda pair: pair[0].st_mtime)
        total = sum(status.st_size for status, _ in files)
        for status, file in files:
            if total <= self._most_bytes:
                return
            file.unlink(missing_ok=True)
            total -= status.st_size
