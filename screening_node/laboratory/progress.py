"""Telling how far a long run is, without knowing who looks on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars


@dataclass(frozen=True, kw_only=True)
class Progress:
    """``done`` of ``total`` steps of a stage; ``note`` is a word on how it goes."""

    stage: str
    done: int
    total: int
    note: str = ""


Report = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """For callers who do not want to know."""


@contextmanager
def bars(console: Console) -> Iterator[Report]:
    """A report that draws one bar for each stage."""
    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Bars(*columns, console=console) as drawn:
        tasks: dict[str, int] = {}

        def report(progress: Progress) -> None:
            if progress.stage not in tasks:
                tasks[progress.stage] = drawn.add_task(progress.stage, total=progress.total, note="")
            drawn.update(tasks[progress.stage], completed=progress.done, note=progress.note)  # type: ignore[arg-type]

        yield report
