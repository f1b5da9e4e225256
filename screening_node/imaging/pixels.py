"""From a radiograph's data set to grey values in which bone is bright.

Modality LUT only (PS3.3 C.11.1): the VOI LUT is for display and would throw grey values away. MONOCHROME1 is inverted.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.pixels.processing import apply_modality_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import JPEGExtended12Bit

from screening_node.domain.result import Refusal, RefusalCode
from screening_node.errors import StoreUnavailable, UnreadableObject, UnreadablePixels
from screening_node.imaging import header
from screening_node.imaging.quiet import quietly

#: More than any radiography detector has (about 4300 x 3500): a larger film is refused before memory is taken.
LARGEST_SIDE = 10_000
LARGEST_AREA = 40_000_000
#: mm between pixel centres that a radiograph can have; beyond it the header is wrong.
POSSIBLE_SPACING = (0.02, 3.0)
_POSSIBLE_MAGNIFICATION = (1.0, 2.0)
#: Transfer syntaxes by their beginning, most specific first: JPEG-LS, JPEG 2000 (and HTJ2K), the older JPEGs.
_DECODERS = (
    ("1.2.840.10008.1.2.4.8", "pyjpegls"),
    ("1.2.840.10008.1.2.4.9", "pylibjpeg"),
    ("1.2.840.10008.1.2.4.20", "pylibjpeg"),
    ("1.2.840.10008.1.2.4", "gdcm"),
)


@dataclass(frozen=True, kw_only=True)
class Film:
    """One decoded radiograph.

    ``pixels``: float32 (rows, columns), after the Modality LUT, bone bright. ``spacing_mm``: (row, column) distance of
    pixel centres, in the patient where the header knows the magnification, else on the detector; None where missing
    or absurd.
    """

    pixels: NDArray[np.float32]
    spacing_mm: tuple[float, float] | None


def read(path: Path) -> Dataset:
    """A Part 10 file with its pixel data; UnreadableObject where it is none, StoreUnavailable where the disk fails."""
    try:
        with quietly():
            dataset = pydicom.dcmread(path)
    except (FileNotFoundError, IsADirectoryError, PermissionError, InvalidDicomError) as error:
        raise UnreadableObject("The file is no DICOM file that can be read.", fix="Send the film again.") from error
    except OSError as error:
        raise StoreUnavailable("The file cannot be read from disk.", fix="Check the archive's disk.") from error
    except Exception as error:  # pydicom raises whatever a broken stream leads it to
        raise UnreadableObject("The file is cut short or damaged.", fix="Send the film again.") from error
    if header.text(dataset, "SOPInstanceUID") is None:
        raise UnreadableObject("The file ends before its SOP Instance UID.", fix="Send the film again.")
    return dataset


def check_format(dataset: Dataset) -> Refusal | None:
    """Refuse from the header alone what no film of this node can be: nothing is decoded, no memory taken."""
    if "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset:
        return _format("The pixels are floating-point numbers; a radiograph has whole ones.")
    if not _has_pixels(dataset):
        return Refusal(code=RefusalCode.NO_PIXELS, text="The object has no pixel data.")
    rows, columns = header.whole(dataset, "Rows") or 0, header.whole(dataset, "Columns") or 0
    if rows <= 0 or columns <= 0:
        return _format("The header gives no rows or no columns.")
    if max(rows, columns) > LARGEST_SIDE or rows * columns > LARGEST_AREA:
        return Refusal(code=RefusalCode.TOO_LARGE, text=f"The film has {rows} x {columns} pixels; that is too large.")
    return _check_encoding(dataset)


def decode(dataset: Dataset) -> Film:
    """Decode a film; UnreadablePixels where its format is refused or its stream is cut or broken."""
    refused = check_format(dataset)
    if refused is not None:
        raise UnreadablePixels(refused.text, fix="Send a single-frame greyscale radiograph.")
    try:
        with quietly():
            pixels = _linear(dataset, _stored(dataset))
    except Exception as error:  # every decoder has its own exceptions
        raise UnreadablePixels("The pixel data cannot be decoded.", fix="Send the film again, uncompressed.") from error
    shape = (header.whole(dataset, "Rows"), header.whole(dataset, "Columns"))
    if pixels.shape != shape or not np.isfinite(pixels).all():
        raise UnreadablePixels("The decoded pixels do not have the header's size, or are not finite.")
    if header.text(dataset, "PhotometricInterpretation") == "MONOCHROME1":
        pixels = pixels.max() - pixels
    return Film(pixels=pixels, spacing_mm=spacing_mm(dataset))


def spacing_mm(dataset: Dataset) -> tuple[float, float] | None:
    """(row, column) spacing in mm, or None where it is missing or absurd (PS3.3 10.7.1.1, 10.7.1.3).

    A Pixel Spacing that differs from Imager Pixel Spacing is already calibrated to the patient; an Imager Pixel
    Spacing alone is divided by the Estimated Radiographic Magnification Factor where there is one.
    """
    imager, pixel = _pair(dataset, "ImagerPixelSpacing"), _pair(dataset, "PixelSpacing")
    if imager is None:
        return pixel or _pair(dataset, "NominalScannedPixelSpacing")
    if pixel is not None and pixel != imager:
        return pixel
    factor = header.number(dataset, "EstimatedRadiographicMagnificationFactor") or 1.0
    if not _POSSIBLE_MAGNIFICATION[0] <= factor <= _POSSIBLE_MAGNIFICATION[1]:
        factor = 1.0
    return imager[0] / factor, imager[1] / factor


def _stored(dataset: Dataset) -> NDArray[np.generic]:
    """Stored values (rows, columns)."""
    if dataset.file_meta.TransferSyntaxUID == JPEGExtended12Bit and (header.whole(dataset, "BitsStored") or 8) > 8:
        return _twelve_bit_jpeg(dataset)
    return pixel_array(dataset, decoding_plugin=_decoder(dataset))


def _twelve_bit_jpeg(dataset: Dataset) -> NDArray[np.uint16]:
    """JPEG Extended with 12 bits: none of pydicom's plug-ins takes it, GDCM by itself does, from the film's file."""
    import gdcm

    reader = gdcm.ImageReader()
    reader.SetFileName(str(dataset.filename))
    if not reader.Read():
        raise ValueError("GDCM cannot read the file")
    image = reader.GetImage()
    if image.GetPixelFormat().GetScalarTypeAsString() != "UINT16":
        raise ValueError("GDCM finds no unsigned 16-bit pixels")
    values = np.frombuffer(image.GetBuffer().encode("utf-8", "surrogateescape"), dtype="<u2")
    return values.reshape(image.GetDimension(1), image.GetDimension(0))


def _decoder(dataset: Dataset) -> str:
    """Which of pydicom's plug-ins decodes; "" leaves it to pydicom (uncompressed and RLE).

    One for each syntax, and never the next one where it fails: GDCM ends the whole process on some broken JPEG 2000
    streams that OpenJPEG refuses.
    """
    syntax = str(dataset.file_meta.TransferSyntaxUID)
    return next((plugin for beginning, plugin in _DECODERS if syntax.startswith(beginning)), "")


def _pair(dataset: Dataset, keyword: str) -> tuple[float, float] | None:
    values = header.numbers(dataset, keyword)
    low, high = POSSIBLE_SPACING
    if len(values) != 2 or not all(low <= value <= high for value in values):
        return None
    return (values[0], values[1]) if 0.5 <= values[0] / values[1] <= 2 else None


def _has_pixels(dataset: Dataset) -> bool:
    if "PixelData" not in dataset:
        return False
    element = dataset.get_item("PixelData")
    return element is not None and bool(element.value)


def _check_encoding(dataset: Dataset) -> Refusal | None:
    photometric = header.text(dataset, "PhotometricInterpretation")
    if photometric not in {"MONOCHROME1", "MONOCHROME2"} or (header.whole(dataset, "SamplesPerPixel") or 1) != 1:
        return _format("The pixels are not greyscale (MONOCHROME1 or MONOCHROME2).")
    if (header.whole(dataset, "NumberOfFrames") or 1) > 1:
        return _format("The object has several frames; a film has one.")
    allocated, stored = header.whole(dataset, "BitsAllocated"), header.whole(dataset, "BitsStored")
    if allocated not in {8, 16} or stored is None or not 8 <= stored <= allocated:
        return _format(f"The pixels have {stored} of {allocated} bits; 8 to 16 are expected.")
    return None


def _format(text: str) -> Refusal:
    return Refusal(code=RefusalCode.PIXEL_FORMAT, text=text)


def _linear(dataset: Dataset, stored: NDArray[np.generic]) -> NDArray[np.float32]:
    """The Modality LUT; a slope of zero or none at all is taken as the identity."""
    if "ModalityLUTSequence" in dataset:
        return np.asarray(apply_modality_lut(stored, dataset), dtype=np.float32)
    values = stored.astype(np.float32)
    slope, intercept = header.number(dataset, "RescaleSlope") or 1.0, header.number(dataset, "RescaleIntercept") or 0.0
    return values if (slope, intercept) == (1.0, 0.0) else values * np.float32(slope) + np.float32(intercept)
