"""Whether two files show the same picture, whatever else their headers say."""

from __future__ import annotations

from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from screening_node.imaging.quiet import quietly

#: What makes a picture out of pixel data (PS3.3 section C.7.6.3), and what ties it to its study.
_DECISIVE = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelData",
)


def same_picture(one: Path, other: Path) -> bool:
    """Whether two Part 10 files hold the same pixel data, of the same instance, encoded alike.

    Both are read whole. False where either cannot be read, or has no pixel data.
    """
    try:
        with quietly():
            first, second = _read(one), _read(other)
            return "PixelData" in first and _said(first) == _said(second)
    except Exception:  # pydicom raises nearly anything on broken bytes
        return False


def _read(path: Path) -> Dataset:
    return dcmread(path, specific_tags=list(_DECISIVE))


def _said(dataset: Dataset) -> list[object]:
    """The decisive values as they stand in the file, undecoded."""
    elements = (dataset.get_item(keyword) for keyword in _DECISIVE)
    values: list[object] = [None if element is None else element.value for element in elements]
    return [str(dataset.file_meta.TransferSyntaxUID), *values]
