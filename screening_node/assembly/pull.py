"""Fetching from archives: by hand, and as a process that does it in nightly windows."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from screening_node.assembly.certificates import client_tls
from screening_node.assembly.logs import configure_logging
from screening_node.assembly.storage import opened
from screening_node.assembly.ways_in import limits
from screening_node.errors import NotFound
from screening_node.settings import Settings
from screening_node.store.archive import Archive
from screening_node.store.session import Store

if TYPE_CHECKING:
    from screening_node.intake.files import FileDoor
    from screening_node.intake.pull.puller import Ended, Progress, Puller
    from screening_node.intake.pull.source import Source
    from screening_node.intake.pull.window import Schedule, Window
    from screening_node.settings.ways_in import PullSection


def run_pull_process(stop: threading.Event, owner: str, settings: Settings) -> None:
    """Fetch in nightly windows until ``stop`` is set; the body of that process."""
    from screening_node.intake.pull.window import run_schedules

    configure_logging()
    with opened(settings) as store:
        door = _door(settings, store)
        run_schedules([_schedule(each, settings, store, door, owner) for each in nightly(settings)], stop)


def nightly(settings: Settings) -> list[PullSection]:
    """The sources that are fetched from without anybody's asking: those with a first day."""
    return [each for each in settings.pull if each.first_day is not None]


def pull_by_hand(
    settings: Settings,
    name: str,
    days: Sequence[dt.date],
    *,
    owner: str,
    stop: threading.Event,
    progress: Callable[[Progress], None],
    films_a_minute: float | None = None,
) -> Ended:
    """Fetch days from one source now. Raises NotFound, and what ``Puller.run`` raises."""
    from screening_node.intake.scp import quiet_libraries

    quiet_libraries()
    section = source_section(settings, name)
    pace = section.films_a_minute if films_a_minute is None else films_a_minute
    with opened(settings) as store:
        return _puller(section, settings, store, _door(settings, store), owner, pace).run(days, stop, progress=progress)


def source_section(settings: Settings, name: str) -> PullSection:
    """The source of that name. Raises NotFound."""
    for each in settings.pull:
        if each.name == name:
            return each
    known = ", ".join(each.name for each in settings.pull) or "none is configured"
    raise NotFound(f"There is no [[pull]] named {name}.", fix=f"Known: {known}.")


def source(section: PullSection, settings: Settings, store: Store, door: FileDoor) -> Source:
    """An archive, as it is reached."""
    from screening_node.intake.pull.dimse import DimsePeer, DimseSource
    from screening_node.intake.pull.source import Wanted
    from screening_node.intake.pull.web import WebPeer, WebSource
    from screening_node.store import pulls

    wanted = Wanted(modalities=section.modalities, body_parts=section.body_parts)
    tls, seconds = client_tls(section.tls), section.timeout_seconds
    if section.url is not None:
        token, title = section.token_file, section.ae_title
        web = WebPeer(name=section.name, url=section.url, ae_title=title, tls=tls, token=token, seconds=seconds)
        return WebSource(web, wanted, door)
    assert section.host is not None
    assert section.port is not None  # the section was checked
    peer = DimsePeer(
        name=section.name,
        ae_title=section.ae_title,
        host=section.host,
        port=section.port,
        calling_ae=settings.node.ae_title,
        by_get=section.retrieve == "get",
        tls=tls,
        seconds=seconds,
    )
    return DimseSource(peer, wanted, door, partial(pulls.kept, store))


def check_source(section: PullSection, settings: Settings, store: Store, *, seconds: float | None = None) -> str:
    """What shows that an archive answers, ``seconds`` at most. Raises SourceUnavailable or SourceRefused."""
    if seconds is not None:
        section = section.model_copy(update={"timeout_seconds": min(seconds, section.timeout_seconds)})
    asked = source(section, settings, store, _door(settings, store))
    try:
        return asked.check()
    finally:
        asked.close()


def _door(settings: Settings, store: Store) -> FileDoor:
    from screening_node.imaging.header import patient_of
    from screening_node.intake.files import FileDoor
    from screening_node.pathways.registry import route

    archive = Archive(settings.store.archive)
    return FileDoor(store=store, archive=archive, route=route, patient_of=patient_of, limits=limits(settings))


def _puller(
    section: PullSection, settings: Settings, store: Store, door: FileDoor, owner: str, films_a_minute: float
) -> Puller:
    from screening_node.intake.pull.puller import Pace, Puller
    from screening_node.intake.pull.window import utc_now

    asked = source(section, settings, store, door)
    return Puller(section.name, asked, store, owner, Pace(films_a_minute=films_a_minute), clock=utc_now)


def _schedule(section: PullSection, settings: Settings, store: Store, door: FileDoor, owner: str) -> Schedule:
    from screening_node.intake.pull.window import Schedule

    assert section.first_day is not None  # it is a nightly one
    return Schedule(
        name=section.name,
        window=window_of(section),
        first=section.first_day,
        last=section.last_day,
        make=partial(_puller, section, settings, store, door, owner, section.films_a_minute),
    )


def window_of(section: PullSection) -> Window:
    """When a source is fetched from; without a time zone by this machine's clock."""
    from screening_node.intake.pull.window import Window

    zone = None if section.time_zone is None else ZoneInfo(section.time_zone)
    return Window(opens=section.window[0], closes=section.window[1], zone=zone)
