"""The processes of the ways in beside C-STORE: STOW-RS, the watched folder."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from screening_node.assembly.certificates import server_tls
from screening_node.assembly.logs import configure_logging
from screening_node.assembly.storage import MIB, opened
from screening_node.settings import Settings
from screening_node.store.archive import Archive

if TYPE_CHECKING:
    from screening_node.intake.files import Limits
    from screening_node.intake.stow.callers import StowCaller
    from screening_node.settings.ways_in import StowCallerSection, StowSection


def run_stow_process(stop: threading.Event, owner: str, settings: Settings) -> None:
    """Take films over HTTP until ``stop`` is set; the body of the STOW-RS process."""
    from screening_node.imaging.header import patient_of
    from screening_node.intake.stow.app import StowRules
    from screening_node.intake.stow.server import StowConfig, run_stow
    from screening_node.pathways.registry import route

    configure_logging()
    section = settings.intake.stow
    assert section is not None  # or there would be no such process
    rules = StowRules(
        callers=stow_callers(section),
        max_requests=section.max_requests,
        max_request_bytes=section.max_request_mib * MIB,
        patience=settings.intake.network_timeout_seconds,
    )
    tls = None if section.tls is None else server_tls(section.tls)
    config = StowConfig(host=section.host, port=section.port, rules=rules, limits=limits(settings), tls=tls)
    with opened(settings) as store:
        run_stow(config, store, Archive(settings.store.archive), route, patient_of, stop)


def run_folder_process(stop: threading.Event, owner: str, settings: Settings) -> None:
    """Take files of the watched folder until ``stop`` is set; the body of that process."""
    from screening_node.imaging.header import patient_of
    from screening_node.intake.folder.watch import FolderConfig, run_folder
    from screening_node.pathways.registry import route

    configure_logging()
    section = settings.intake.folder
    assert section is not None  # or there would be no such process
    config = FolderConfig(
        path=section.path,
        limits=limits(settings),
        poll_seconds=section.poll_seconds,
        settle_seconds=section.settle_seconds,
    )
    with opened(settings) as store:
        run_folder(config, store, Archive(settings.store.archive), route, patient_of, stop)


def limits(settings: Settings) -> Limits:
    """What every way in has to leave free, and the largest object that each takes."""
    from screening_node.intake.files import Limits

    section = settings.intake
    return Limits(min_free_bytes=section.min_free_mib * MIB, max_object_bytes=section.max_object_mib * MIB)


def in_words(settings: Settings) -> list[str]:
    """The ways in beside C-STORE, a line each, for people's eyes."""
    stow, folder = settings.intake.stow, settings.intake.folder
    lines = []
    if stow is not None:
        lines.append(f"STOW-RS on {stow.host}:{stow.port}{' with TLS' if stow.tls is not None else ''}")
    if folder is not None:
        lines.append(f"Watches {folder.path}")
    archives = ", ".join(each.name for each in settings.pull if each.first_day is not None)
    return [*lines, f"Fetches at night from {archives}"] if archives else lines


def stow_callers(section: StowSection) -> tuple[StowCaller, ...]:
    """Who may send over HTTP; empty where everybody may."""
    return tuple(_stow_caller(each) for each in section.callers)


def _stow_caller(section: StowCallerSection) -> StowCaller:
    from screening_node.intake.stow.callers import StowCaller

    return StowCaller(
        name=section.name,
        networks=section.addresses or (),
        token=None if section.token is None else section.token.get_secret_value(),
        token_file=section.token_file,
    )
