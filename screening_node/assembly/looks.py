"""What the doctor wants to know of the ways in beside C-STORE, without changing anything there."""

from __future__ import annotations

import http.client
import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from screening_node.assembly.ports import REACHED_AS, can_listen
from screening_node.assembly.pull import check_source
from screening_node.assembly.storage import opened
from screening_node.assembly.ways_in import stow_callers
from screening_node.errors import ScreeningNodeError
from screening_node.settings import Settings
from screening_node.settings.ways_in import FolderSection, PullSection, StowSection
from screening_node.store import pulls

_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Look:
    """One thing that was looked at: a line of the doctor's."""

    check: str
    state: Literal["ok", "warn", "fail"]
    message: str
    fix: str = ""


def ways_in(settings: Settings) -> Iterator[Look]:
    """Every look. Raises Misconfigured."""
    if settings.intake.stow is not None:
        yield from _stow(settings.intake.stow)
    if settings.intake.folder is not None:
        yield _folder(settings.intake.folder, settings.store.archive)
    for section in settings.pull:
        yield from _pull(section, settings)


def _stow(section: StowSection) -> Iterator[Look]:
    from screening_node.intake.stow.callers import check_tokens

    check_tokens(stow_callers(section))
    where = f"{section.host}:{section.port}"
    if can_listen(section.host, section.port):
        yield Look(check="STOW-RS", state="ok", message=f"{where} is free; the node is not running.")
    elif _answers(section):
        yield Look(check="STOW-RS", state="ok", message=f"STOW-RS answers on {where}.")
    else:
        yield Look(
            check="STOW-RS",
            state="fail",
            message=f"{where} is taken by another program, or is no address of this machine.",
            fix="Change [intake.stow] host or port, or stop that program.",
        )
    if not section.callers:
        yield Look(
            check="STOW-RS",
            state="warn",
            message="Anybody who reaches the port may send films: [intake.stow] callers is empty.",
            fix="Give each sender a token_file, addresses, or both; docs/operations.md shows how.",
        )


def _folder(section: FolderSection, archive: Path) -> Look:
    from screening_node.intake.folder.tree import DONE, REFUSED
    from screening_node.intake.folder.watch import check_apart

    check_apart(section.path, archive)
    if not section.path.is_dir():
        return Look(
            check="folder",
            state="fail",
            message=f"{section.path} is not there.",
            fix="Mount the share, make the folder, or change [intake.folder] path.",
        )
    rooms = (section.path, section.path / DONE, section.path / REFUSED)
    closed = [room for room in rooms if os.path.exists(room) and not os.access(room, os.R_OK | os.W_OK | os.X_OK)]
    if closed:
        return Look(
            check="folder",
            state="fail",
            message=f"{closed[0]} may not be read and written.",
            fix="Give this user the right to: files are moved when they are taken.",
        )
    return Look(check="folder", state="ok", message=f"{section.path} can be read and written.")


def _pull(section: PullSection, settings: Settings) -> Iterator[Look]:
    check = f"pull {section.name}"
    with opened(settings) as store:
        try:
            said = check_source(section, settings, store)
        except ScreeningNodeError as error:
            yield Look(check=check, state="fail", message=error.message, fix=error.fix)
            return
        yield Look(check=check, state="ok", message=f"{section.name} {said}.")
        if store.file is not None and not store.file.exists():
            return
        partial = [day for day in pulls.days(store, section.name) if day.state is pulls.DayState.PARTIAL]
    if partial:
        yield Look(
            check=check,
            state="warn",
            message=f"Of {len(partial)} days some films did not come.",
            fix=f"See which: screening-node pull --source {section.name} --status; the log says why.",
        )


def _answers(section: StowSection) -> bool:
    """Whether something of our kind is there: it knows /studies, and lets nobody read it."""
    host = REACHED_AS.get(section.host, section.host)
    if section.tls is None:
        connection = http.client.HTTPConnection(host, section.port, timeout=_SECONDS)
    else:
        trusting = ssl._create_unverified_context()  # whose certificate it is is not what is asked
        connection = http.client.HTTPSConnection(host, section.port, timeout=_SECONDS, context=trusting)
    try:
        connection.request("GET", "/studies")
        answer = connection.getresponse()
        return answer.status == http.client.METHOD_NOT_ALLOWED and answer.getheader("Allow") == "POST"
    except ssl.SSLError:
        return section.tls is not None and section.tls.client_certificates  # it wants one of us
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
