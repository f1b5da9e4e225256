"""``pull``: films of a date range from an archive, now."""

from __future__ import annotations

import datetime as dt
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from screening_node.cli.console import ConfigOption, JsonOption, err, local_time, out, print_json, print_rows
from screening_node.errors import AlreadyRunning

if TYPE_CHECKING:
    from screening_node.store.session import Store

_DAY = ["%Y-%m-%d"]


def add_to(app: typer.Typer) -> None:
    """Hang this command under the root."""
    app.command()(pull)


def pull(
    source: Annotated[str, typer.Option("--source", help="The name of an archive among the configured ones.")],
    first: Annotated[dt.datetime | None, typer.Option("--from", formats=_DAY, help="First day of study.")] = None,
    last: Annotated[
        dt.datetime | None, typer.Option("--to", formats=_DAY, help="Last day of study.", show_default="--from")
    ] = None,
    films_a_minute: Annotated[
        float | None, typer.Option(min=0, help="Instead of the configured ones; 0: as fast as they come.")
    ] = None,
    status: Annotated[bool, typer.Option("--status", help="Fetch nothing; show what was, day by day.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch films of a date range from a PACS. Ctrl-C stops after the film that is coming; again goes on from there."""
    from screening_node import assembly
    from screening_node.assembly.pull import pull_by_hand, source_section
    from screening_node.intake.pull.puller import Ended, days_between
    from screening_node.settings import load_settings

    settings = load_settings(config)
    source_section(settings, source)
    store = assembly.open_store(settings)
    try:
        if status:
            _show(_rows(store, source), as_json)
            return
        if first is None:
            raise typer.BadParameter("Say which days: --from 2024-01-01 --to 2024-01-31.", param_hint="--from")
        days = days_between(first.date(), (last or first).date())
        if not days:
            raise typer.BadParameter("It is before --from.", param_hint="--to")
        _forget_the_dead(store, source)
        with _interruptible() as stop, _Shown(len(days)) as shown:
            ended = pull_by_hand(
                settings,
                source,
                days,
                owner=f"{_by_hand()}{os.getpid()}",
                stop=stop,
                progress=shown.show,
                films_a_minute=films_a_minute,
            )
        wanted = {day.isoformat() for day in days}
        _show([row for row in _rows(store, source) if row["day"] in wanted], as_json)
    finally:
        store.close()
    if ended is Ended.BUSY:
        raise AlreadyRunning(f"Another process fetches from {source} now.", fix="Wait, or see pull --status.")
    if ended is Ended.STOPPED:
        err.print("Stopped. The same command goes on from there.", highlight=False)
        raise typer.Exit(1)


def _by_hand() -> str:
    """What the owners of this host's leases by hand begin with."""
    return f"by hand/{socket.gethostname()}/"


def _forget_the_dead(store: Store, source: str) -> None:
    """A command that was killed here has left its lease: nobody has to wait for that to run out."""
    from screening_node.intake.pull.window import utc_now
    from screening_node.store import pulls

    holder = pulls.holder(store, source, now=utc_now()) or ""
    number = holder.removeprefix(_by_hand())
    if number != holder and number.isdecimal() and not Path(f"/proc/{number}").exists():
        pulls.give_back_lease(store, source, holder)


def _rows(store: Store, source: str) -> list[dict[str, Any]]:
    from screening_node.store import pulls

    return [
        {
            "day": each.day.isoformat(),
            "state": each.state.value,
            "found": each.counts.found,
            "taken": each.counts.taken,
            "there": each.counts.there,
            "refused": each.counts.refused,
            "failed": each.counts.failed,
            "attempt": each.attempt,
            "error": each.error,
            "updated_at": each.updated_at.isoformat(),
        }
        for each in pulls.days(store, source)
    ]


def _show(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(rows)
        return
    columns = ("day", "state", "found", "taken", "there", "refused", "failed", "attempt")
    named = {column.capitalize(): column for column in columns}
    print_rows(rows, {**named, "At": local_time("updated_at"), "Error": "error"}, as_json=False)
    total = sum(row["taken"] for row in rows)
    out.print(f"{total} films taken.", highlight=False)


class _Shown:
    """A line that says how far it is, on a terminal."""

    def __init__(self, days: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("days"))
        self._progress = Progress(*columns, console=err, transient=True)
        self._task = self._progress.add_task("Asking", total=days)
        self._days = days

    def __enter__(self) -> _Shown:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, at: Any) -> None:
        """Take a ``Progress`` of the puller's."""
        counts = at.counts
        said = f"{at.day}: {counts.taken} taken, {counts.there} there already, {counts.refused + counts.failed} not"
        self._progress.update(self._task, description=said, completed=self._days - at.days_left - 1)


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """Ctrl-C sets the event; a second one ends the command as usual."""
    stop = threading.Event()

    def first(*_: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, first)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
