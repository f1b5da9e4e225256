"""A process's figures of itself, written to the store every few seconds by a thread beside its work."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import threading
from collections.abc import Callable, Iterator, Mapping

from screening_node.errors import ScreeningNodeError
from screening_node.store import gauges
from screening_node.store.session import Store

log = logging.getLogger(__name__)

EVERY_S = 15.0
#: Figures of a process that has not written for so long are old.
FRESH = dt.timedelta(seconds=8 * EVERY_S)


@contextlib.contextmanager
def written(
    store: Store, source: str, measure: Callable[[], Mapping[str, float]], *, every_s: float = EVERY_S
) -> Iterator[None]:
    """Write what ``measure`` gives, for the length of a block; nothing runs where it gives nothing."""
    if not measure():
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=_run, args=(store, source, measure, every_s, ended), name="vitals", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _run(
    store: Store, source: str, measure: Callable[[], Mapping[str, float]], every_s: float, ended: threading.Event
) -> None:
    while True:
        try:
            with store.begin() as tx:
                gauges.write(tx, source, measure(), dt.datetime.now(dt.UTC))
        except ScreeningNodeError as error:
            log.warning("The figures of %s are not written: %s", source, error)
        except Exception as error:  # figures are no reason to stop judging
            log.warning("The figures of %s cannot be measured (%s).", source, type(error).__name__)
        if ended.wait(every_s):
            return
