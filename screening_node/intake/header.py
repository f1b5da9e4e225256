"""The header of a spooled object: structure checked, then read up to the pixel data, identity compared."""

from __future__ import annotations

import io
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag
from pydicom.uid import UID

from screening_node.errors import UnreadableObject
from screening_node.imaging.header import text
from screening_node.intake.refused import Refused
from screening_node.intake.statuses import IntakeStatus
from screening_node.intake.structure import PIXEL_TAGS, Encoding, StructureWalk

#: PS3.5 section 9.1, but leading zeros are let pass: old modalities write them, and archives keep them.
_UID = re.compile(r"[0-9]+(\.[0-9]+)+")
_LONGEST_UID = 64
#: A deflated header beyond this is a bomb, not a header.
_LARGEST_INFLATED_HEADER = 32 * 1024 * 1024
#: Values longer than this stay in the file; nothing that the intake reads is as long.
_DEFER_BYTES = 65536


@dataclass(frozen=True, kw_only=True, slots=True)
class Spooled:
    """A complete Part 10 file in the spool, and what the command set said of it."""

    path: Path
    offset: int
    size: int
    sha256: str
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    #: Read already, while the rest was still to come; None where it is to be read from the file.
    header: Dataset | None = None


def is_valid_uid(text: str) -> bool:
    """Whether ``text`` is made like a UID: digits and dots, 64 characters at most."""
    return len(text) <= _LONGEST_UID and _UID.fullmatch(text) is not None


def read_header(spooled: Spooled) -> Dataset:
    """Everything before the pixel data. Raises Refused where it cannot be read or is not what the command named."""
    try:
        header = _read(spooled)
    except Refused:
        raise
    except UnreadableObject as error:
        raise Refused(IntakeStatus.CANNOT_UNDERSTAND, error.message) from error
    except Exception as error:  # pydicom raises many kinds over damaged bytes; their texts may hold patient data
        raise Refused(IntakeStatus.CANNOT_UNDERSTAND, "The data set cannot be parsed.") from error
    _check_identity(header, spooled)
    return header


def early_header(beginning: bytes, transfer_syntax_uid: str) -> Dataset | None:
    """The header, where a data set's first bytes hold it whole; None where they do not, or where it is not proper.

    What is wrong with it is said once the object is complete, by ``read_header``.
    """
    syntax = UID(transfer_syntax_uid)
    if syntax.is_deflated:
        return None
    encoding = Encoding(implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
    stream = io.BytesIO(beginning)
    try:
        if not StructureWalk(stream, len(beginning)).to_pixel_data(encoding):
            return None
        stream.seek(0)
        return read_dataset(stream, encoding.implicit_vr, encoding.little_endian, stop_when=_at_pixels)
    except Exception:  # pydicom raises many kinds
        return None


def _read(spooled: Spooled) -> Dataset:
    if spooled.header is not None:
        return spooled.header
    syntax = UID(spooled.transfer_syntax_uid)
    encoding = Encoding(implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
    if syntax.is_deflated:
        return _read_deflated(spooled, encoding)
    with spooled.path.open("rb") as stream:
        stream.seek(spooled.offset)
        StructureWalk(stream, spooled.size).to_pixel_data(encoding)
    return dcmread(spooled.path, stop_before_pixels=True, defer_size=_DEFER_BYTES)


def _read_deflated(spooled: Spooled, encoding: Encoding) -> Dataset:
    """PS3.5 annex A.5: the whole data set is one raw deflate stream (RFC 1951)."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    with spooled.path.open("rb") as stream:
        stream.seek(spooled.offset)
        plain = inflater.decompress(stream.read(_LARGEST_INFLATED_HEADER), _LARGEST_INFLATED_HEADER)
    inflated = io.BytesIO(plain)
    StructureWalk(inflated, len(plain)).to_pixel_data(encoding)
    inflated.seek(0)
    return read_dataset(inflated, encoding.implicit_vr, encoding.little_endian, stop_when=_at_pixels)


def _at_pixels(tag: BaseTag, vr: str | None, length: int) -> bool:
    return tag in PIXEL_TAGS


def _check_identity(header: Dataset, spooled: Spooled) -> None:
    if uid_of(header, "SOPClassUID") != spooled.sop_class_uid:
        raise Refused(IntakeStatus.DATA_SET_MISMATCH, "SOP Class UID of data set and command differ.")
    if uid_of(header, "SOPInstanceUID") != spooled.sop_instance_uid:
        raise Refused(IntakeStatus.DATA_SET_MISMATCH, "SOP Instance UID of data set and command differ.")
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID"):
        if not is_valid_uid(uid_of(header, keyword)):
            raise Refused(IntakeStatus.INVALID_STUDY_OR_SERIES, f"{keyword} is missing or no valid UID.")


def uid_of(header: Dataset, keyword: str) -> str:
    """A UID of the header as text, without padding; empty where it is absent."""
    return text(header, keyword) or ""
