"""The film as the page shows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from screening_node.errors import Permanent
from screening_node.imaging import display, pixels

#: Pixels along the longer side: twice what the Secondary Capture shows, so that the PDF can be looked at closely.
LONGEST_SIDE = 700


def of_file(path: Path) -> NDArray[np.uint8] | None:
    """The film in ``path``, bone bright; None where it cannot be decoded. Raises StoreUnavailable."""
    try:
        return display.shown(pixels.decode(pixels.read(path)).pixels, LONGEST_SIDE)
    except Permanent:
        return None
