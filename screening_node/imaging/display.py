"""A film as people look at it: windowed to eight bits, bone bright, no larger than a screen needs."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image

from screening_node.errors import UnreadableObject
from screening_node.imaging import header, pixels
from screening_node.imaging.pyramid import Pyramid
from screening_node.imaging.quiet import quietly

#: Pixels along the longer side of a display copy.
LONGEST_SIDE = 1600
#: The same for the page that goes to PACS: more than its Secondary Capture shows, for a close look at the PDF.
PAGE_SIDE = 700
#: Grey values outside are shown black and white: collimator edges and markers would flatten the rest.
_SHOWN_PERCENT = (0.5, 99.5)


def display_png(path: Path, longest_side: int = LONGEST_SIDE) -> bytes:
    """A stored film as a greyscale PNG. Raises UnreadableObject, UnreadablePixels or StoreUnavailable."""
    film = pixels.decode(pixels.read(path))
    buffer = io.BytesIO()
    Image.fromarray(shown(film.pixels, longest_side)).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def shown(film: NDArray[np.float32], longest_side: int = LONGEST_SIDE) -> NDArray[np.uint8]:
    """Decoded grey values (rows, columns), bone bright, shrunk and windowed for the eye."""
    return _windowed(_shrunk(film, longest_side))


def page_picture(pyramid: Pyramid) -> NDArray[np.uint8]:
    """A film that is in memory, as a page shows it: from the smallest level that has enough pixels."""
    enough = [level for level in pyramid.levels if max(level.shape) >= PAGE_SIDE]
    return shown(enough[-1] if enough else pyramid.levels[0], PAGE_SIDE)


def stored_size(path: Path) -> tuple[int, int] | None:
    """Rows and columns of a stored film from its header; None where it says none."""
    try:
        with quietly():
            dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["Rows", "Columns"])
    except Exception as error:  # pydicom raises whatever a broken stream leads it to
        raise UnreadableObject("The file is no DICOM file that can be read.", fix="Send the film again.") from error
    rows, columns = header.whole(dataset, "Rows"), header.whole(dataset, "Columns")
    return None if not rows or not columns else (rows, columns)


def _shrunk(film: NDArray[np.float32], longest_side: int) -> NDArray[np.float32]:
    """Means of whole blocks, which keep fine bone without moiré; a last part block is left out."""
    step = -(-max(film.shape) // longest_side)
    if step <= 1:
        return film
    rows, columns = (side // step * step for side in film.shape)
    across = np.add.reduceat(film[:rows, :columns], np.arange(0, columns, step), axis=1)
    both = np.add.reduceat(across, np.arange(0, rows, step), axis=0)
    return np.asarray(both / np.float32(step * step), dtype=np.float32)


def _windowed(film: NDArray[np.float32]) -> NDArray[np.uint8]:
    low, high = np.percentile(_sampled(film), _SHOWN_PERCENT)
    scaled = (film - np.float32(low)) * np.float32(255.0 / max(high - low, 1e-6))
    return np.asarray(np.clip(scaled, 0, 255), dtype=np.uint8)


def _sampled(film: NDArray[np.float32]) -> NDArray[np.float32]:
    """Some 200 x 200 pixels of it, which are enough to find percentiles."""
    rows, columns = film.shape
    return film[:: max(1, rows // 200), :: max(1, columns // 200)]
