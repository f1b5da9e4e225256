"""The table of films that people read on a terminal: estimates, T-scores, category, alarm or refusal, report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

_ALARM_STYLES = {"raised": "bold red", "not raised": "green", "not evaluated": "yellow"}


@dataclass(frozen=True, kw_only=True)
class FilmLine:
    """One film as the table shows it.

    ``estimates`` are mappings with vertebra, bmd, sd, t_score, threshold and below; ``alarm`` is what reports say
    of it, None where the film has no answer; ``trouble`` says why a film was refused or failed; ``report`` is where
    its Structured Report lies.
    """

    title: str
    estimates: Sequence[Mapping[str, Any]] = ()
    category: str | None = None
    alarm: str | None = None
    trouble: str | None = None
    report: str | None = None


def film_table(lines: Iterable[FilmLine]) -> Table:
    """The table, one row a film; it fits a terminal of 80 columns."""
    table = Table(header_style="bold", show_lines=True)
    table.add_column("Film", overflow="fold")
    table.add_column("BMD ± SD (g/cm²), T-score", no_wrap=True)
    table.add_column("Category; alarm, or why not judged; report", overflow="fold", min_width=24)
    for line in lines:
        table.add_row(Text(line.title), _estimates(line.estimates), _outcome(line))
    return table


def _estimates(estimates: Sequence[Mapping[str, Any]]) -> Text:
    if not estimates:
        return Text("-")
    return Text("\n").join(_estimate(estimate) for estimate in estimates)


def _estimate(estimate: Mapping[str, Any]) -> Text:
    """For example ``L1 0.712 ± 0.061 T -2.7 < -2.2``: the threshold stands there where it is crossed."""
    text = Text(f"{estimate['vertebra']} {estimate['bmd']:.3f} ± {estimate['sd']:.3f} T {estimate['t_score']:+.1f}")
    if estimate["below"]:
        text.append(f" < {estimate['threshold']:+.1f}", style="bold red")
    return text


def _outcome(line: FilmLine) -> Text:
    parts = []
    if line.category:
        parts.append(Text(line.category))
    if line.alarm:
        parts.append(Text(f"alarm {line.alarm}", style=_ALARM_STYLES.get(line.alarm, "")))
    if line.trouble:
        parts.append(Text(line.trouble, style="yellow"))
    if line.report:
        parts.append(Text(line.report, style="dim"))
    return Text("\n").join(parts)
