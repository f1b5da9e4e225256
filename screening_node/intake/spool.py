"""The bytes of one data set on their way from the socket to the disk; never held whole in memory."""

from __future__ import annotations

import contextlib
import enum
import hashlib
import io
import struct
from pathlib import Path

from pydicom.dataset import Dataset
from pynetdicom import PYNETDICOM_IMPLEMENTATION_UID, PYNETDICOM_IMPLEMENTATION_VERSION

from screening_node.errors import DiskFull, StoreUnavailable
from screening_node.intake.header import Spooled, early_header
from screening_node.intake.refused import Refused
from screening_node.intake.statuses import IntakeStatus
from screening_node.store.archive import Archive


class Priority(enum.IntEnum):
    """Which films are judged first: the higher."""

    LIVE = 0
    #: Films that were fetched from an archive. No doctor waits for them.
    BACKLOG = -10


#: The header is read as soon as so much of the data set has come: while the sender still sends the rest.
_BEGINNING = 65536


def part10_preamble(*, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, calling_ae: str) -> bytes:
    """Preamble, prefix and File Meta Information (PS3.10 section 7.1) for an object that came over the network."""
    elements = (
        _long_element(0x0001, b"OB", b"\0\1"),  # File Meta Information Version
        _element(0x0002, b"UI", sop_class_uid),
        _element(0x0003, b"UI", sop_instance_uid),
        _element(0x0010, b"UI", transfer_syntax_uid),
        _element(0x0012, b"UI", PYNETDICOM_IMPLEMENTATION_UID),
        _element(0x0013, b"SH", PYNETDICOM_IMPLEMENTATION_VERSION),
        _element(0x0016, b"AE", calling_ae),
    )
    rest = b"".join(elements)
    return b"\0" * 128 + b"DICM" + struct.pack("<HH2sHL", 0x0002, 0x0000, b"UL", 4, len(rest)) + rest


def _element(number: int, vr: bytes, text: str) -> bytes:
    """An element of group 2, explicit VR little endian, with a 16-bit length."""
    value = text.encode("ascii")
    if len(value) % 2:
        value += b"\0" if vr == b"UI" else b" "
    return struct.pack("<HH2sH", 0x0002, number, vr, len(value)) + value


def _long_element(number: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sxxL", 0x0002, number, vr, len(value)) + value


class Spool:
    """A temporary file that takes fragments as they come.

    Once a fragment cannot be taken (disk full, object too large) the file is removed at once and the rest is read
    and dropped, so that the sender hears the named status and the association lives on. Used by one thread.
    """

    def __init__(self, archive: Archive, max_bytes: int) -> None:
        self._archive = archive
        self._max_bytes = max_bytes
        self._file: io.FileIO | None = None
        self._path: Path | None = None
        self._offset = 0
        self._size = 0
        self._digest = hashlib.sha256()
        self._identity = ("", "", "")
        self._beginning = bytearray()
        self._header: Dataset | None = None
        self.refused: Refused | None = None
        self.calling_ae = ""
        #: For the log: who sent it, by which way in.
        self.origin = ""
        #: Of the judgement that it asks for; see ``Priority``.
        self.priority: int = Priority.LIVE

    def open(
        self, *, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, calling_ae: str, min_free: int
    ) -> None:
        """Make the file and write its meta header; a disk without ``min_free`` bytes refuses the object."""
        self._identity = (sop_class_uid, sop_instance_uid, transfer_syntax_uid)
        self.calling_ae = calling_ae
        self.origin = self.origin or calling_ae
        preamble = part10_preamble(
            sop_class_uid=sop_class_uid,
            sop_instance_uid=sop_instance_uid,
            transfer_syntax_uid=transfer_syntax_uid,
            calling_ae=calling_ae,
        )
        try:
            if self._archive.free_bytes() < min_free:
                raise DiskFull("The archive's disk has less free space than the node keeps in reserve.")
            self._path = self._archive.spool()
            self._file = io.FileIO(self._path, "xb")
            self._offset = len(preamble)
            _write_all(self._file, memoryview(preamble))
        except (OSError, DiskFull, StoreUnavailable) as error:
            self.refuse(_no_room(error))

    def write(self, fragment: memoryview) -> None:
        """Take one fragment, or drop it where the object is refused already."""
        if self._file is None:
            return
        self._size += len(fragment)
        if self._size > self._max_bytes:
            self.refuse(Refused(IntakeStatus.OBJECT_TOO_LARGE, f"Larger than {self._max_bytes} bytes."))
            return
        try:
            _write_all(self._file, fragment)
        except OSError as error:
            self.refuse(_no_room(error))
            return
        self._digest.update(fragment)
        if len(self._beginning) < _BEGINNING:
            self._read_beginning(fragment)

    def _read_beginning(self, fragment: memoryview) -> None:
        self._beginning += fragment[: _BEGINNING - len(self._beginning)]
        if len(self._beginning) == _BEGINNING:
            self._header = early_header(bytes(self._beginning), self._identity[2])

    def refuse(self, refused: Refused) -> None:
        """Remove the file; the first reason is the one that counts."""
        self.refused = self.refused or refused
        self.discard()

    def complete(self) -> Spooled:
        """Close the file after the last fragment. Raises Refused where the object was refused on the way."""
        try:
            if self._file is not None:
                self._file.close()
                self._file = None
        except OSError as error:
            self.refuse(_no_room(error))
        if self.refused is not None:
            raise self.refused
        if self._path is None:
            raise Refused(IntakeStatus.PROCESSING_FAILURE, "The association ended before the object was kept.")
        return Spooled(
            path=self._path,
            offset=self._offset,
            size=self._size,
            sha256=self._digest.hexdigest(),
            sop_class_uid=self._identity[0],
            sop_instance_uid=self._identity[1],
            transfer_syntax_uid=self._identity[2],
            header=self._header,
        )

    @property
    def settled(self) -> bool:
        """Whether nothing of it is left in the spool folder."""
        return self._path is None

    def discard(self) -> None:
        """Close and remove the temporary file if it is still there; harmless to repeat or after it was kept."""
        file, path = self._file, self._path
        self._file = self._path = None
        if file is not None:
            with contextlib.suppress(OSError):
                file.close()
        if path is not None:
            self._archive.discard(path)


def _write_all(file: io.FileIO, data: memoryview) -> None:
    """Write without a buffer of our own: a disk that fills takes a part first, and says so at the next try."""
    written = file.write(data) or 0
    while written < len(data):
        written += file.write(data[written:]) or 0


def _no_room(error: Exception) -> Refused:
    """The spool cannot be written, whatever the cause: out of resources, and the sender may try again."""
    if isinstance(error, StoreUnavailable):
        return Refused(IntakeStatus.STORE_UNAVAILABLE, "The archive cannot be reached.")
    return Refused(IntakeStatus.OUT_OF_DISK, "The archive's disk is full or cannot be written.")
