"""When the node looks for what to tell, and when the digest is due: APScheduler's part."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
from collections.abc import Callable, Iterator

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from screening_node.errors import ScreeningNodeError
from screening_node.notifications.digest import Digest, Hour
from screening_node.notifications.watch import Watch
from screening_node.queue.retry import where

log = logging.getLogger(__name__)

_LOOK_SECONDS = 5.0
#: A digest that could not be written at its hour, because the store or the whole node was away, is tried so often.
_AGAIN_MINUTES = 10


@contextlib.contextmanager
def telling(watch: Watch, digest: Digest | None, *, every: float = _LOOK_SECONDS) -> Iterator[None]:
    """Watch every so many seconds, and write the digest at its hour, on threads of their own for a block's length."""
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # a round that takes longer is no news
    scheduler = BackgroundScheduler(
        timezone=dt.UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    )
    soon = dt.datetime.now(dt.UTC)
    scheduler.add_job(_patiently(watch.round), IntervalTrigger(seconds=every, timezone=dt.UTC), next_run_time=soon)
    if digest is not None:
        scheduler.add_job(_patiently(digest.write), digest_trigger(digest.hour), next_run_time=soon)
    scheduler.start()
    try:
        yield
    finally:
        scheduler.shutdown(wait=True)


def digest_trigger(hour: Hour) -> OrTrigger:
    """At the hour by that zone's clocks, and now and then in between: writing it again changes nothing."""
    return OrTrigger(
        [
            CronTrigger(hour=hour.hour, minute=hour.minute, timezone=hour.zone),
            IntervalTrigger(minutes=_AGAIN_MINUTES, timezone=dt.UTC),
        ]
    )


def _patiently(work: Callable[[], object]) -> Callable[[], None]:
    """What fails for now is done by a later round."""

    def run() -> None:
        try:
            work()
        except ScreeningNodeError as error:
            log.warning("Nobody can be told for now: %s", error)
        except Exception as error:  # the next round may fare better
            log.error("Looking for what to tell failed: %s", where(error))

    return run
