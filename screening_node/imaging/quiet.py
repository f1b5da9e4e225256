"""Reading with pydicom without its warnings.

Headers lie, and pydicom warns of each lie, quoting the value: a patient's name would end in a log, and under a strict
warning filter a film that can be read would fail. ``warnings.catch_warnings`` alone restores in the wrong order when
threads overlap, so entries are counted and the last one out restores.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


class _Hush:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._depth = 0
        self._caught: warnings.catch_warnings[None] | None = None

    def enter(self) -> None:
        with self._lock:
            self._depth += 1
            if self._depth == 1:
                logging.getLogger("pydicom").setLevel(logging.ERROR)  # it logs the same texts
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.simplefilter("ignore")

    def leave(self) -> None:
        with self._lock:
            self._depth -= 1
            if self._depth == 0 and self._caught is not None:
                self._caught.__exit__(None, None, None)
                self._caught = None


_HUSH = _Hush()


@contextmanager
def quietly() -> Iterator[None]:
    """While any thread is inside, no warning is shown or raised, in no thread."""
    _HUSH.enter()
    try:
        yield
    finally:
        _HUSH.leave()
