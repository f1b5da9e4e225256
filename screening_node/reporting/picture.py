"""The film as the page shows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from screening_node.errors import Permanent
from screening_node.imaging import display, pixels

#: uint8 (rows, columns), bone bright.
Picture = NDArray[np.uint8]


def of_file(path: Path) -> Picture | None:
    """The film in ``path``, bone bright; None where it cannot be decoded. Raises StoreUnavailable."""
    try:
        return display.shown(pixels.decode(pixels.read(path)).pixels, display.PAGE_SIDE)
    except Permanent:
        return None
