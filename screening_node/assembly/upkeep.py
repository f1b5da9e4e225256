"""The upkeep process: at its hour, on one of the hosts, it lets go of films that the rules do not keep."""

from __future__ import annotations

import datetime as dt
import logging
import socket
import threading
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from screening_node.admin.films import DISPLAY, DisplayCopies
from screening_node.assembly.logs import configure_logging
from screening_node.assembly.storage import MIB, opened
from screening_node.errors import ScreeningNodeError
from screening_node.settings import Settings
from screening_node.store import chores, retention
from screening_node.store.archive import Archive
from screening_node.store.retention import Retained, RetentionRules
from screening_node.store.session import Store

if TYPE_CHECKING:
    from apscheduler.schedulers.background import BackgroundScheduler

log = logging.getLogger(__name__)

#: The chore's name in the store.
RETENTION = "retention"
#: A machine that slept through the hour may begin so much later; past that it waits for the next day.
_LATE_S = 3600


def run_upkeep_process(stop: threading.Event, owner: str, settings: Settings) -> None:
    """Wait for the hour until ``stop`` is set; the body of the upkeep process."""
    configure_logging()
    with opened(settings) as store:
        scheduler = _scheduler(settings, store)
        scheduler.start()
        try:
            stop.wait()
        finally:
            scheduler.shutdown()


def _scheduler(settings: Settings, store: Store) -> BackgroundScheduler:
    from apscheduler.schedulers.background import BackgroundScheduler
    from apscheduler.triggers.cron import CronTrigger

    section = settings.retention
    zone = None if section.time_zone is None else ZoneInfo(section.time_zone)
    scheduler = BackgroundScheduler()
    scheduler.add_job(
        nightly,
        CronTrigger(hour=section.hour, minute=section.minute, timezone=zone),
        args=(settings, store),
        misfire_grace_time=_LATE_S,
        coalesce=True,
        max_instances=1,
    )
    return scheduler


def nightly(settings: Settings, store: Store) -> None:
    """Let go of what the rules say, unless another host does it today. What fails waits for the next day."""
    section = settings.retention
    now = dt.datetime.now(dt.UTC)
    today = now.astimezone(None if section.time_zone is None else ZoneInfo(section.time_zone)).date()
    try:
        with store.begin() as tx:
            if not chores.take(tx, RETENTION, today, host=socket.gethostname(), now=now):
                log.info("Another host looks after the retention of today.")
                return
        retain_now(settings, store, actor=retention.NODE)
    except ScreeningNodeError as error:
        log.error("Retention stopped; it goes on tomorrow: %s", error)


def retain_now(settings: Settings, store: Store, *, actor: str) -> Retained:
    """Let go of what the rules say, with the copies that pages show. Raises StoreUnavailable."""
    archive = Archive(settings.store.archive)
    copies = DisplayCopies(archive.root / DISPLAY)
    now = dt.datetime.now(dt.UTC)
    return retention.retain(store, archive, retention_rules(settings), now=now, actor=actor, forget=copies.forget)


def retention_rules(settings: Settings) -> RetentionRules:
    """What ``[retention]`` says."""
    section = settings.retention
    return RetentionRules(
        judged_days=section.judged_days,
        refused_days=section.refused_days,
        failed_days=section.failed_days,
        min_free_bytes=None if section.min_free_mib is None else section.min_free_mib * MIB,
        keep_days=section.keep_days,
    )
