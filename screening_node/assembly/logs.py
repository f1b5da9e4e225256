"""What each process writes to standard error."""

from __future__ import annotations

import logging
import sys


def configure_logging() -> None:
    """Log to standard error, one line an event; what libraries say may quote headers or addresses, and stays out."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(processName)s %(levelname)s %(name)s: %(message)s",
    )
    for library in ("pynetdicom", "pydicom", "alembic", "highdicom", "httpx", "authlib"):
        logging.getLogger(library).setLevel(logging.ERROR)
