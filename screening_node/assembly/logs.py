"""What each process writes to standard error."""

from __future__ import annotations

import logging
import sys


def configure_logging() -> None:
    """Log to standard error, one line an event; the DICOM libraries' own messages may quote headers and stay out."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(processName)s %(levelname)s %(name)s: %(message)s",
    )
    for library in ("pynetdicom", "pydicom", "alembic", "highdicom"):
        logging.getLogger(library).setLevel(logging.ERROR)
