"""L1 to L4: T-score and BMD, a dot with a bar for its uncertainty, and the side of the threshold that alarms."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from screening_node.domain.result import Vertebra, VertebraFinding
from screening_node.reporting import wording
from screening_node.reporting.language import Words
from screening_node.reporting.measurement_report import Statement
from screening_node.reporting.page.palette import Rgb
from screening_node.reporting.page.pen import Box, Pen, minus
from screening_node.reporting.typeface import BOLD, REGULAR

_TALLEST_ROW = 66.0


def chart(pen: Pen, box: Box, statement: Statement) -> None:
    """A row for each vertebra that was judged."""
    findings = statement.result.findings
    pen.text(box.x, box.top - 12, statement.say("Estimated T-score by vertebra"), size=12, font=BOLD)
    spreads = {finding.vertebra: _half_of_bar(finding, statement) for finding in findings}
    step = min((box.height - 96) / max(len(findings), 1), _TALLEST_ROW)
    height = step * len(findings)
    plot = Box(x=box.x + 150, y=box.top - 34 - height, width=box.width - 150 - 70, height=height)
    axis = _axis(plot, findings, spreads)
    _grid(pen, axis)
    for place, finding in enumerate(findings):
        row = Box(x=box.x, y=plot.top - (place + 1) * step, width=box.width, height=step)
        _row(pen, row, axis, finding, spreads[finding.vertebra], statement.say)
    _legend(pen, box, plot.y - 36, statement)


@dataclass(frozen=True, kw_only=True)
class _Axis:
    """T-scores across the page."""

    low: float
    high: float
    box: Box

    def at(self, t_score: float) -> float:
        """Where a T-score stands; what is beyond the axis stands at its end."""
        share = (min(max(t_score, self.low), self.high) - self.low) / (self.high - self.low)
        return self.box.x + share * self.box.width

    @property
    def ticks(self) -> Iterator[int]:
        return iter(range(math.ceil(self.low), math.floor(self.high) + 1))


def _half_of_bar(finding: VertebraFinding, statement: Statement) -> float | None:
    """The bar to each side of the estimate, in T-score units: the calibrated interval's, else one SD."""
    row = statement.table.row(finding.vertebra, statement.film.sex or None)
    if row is None or not math.isfinite(finding.sd):
        return None
    half = finding.sd if finding.interval is None else finding.interval[1] - finding.bmd
    return half / row.sd


def _axis(plot: Box, findings: Sequence[VertebraFinding], spreads: dict[Vertebra, float | None]) -> _Axis:
    """From -4 to 1, or as far as the estimates and thresholds reach, but never so far that a mark is lost."""
    reached = [finding.threshold for finding in findings]
    for finding in findings:
        if math.isfinite(finding.t_score):
            spread = spreads[finding.vertebra] or 0.0
            reached += [finding.t_score - spread, finding.t_score + spread]
    low = max(min([-4.0, *(math.floor(value) for value in reached)]), -9.0)
    high = min(max([1.0, *(math.ceil(value) for value in reached)]), 6.0)
    return _Axis(low=low, high=high, box=plot)


def _grid(pen: Pen, axis: _Axis) -> None:
    plot = axis.box
    for tick in axis.ticks:
        x = axis.at(tick)
        pen.line((x, plot.y), (x, plot.top), pen.palette.line, 0.5)
        label = minus(str(tick))
        pen.text(x, plot.y - 13, label, size=9, colour=pen.palette.faint, align=0.5)


def _row(pen: Pen, row: Box, axis: _Axis, finding: VertebraFinding, spread: float | None, say: Words) -> None:
    middle = row.y + row.height / 2
    strong = pen.palette.alarm if finding.below else pen.palette.ink
    shown = minus(wording.t(finding, say))
    pen.text(row.x, middle - 4, finding.vertebra.value, size=15, font=BOLD)
    pen.text(row.x + 34, middle - 1, shown, size=17, font=BOLD, colour=_readable(pen, finding.below))
    pen.text(row.x + 34, middle - 14, _density(finding, say), size=8, colour=pen.palette.faint, room=112)
    zone = Box(x=axis.box.x, y=row.y + 6, width=axis.at(finding.threshold) - axis.box.x, height=row.height - 12)
    pen.fill(zone, pen.palette.alarm_zone)
    pen.line((zone.right, zone.y - 2), (zone.right, zone.top + 2), pen.palette.ink, 1.4)
    if math.isfinite(finding.t_score):
        _estimate(pen, axis, finding.t_score, spread, middle, strong)
    _verdict(pen, row, finding, say)


def _verdict(pen: Pen, row: Box, finding: VertebraFinding, say: Words) -> None:
    """Right of the row: on which side of its threshold, and where that is."""
    middle, room = row.y + row.height / 2, 66.0
    font = BOLD if finding.below else REGULAR
    said = wording.verdict(finding, say)
    size = pen.largest(said, font, room, (10, 9, 8, 7))
    pen.text(row.right, middle - 1, said, size=size, font=font, colour=_readable(pen, finding.below), align=1.0)
    threshold = say("threshold {value}", value=minus(say.decimal(f"{finding.threshold:.2f}")))
    size = pen.largest(threshold, REGULAR, room, (8, 7.5, 7, 6.5))
    pen.text(row.right, middle - 13, threshold, size=size, colour=pen.palette.faint, align=1.0)


def _readable(pen: Pen, below: bool) -> Rgb:
    return pen.palette.alarm_text if below else pen.palette.ink


def _estimate(pen: Pen, axis: _Axis, t_score: float, spread: float | None, y: float, colour: Rgb) -> None:
    """A dot, and a bar to each side."""
    if spread is not None:
        left, right = axis.at(t_score - spread), axis.at(t_score + spread)
        pen.line((left, y), (right, y), colour, 2.6)
        for end in (left, right):
            pen.line((end, y - 5), (end, y + 5), colour, 1.6)
    pen.canvas.setFillColorRGB(*colour)
    pen.canvas.setStrokeColorRGB(*pen.palette.paper)
    pen.canvas.setLineWidth(1.2)
    pen.canvas.circle(axis.at(t_score), y, 5.2, stroke=1, fill=1)


def _density(finding: VertebraFinding, say: Words) -> str:
    if finding.interval is not None:
        return say(
            "{bmd} g/cm² ({interval})", bmd=wording.density(finding.bmd, say), interval=wording.interval(finding, say)
        )
    return say("{bmd} g/cm² (SD {sd})", bmd=wording.density(finding.bmd, say), sd=wording.density(finding.sd, say))


def _legend(pen: Pen, box: Box, y: float, statement: Statement) -> None:
    say = statement.say
    plain = say("Dot: estimate. Bar: one standard deviation (SD) to each side, not a confidence interval.")
    interval = say("Dot: estimate. Bar: 90 % interval; it held 90 % of the true values when the model was calibrated.")
    lines = (
        interval if any(finding.calibrated for finding in statement.result.findings) else plain,
        say("Upright mark: alarm threshold of the vertebra; tinted: the side that alarms."),
    )
    for place, line in enumerate(lines):
        size = pen.largest(line, REGULAR, box.width, (8.5, 8, 7.5, 7))
        pen.text(box.x, y - 12 * place, line, size=size, colour=pen.palette.faint, room=box.width)
