"""The nightly window: APScheduler starts a run when it opens, by the source's clock; the run ends when it closes."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

from screening_node.errors import LeaseLost, SourceRefused, Transient
from screening_node.intake.pull.puller import Ended, Puller, days_between
from screening_node.intake.scp import quiet_libraries

logger = logging.getLogger(__name__)

#: After a source was away, or while another process fetches, so long until the next try in the same window.
_AGAIN_SECONDS: Final = 300.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """From ``opens`` to ``closes``, over midnight where that is earlier; all day long where they are the same.

    By the clocks of ``zone``, or of this machine.
    """

    opens: dt.time
    closes: dt.time
    zone: ZoneInfo | None = None

    def holds(self, at: dt.datetime) -> bool:
        """Whether the window is open then."""
        now = at.astimezone(self.zone).time()
        if self.opens == self.closes:
            return True
        if self.opens < self.closes:
            return self.opens <= now < self.closes
        return now >= self.opens or now < self.closes

    def yesterday(self, at: dt.datetime) -> dt.date:
        """The last day of which no more films come."""
        return at.astimezone(self.zone).date() - dt.timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """What one source is asked for each night: the days from ``first`` to ``last``, or to yesterday."""

    name: str
    window: Window
    first: dt.date
    last: dt.date | None
    make: Callable[[], Puller]

    def days(self, at: dt.datetime) -> list[dt.date]:
        """In the order in which they are fetched."""
        yesterday = self.window.yesterday(at)
        return days_between(self.first, yesterday if self.last is None else min(self.last, yesterday))


def utc_now() -> dt.datetime:
    """The time, aware."""
    return dt.datetime.now(dt.UTC)


def run_schedules(
    schedules: Sequence[Schedule], stop: threading.Event, *, clock: Callable[[], dt.datetime] = utc_now
) -> None:
    """Fetch in every window until ``stop`` is set; in one that is open already at once."""
    quiet_libraries()
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
    scheduler = BackgroundScheduler(timezone=dt.UTC)
    for schedule in schedules:
        scheduler.add_job(
            one_window,
            trigger(schedule.window),
            args=(schedule, stop, clock),
            id=schedule.name,
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
            next_run_time=clock() if schedule.window.holds(clock()) else _next(schedule.window, clock()),
        )
        logger.info("Fetching from %s from %s to %s.", schedule.name, schedule.window.opens, schedule.window.closes)
    scheduler.start()
    try:
        stop.wait()
    finally:
        scheduler.shutdown(wait=True)


def trigger(window: Window) -> CronTrigger:
    """Fires when the window opens, by its own clock."""
    return CronTrigger(
        hour=window.opens.hour, minute=window.opens.minute, second=window.opens.second, timezone=window.zone
    )


def _next(window: Window, at: dt.datetime) -> dt.datetime | None:
    fires: dt.datetime | None = trigger(window).get_next_fire_time(None, at)
    return fires


def one_window(schedule: Schedule, stop: threading.Event, clock: Callable[[], dt.datetime] = utc_now) -> None:
    """Fetch until all is fetched, or the window closes; a source that is away is asked again."""

    def may_go_on() -> bool:
        return schedule.window.holds(clock())

    while may_go_on() and not stop.is_set():
        try:
            ended = schedule.make().run(schedule.days(clock()), stop, may_go_on=may_go_on)
        except (Transient, LeaseLost) as error:
            logger.warning("Fetching from %s broke off: %s", schedule.name, error)
        except SourceRefused as error:
            logger.error("Fetching from %s is given up for this night: %s", schedule.name, error)
            return
        else:
            if ended is not Ended.BUSY:
                return
        stop.wait(_AGAIN_SECONDS)
