"""Part 10 files that come as a stream (PS3.10 section 7): over HTTP, or from a folder.

The meta information is read, and the data set goes to the spool as it comes: what is kept is the same as if the
object had come by C-STORE, and it is checked, counted and refused in the same way.
"""

from __future__ import annotations

import io
import struct
from functools import cache
from typing import Final

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from screening_node.imaging.header import text
from screening_node.intake.header import is_valid_uid
from screening_node.intake.refused import Refused
from screening_node.intake.scp import archivable_transfer_syntaxes, supported_contexts
from screening_node.intake.spool import Spool
from screening_node.intake.statuses import IntakeStatus

#: Preamble, prefix, and File Meta Information Group Length (0002,0000) as explicit VR little endian.
_HEAD = struct.Struct("<128s4sHH2sHL")
_GROUP_LENGTH: Final = (b"DICM", 0x0002, 0x0000, b"UL", 4)
#: A few hundred bytes are usual; private information may lie there, too.
_LONGEST_META: Final = 65536


class Part10Reception:
    """One file on its way into the spool; used by one thread."""

    def __init__(self, spool: Spool, *, sender: str, min_free: int) -> None:
        """``sender``: an AE title, or what stands for one. A disk without ``min_free`` bytes refuses the object."""
        self.spool = spool
        self.spool.calling_ae = sender
        self._sender = sender
        self._min_free = min_free
        self._head: bytearray | None = bytearray()
        self.sop_class_uid = ""
        self.sop_instance_uid = ""

    def write(self, fragment: memoryview) -> None:
        """Take the next bytes of the file, or drop them where it is refused already."""
        if self._head is None:
            self.spool.write(fragment)
            return
        self._head += fragment
        end = self._end_of_meta()
        if end is not None and len(self._head) >= end:
            head, self._head = memoryview(bytes(self._head)), None
            self._open(bytes(head[_HEAD.size : end]))
            self.spool.write(head[end:])

    def end(self) -> None:
        """The file has ended."""
        if self._head is not None:
            self.refuse(IntakeStatus.CANNOT_UNDERSTAND, "This is no DICOM file, or it is cut.")

    def refuse(self, status: IntakeStatus, reason: str) -> None:
        """Keep nothing of it, whatever still comes."""
        self._head = None
        self.spool.refuse(Refused(status, reason))

    def _end_of_meta(self) -> int | None:
        """Where the data set begins; None where that cannot be told yet, or where the file was refused."""
        assert self._head is not None
        if len(self._head) < _HEAD.size:
            return None
        _, *found, length = _HEAD.unpack_from(self._head)
        if tuple(found) == _GROUP_LENGTH and length <= _LONGEST_META:
            return _HEAD.size + int(length)
        self.refuse(IntakeStatus.CANNOT_UNDERSTAND, "This is no DICOM file with proper meta information.")
        return None

    def _open(self, meta: bytes) -> None:
        try:
            elements = read_dataset(io.BytesIO(meta), is_implicit_VR=False, is_little_endian=True)
        except Exception:  # pydicom raises many kinds over damaged bytes
            self.refuse(IntakeStatus.CANNOT_UNDERSTAND, "The file's meta information cannot be parsed.")
            return
        self._identify(elements)

    def _identify(self, meta: Dataset) -> None:
        uids = [text(meta, f"MediaStorageSOP{kind}UID") or "" for kind in ("Class", "Instance")]
        sop_class, instance, syntax = *uids, text(meta, "TransferSyntaxUID") or ""
        if not is_valid_uid(instance):
            self.refuse(IntakeStatus.INVALID_SOP_INSTANCE, "Media Storage SOP Instance UID is no valid UID.")
            return
        self.sop_instance_uid = instance
        self.sop_class_uid = sop_class if is_valid_uid(sop_class) else ""
        if sop_class not in _storage_classes():
            self.refuse(IntakeStatus.SOP_CLASS_NOT_SUPPORTED, "The node does not keep this SOP class.")
            return
        if syntax not in archivable_transfer_syntaxes():
            self.refuse(IntakeStatus.SYNTAX_NOT_SUPPORTED, "The node does not keep this transfer syntax.")
            return
        self.spool.open(
            sop_class_uid=sop_class,
            sop_instance_uid=instance,
            transfer_syntax_uid=syntax,
            calling_ae=self._sender,
            min_free=self._min_free,
        )


@cache
def _storage_classes() -> frozenset[str]:
    return frozenset(str(context.abstract_syntax) for context in supported_contexts()[1:])  # the first: Verification
