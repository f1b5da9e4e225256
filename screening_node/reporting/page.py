"""The page that a radiologist grasps in five seconds: one layout for the PDF (light) and the Secondary Capture (dark).

    band        what matters, in one sentence; research use
    patient     who, and which study
    left        the film with the regions that were read
    right       L1..L4: T-score and BMD; a dot for the estimate with one standard deviation to each side, a mark for
                the threshold, and the side of it that alarms
    foot        what was not judged, limits of use; model, reference table, thresholds

Page 2, in the PDF only, says how the numbers came about and what they cannot say. Coordinates are points from the
page's lower left corner, as PDF has them.
"""

from __future__ import annotations

import io
import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from reportlab import rl_config
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from screening_node.domain.alarm import AlarmStatus
from screening_node.domain.result import Vertebra, VertebraFinding
from screening_node.reporting import background, typeface, wording
from screening_node.reporting.language import Words
from screening_node.reporting.measurement_report import Statement
from screening_node.reporting.source import SourceFilm
from screening_node.reporting.typeface import BOLD, REGULAR

#: Streams as bytes: as ASCII they take longer to write than the page to draw.
rl_config.useA85 = 0
#: A4 across.
WIDTH, HEIGHT = 842.0, 595.0
_MARGIN = 28.0

Rgb = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Palette:
    """Colours, red to blue from 0 to 1."""

    paper: Rgb
    ink: Rgb
    faint: Rgb
    line: Rgb
    panel: Rgb
    alarm: Rgb
    alarm_zone: Rgb
    calm: Rgb
    on_band: Rgb


LIGHT = Palette(
    paper=(1, 1, 1),
    ink=(0.1, 0.12, 0.15),
    faint=(0.38, 0.42, 0.47),
    line=(0.8, 0.82, 0.85),
    panel=(0.955, 0.96, 0.97),
    alarm=(0.72, 0.16, 0.08),
    alarm_zone=(0.985, 0.89, 0.86),
    calm=(0.2, 0.33, 0.46),
    on_band=(1, 1, 1),
)
#: For a reading room: a white page would dazzle beside the film.
DARK = Palette(
    paper=(0.05, 0.055, 0.065),
    ink=(0.93, 0.94, 0.95),
    faint=(0.63, 0.66, 0.7),
    line=(0.25, 0.27, 0.3),
    panel=(0.1, 0.11, 0.125),
    alarm=(0.78, 0.25, 0.14),
    alarm_zone=(0.27, 0.1, 0.075),
    calm=(0.16, 0.27, 0.38),
    on_band=(1, 1, 1),
)
_TALLEST_ROW = 66.0
_ROI_COLOUR: Rgb = (1, 0.72, 0.2)


def render(
    statement: Statement, picture: NDArray[np.uint8] | None, at: str, *, palette: Palette, method: bool
) -> bytes:
    """The page as PDF, with the page on method and limits where ``method``.

    Args:
        statement: what is said.
        picture: the film, bone bright, uint8 (rows, columns), shrunk; None where there is none to show.
        at: date and time of the estimate, for people.
        palette: colours.
        method: whether page 2 follows.
    """
    file = io.BytesIO()
    language = statement.language.value
    canvas = Canvas(file, pagesize=(WIDTH, HEIGHT), invariant=1, pageCompression=1, lang=language)
    canvas.setTitle(statement.say("Bone density estimate from a chest film, research use"))
    canvas.setProducer("screening-node")
    pen = _Pen(canvas=canvas, palette=palette)
    _first_page(pen, statement, picture, at)
    canvas.showPage()
    if method:
        _second_page(pen, statement, at)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


@dataclass(frozen=True, kw_only=True)
class _Box:
    """A rectangle by its lower left corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def top(self) -> float:
        return self.y + self.height

    @property
    def right(self) -> float:
        return self.x + self.width


@dataclass(frozen=True, kw_only=True)
class _Pen:
    """Draws texts and shapes in the palette's colours."""

    canvas: Canvas
    palette: Palette

    def fill(self, box: _Box, colour: Rgb, *, round_by: float = 0) -> None:
        self.canvas.setFillColorRGB(*colour)
        self.canvas.roundRect(box.x, box.y, box.width, box.height, round_by, stroke=0, fill=1)

    def line(self, start: tuple[float, float], end: tuple[float, float], colour: Rgb, thickness: float = 0.7) -> None:
        self.canvas.setStrokeColorRGB(*colour)
        self.canvas.setLineWidth(thickness)
        self.canvas.line(*start, *end)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float,
        colour: Rgb | None = None,
        font: str = REGULAR,
        room: float = WIDTH,
        align: float = 0.0,
    ) -> float:
        """One line, cut to ``room``; ``align`` is the share of its width to the left of ``x``. Gives its width."""
        pieces = typeface.fitted(text, font, size, room)
        across = typeface.width(pieces, size)
        self.canvas.setFillColorRGB(*(colour or self.palette.ink))
        self.canvas.setStrokeColorRGB(*(colour or self.palette.ink))
        place = x - across * align
        for name, piece in pieces:
            self._piece(place, y, name, piece, size, thicker=font == BOLD and name != BOLD)
            place += typeface.width([(name, piece)], size)
        return across

    def _piece(self, x: float, y: float, font: str, text: str, size: float, *, thicker: bool) -> None:
        """Text in one font; ``thicker`` draws it with an outline, where a font has no bold one beside it."""
        self.canvas.setFont(font, size)
        if not thicker:
            self.canvas.drawString(x, y, text)
            return
        self.canvas.saveState()
        self.canvas.setLineWidth(size * 0.025)
        self.canvas.drawString(x, y, text, mode=2)
        self.canvas.restoreState()

    def largest(self, text: str, font: str, room: float, sizes: Sequence[float]) -> float:
        """The first of ``sizes`` in which one line fits ``room``; else the last."""
        fitting = (size for size in sizes if typeface.width(typeface.runs(text, font), size) <= room)
        return next(fitting, sizes[-1])

    def paragraph(self, box: _Box, text: str, *, size: float, colour: Rgb | None = None, font: str = REGULAR) -> float:
        """Lines from the box's top down, the last that fits ending in an ellipsis; gives the y below them."""
        y = box.top
        step = size * 1.35
        broken = typeface.lines(text, font, size, box.width)
        room = max(int(box.height / step), 1)
        if len(broken) > room:
            broken = [*broken[: room - 1], " ".join(broken[room - 1 :])]
        for line in broken:
            y -= step
            self.text(box.x, y + step * 0.25, line, size=size, colour=colour, font=font, room=box.width)
        return y


# Page 1


def _first_page(pen: _Pen, statement: Statement, picture: NDArray[np.uint8] | None, at: str) -> None:
    pen.fill(_Box(x=0, y=0, width=WIDTH, height=HEIGHT), pen.palette.paper)
    _band(pen, statement)
    _who(pen, statement.film, statement.say)
    left = _Box(x=_MARGIN, y=132, width=300, height=330)
    right = _Box(x=left.right + 24, y=132, width=WIDTH - _MARGIN - left.right - 24, height=330)
    _film(pen, left, statement, picture)
    if statement.result.refusal is None:
        _chart(pen, right, statement)
    else:
        _refusal(pen, right, statement)
    _foot(pen, statement, at)


def _band(pen: _Pen, statement: Statement) -> None:
    raised = statement.alarm.status is AlarmStatus.RAISED
    band = _Box(x=0, y=HEIGHT - 84, width=WIDTH, height=84)
    pen.fill(band, pen.palette.alarm if raised else pen.palette.calm)
    title, subtitle = headline(statement)
    tag_room = 190.0
    room = WIDTH - 2 * _MARGIN - tag_room - 16
    colour = pen.palette.on_band
    size = pen.largest(title, BOLD, room, (25, 23, 21, 19))
    pen.text(_MARGIN, band.y + 46, title, size=size, font=BOLD, colour=colour, room=room)
    below = _Box(x=_MARGIN, y=band.y + 6, width=room, height=33)
    pen.paragraph(below, subtitle, size=_size_for(subtitle, below, (11.5, 10.5, 9.5, 8.5)), colour=colour)
    tag = _Box(x=WIDTH - _MARGIN - tag_room, y=band.y + 22, width=tag_room, height=40)
    pen.canvas.setStrokeColorRGB(*colour)
    pen.canvas.setLineWidth(1.2)
    pen.canvas.roundRect(tag.x, tag.y, tag.width, tag.height, 4, stroke=1, fill=0)
    middle = tag.x + tag.width / 2
    for y, words in ((tag.y + 24, wording.RESEARCH_USE), (tag.y + 9, wording.NOT_DIAGNOSTIC)):
        said = statement.say(words)
        size = pen.largest(said, BOLD, tag.width - 10, (10.5, 9.5, 8.5, 7.5))
        pen.text(middle, y, said, size=size, font=BOLD, colour=colour, align=0.5)


def headline(statement: Statement) -> tuple[str, str]:
    """What matters, and the sentence after it."""
    result, alarm, say = statement.result, statement.alarm, statement.say
    reason = wording.alarm_reason(alarm, say)
    revised = reason if statement.revision > 1 else ""
    if result.refusal is not None:
        nothing = say("This says nothing about the patient's bone density.")
        return say("Bone density NOT EVALUATED"), say.sentences(nothing, revised)
    lowest = _lowest(statement)
    if alarm.status is AlarmStatus.RAISED:
        suggested = say("DXA suggested. An estimate from the chest film, not a diagnosis.")
        return say("Bone density ALARM"), say.sentences(lowest, suggested)
    if result.crossed:
        return say("Low estimate, no alarm"), say.sentences(lowest, reason)
    return say("No bone density alarm"), say.sentences(lowest, revised, say(wording.ONE_FILM))


def _lowest(statement: Statement) -> str:
    lowest, say = statement.result.lowest, statement.say
    if lowest is None:
        return ""
    t_score = _minus(wording.t(lowest, say))
    return say("Lowest estimated T-score {t_score} at {vertebra}.", t_score=t_score, vertebra=lowest.vertebra.value)


def _who(pen: _Pen, film: SourceFilm, say: Words) -> None:
    y = HEIGHT - 104
    born = "" if not film.birth_date else say("born {date}", date=say.date(film.birth_date))
    name = person_name(film.patient_name) or say("(no name in the film)")
    size = next((size for size in (12, 11, 10, 9) if typeface.width(typeface.runs(name, BOLD), size) <= 480), 8)
    across = pen.text(_MARGIN, y, name, size=size, font=BOLD, room=480)
    identifier = say("ID {value}", value=film.patient_id) if film.patient_id else say("no patient ID")
    facts = [film.sex, born, identifier]
    pen.text(_MARGIN + across + 12, y, "   ".join(filter(None, facts)), size=10, room=WIDTH - 2 * _MARGIN - across - 12)
    study = [
        say("Chest film of {date}", date=say.date(film.study_date)) if film.study_date else say("Chest film"),
        say("accession {number}", number=film.accession_number) if film.accession_number else "",
        film.study_description,
    ]
    pen.text(
        _MARGIN, y - 15, "   ".join(filter(None, study)), size=9, colour=pen.palette.faint, room=WIDTH - 2 * _MARGIN
    )


def person_name(value: str) -> str:
    """A PN for people: family name first, all of its groups (PS3.5 section 6.2.1)."""
    groups = []
    for group in value.split("="):
        family, *others = [part.strip() for part in group.split("^")]
        given = " ".join(filter(None, others[:2]))
        separator = (
            ", " if group.isascii() or any("LATIN" in unicodedata.name(letter, "") for letter in family) else " "
        )
        groups.append(separator.join(filter(None, [family, given])))
    return "  ".join(filter(None, groups))


# The film


def _film(pen: _Pen, box: _Box, statement: Statement, picture: NDArray[np.uint8] | None) -> None:
    pen.fill(box, (0, 0, 0), round_by=3)
    if picture is None:
        pen.text(
            box.x + box.width / 2,
            box.y + box.height / 2,
            statement.say("No picture to show"),
            size=10,
            colour=(0.6, 0.6, 0.6),
            align=0.5,
        )
        return
    rows, columns = picture.shape
    scale = min(box.width / columns, box.height / rows)
    shown = _Box(
        x=box.x + (box.width - columns * scale) / 2,
        y=box.y + (box.height - rows * scale) / 2,
        width=columns * scale,
        height=rows * scale,
    )
    pen.canvas.drawImage(ImageReader(_jpeg(picture)), shown.x, shown.y, shown.width, shown.height)
    if _regions(pen, shown, statement):
        say = statement.say
        read = say("Orange: bone regions that were read.") if statement.result.rois else ""
        caption = say.sentences(read, say("Dots: landmarks that were found."))
        pen.text(box.x, box.y - 12, caption, size=8, colour=pen.palette.faint, room=box.width)


def _jpeg(picture: NDArray[np.uint8]) -> io.BytesIO:
    """As a JPEG, which PDF takes as it is: ten times faster than any lossless way, and this is no image to read."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=90)
    file.seek(0)
    return file


def _regions(pen: _Pen, shown: _Box, statement: Statement) -> bool:
    """Regions and landmarks over the film; whether there were any."""
    film, result = statement.film, statement.result
    if not film.columns or not film.rows or not (result.rois or result.landmarks):
        return False
    across, down = shown.width / film.columns, shown.height / film.rows
    canvas = pen.canvas
    canvas.saveState()
    frame = canvas.beginPath()
    frame.rect(shown.x, shown.y, shown.width, shown.height)
    canvas.clipPath(frame, stroke=0, fill=0)
    canvas.setStrokeColorRGB(*_ROI_COLOUR)
    canvas.setFillColorRGB(*_ROI_COLOUR)
    canvas.setLineWidth(1.1)
    for roi in result.rois:
        path = canvas.beginPath()
        corners = [(shown.x + (x + 0.5) * across, shown.top - (y + 0.5) * down) for x, y in roi.corners]
        path.moveTo(*corners[0])
        for corner in corners[1:]:
            path.lineTo(*corner)
        path.close()
        canvas.drawPath(path, stroke=1, fill=0)
    for point in result.landmarks:
        canvas.circle(shown.x + (point.x + 0.5) * across, shown.top - (point.y + 0.5) * down, 1.6, stroke=0, fill=1)
    canvas.restoreState()
    return True


# The vertebrae


@dataclass(frozen=True, kw_only=True)
class _Axis:
    """T-scores across the page."""

    low: float
    high: float
    box: _Box

    def at(self, t_score: float) -> float:
        """Where a T-score stands; what is beyond the axis stands at its end."""
        share = (min(max(t_score, self.low), self.high) - self.low) / (self.high - self.low)
        return self.box.x + share * self.box.width

    @property
    def ticks(self) -> Iterator[int]:
        return iter(range(math.ceil(self.low), math.floor(self.high) + 1))


def _chart(pen: _Pen, box: _Box, statement: Statement) -> None:
    findings = statement.result.findings
    pen.text(box.x, box.top - 12, statement.say("Estimated T-score by vertebra"), size=12, font=BOLD)
    spreads = {finding.vertebra: _sd_of_t(finding, statement) for finding in findings}
    step = min((box.height - 96) / max(len(findings), 1), _TALLEST_ROW)
    height = step * len(findings)
    plot = _Box(x=box.x + 150, y=box.top - 34 - height, width=box.width - 150 - 70, height=height)
    axis = _axis(plot, findings, spreads)
    _grid(pen, axis)
    for place, finding in enumerate(findings):
        row = _Box(x=box.x, y=plot.top - (place + 1) * step, width=box.width, height=step)
        _row(pen, row, axis, finding, spreads[finding.vertebra], statement.say)
    _legend(pen, box, plot.y - 36, statement.say)


def _sd_of_t(finding: VertebraFinding, statement: Statement) -> float | None:
    """The estimate's SD in T-score units."""
    row = statement.table.row(finding.vertebra, statement.film.sex or None)
    return None if row is None or not math.isfinite(finding.sd) else finding.sd / row.sd


def _axis(plot: _Box, findings: Sequence[VertebraFinding], spreads: dict[Vertebra, float | None]) -> _Axis:
    """From -4 to 1, or as far as the estimates and thresholds reach, but never so far that a mark is lost."""
    reached = [finding.threshold for finding in findings]
    for finding in findings:
        if math.isfinite(finding.t_score):
            spread = spreads[finding.vertebra] or 0.0
            reached += [finding.t_score - spread, finding.t_score + spread]
    low = max(min([-4.0, *(math.floor(value) for value in reached)]), -9.0)
    high = min(max([1.0, *(math.ceil(value) for value in reached)]), 6.0)
    return _Axis(low=low, high=high, box=plot)


def _grid(pen: _Pen, axis: _Axis) -> None:
    plot = axis.box
    for tick in axis.ticks:
        x = axis.at(tick)
        pen.line((x, plot.y), (x, plot.top), pen.palette.line, 0.5)
        label = _minus(str(tick))
        pen.text(x, plot.y - 13, label, size=9, colour=pen.palette.faint, align=0.5)


def _row(pen: _Pen, row: _Box, axis: _Axis, finding: VertebraFinding, spread: float | None, say: Words) -> None:
    middle = row.y + row.height / 2
    strong = pen.palette.alarm if finding.below else pen.palette.ink
    shown = _minus(wording.t(finding, say))
    pen.text(row.x, middle - 4, finding.vertebra.value, size=15, font=BOLD)
    pen.text(row.x + 34, middle - 1, shown, size=17, font=BOLD, colour=_readable(pen, finding.below))
    pen.text(row.x + 34, middle - 14, _density(finding, say), size=8, colour=pen.palette.faint, room=112)
    zone = _Box(x=axis.box.x, y=row.y + 6, width=axis.at(finding.threshold) - axis.box.x, height=row.height - 12)
    pen.fill(zone, pen.palette.alarm_zone)
    pen.line((zone.right, zone.y - 2), (zone.right, zone.top + 2), pen.palette.ink, 1.4)
    if math.isfinite(finding.t_score):
        _estimate(pen, axis, finding.t_score, spread, middle, strong)
    _verdict(pen, row, finding, say)


def _verdict(pen: _Pen, row: _Box, finding: VertebraFinding, say: Words) -> None:
    """Right of the row: on which side of its threshold, and where that is."""
    middle, room = row.y + row.height / 2, 66.0
    font = BOLD if finding.below else REGULAR
    said = wording.verdict(finding, say)
    size = pen.largest(said, font, room, (10, 9, 8, 7))
    pen.text(row.right, middle - 1, said, size=size, font=font, colour=_readable(pen, finding.below), align=1.0)
    threshold = say("threshold {value}", value=_minus(say.decimal(f"{finding.threshold:.2f}")))
    size = pen.largest(threshold, REGULAR, room, (8, 7.5, 7, 6.5))
    pen.text(row.right, middle - 13, threshold, size=size, colour=pen.palette.faint, align=1.0)


def _readable(pen: _Pen, below: bool) -> Rgb:
    """The alarm's colour, lighter on a dark page."""
    if not below:
        return pen.palette.ink
    return pen.palette.alarm if pen.palette is not DARK else (1.0, 0.55, 0.42)


def _estimate(pen: _Pen, axis: _Axis, t_score: float, spread: float | None, y: float, colour: Rgb) -> None:
    """A dot, and one standard deviation to each side."""
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
    return say("{bmd} g/cm² (SD {sd})", bmd=wording.density(finding.bmd, say), sd=wording.density(finding.sd, say))


def _legend(pen: _Pen, box: _Box, y: float, say: Words) -> None:
    lines = (
        say("Dot: estimate. Bar: one standard deviation (SD) to each side, not a confidence interval."),
        say("Upright mark: alarm threshold of the vertebra; tinted: the side that alarms."),
    )
    for place, line in enumerate(lines):
        size = pen.largest(line, REGULAR, box.width, (8.5, 8, 7.5, 7))
        pen.text(box.x, y - 12 * place, line, size=size, colour=pen.palette.faint, room=box.width)


def _minus(text: str) -> str:
    """A minus that nobody overlooks; the fonts have an en dash in its width."""
    return text.replace("-", "–")


def _refusal(pen: _Pen, box: _Box, statement: Statement) -> None:
    refusal, say = statement.result.refusal, statement.say
    assert refusal is not None
    pen.text(box.x, box.top - 14, say("Why this film was not evaluated"), size=13, font=BOLD)
    inside = _Box(x=box.x, y=box.y + 60, width=box.width, height=box.height - 90)
    y = pen.paragraph(inside, wording.refusal_reason(refusal, say), size=17, font=BOLD) - 16
    for line in (say("Reason code: {code}", code=refusal.code.value), *wording.refusal_detail(refusal, say)):
        pen.text(box.x, y, line, size=10, colour=pen.palette.faint, room=box.width)
        y -= 14
    below = _Box(x=box.x, y=box.y, width=box.width, height=y - box.y)
    pen.paragraph(below, say("No number was estimated. A refusal is neither good news nor bad."), size=11)


# The foot


def _foot(pen: _Pen, statement: Statement, at: str) -> None:
    height, gap = 74.0, 16.0
    width = (WIDTH - 2 * _MARGIN - gap) / 2
    say = statement.say
    texts = (
        (say("Not judged"), not_judged(statement)),
        (say("Limits of use"), say(statement.result.model.limits_of_use)),
    )
    for place, (title, text) in enumerate(texts):
        box = _Box(x=_MARGIN + place * (width + gap), y=36, width=width, height=height)
        pen.fill(box, pen.palette.panel, round_by=4)
        pen.text(box.x + 10, box.top - 16, title, size=10, font=BOLD)
        inside = _Box(x=box.x + 10, y=box.y + 4, width=box.width - 20, height=height - 24)
        pen.paragraph(inside, text, size=_size_for(text, inside))
    model = statement.result.model
    made = [
        say("{bundle}, software {version}", bundle=model.bundle, version=statement.software_version),
        say("reference {value}", value=model.reference),
        say("thresholds {value}", value=model.thresholds),
        at,
        *([_replaces(statement)] if statement.revision > 1 else []),
    ]
    pen.text(_MARGIN, 18, "  ·  ".join(made), size=8, colour=pen.palette.faint, room=WIDTH - 2 * _MARGIN)


def _replaces(statement: Statement) -> str:
    return statement.say("revision {number}, replaces the one before", number=str(statement.revision))


def _size_for(text: str, box: _Box, sizes: Sequence[float] = (9.5, 8.5, 7.5, 6.5)) -> float:
    """The largest size, down to one that can just be read, in which the whole text fits the box."""
    fitting = (
        size for size in sizes if len(typeface.lines(text, REGULAR, size, box.width)) * size * 1.35 <= box.height
    )
    return next(fitting, sizes[-1])


def not_judged(statement: Statement) -> str:
    """What nobody may read into the page."""
    judged = {finding.vertebra for finding in statement.result.findings}
    missing = [vertebra.value for vertebra in Vertebra if vertebra not in judged]
    say = statement.say
    rest = say("Nothing else on this film was judged: no fracture, no lung, no heart.")
    if statement.result.refusal is not None:
        return say.sentences(say("Bone density was not judged."), rest)
    return say.sentences(_missing(missing, say), rest, say(wording.ONE_FILM))


def _missing(missing: Sequence[str], say: Words) -> str:
    if not missing:
        return ""
    listed = say.listed(missing)
    return say.count("{vertebrae} was not judged.", "{vertebrae} were not judged.", len(missing), vertebrae=listed)


# Page 2


def _second_page(pen: _Pen, statement: Statement, at: str) -> None:
    pen.fill(_Box(x=0, y=0, width=WIDTH, height=HEIGHT), pen.palette.paper)
    say = statement.say
    title = say("How these numbers came about, and what they cannot say")
    pen.text(_MARGIN, HEIGHT - 46, title, size=18, font=BOLD, room=WIDTH - 2 * _MARGIN)
    pen.text(
        _MARGIN, HEIGHT - 64, f"{person_name(statement.film.patient_name)}  {at}", size=9, colour=pen.palette.faint
    )
    gap = 28.0
    width = (WIDTH - 2 * _MARGIN - gap) / 2
    columns = (
        background.method(statement.result, statement.table, say),
        background.limits(statement.result, statement.film.notes, say),
    )
    for place, sections in enumerate(columns):
        box = _Box(x=_MARGIN + place * (width + gap), y=30, width=width, height=HEIGHT - 116)
        _sections(pen, box, sections)
    pen.text(_MARGIN, 18, wording.heading(say), size=9, font=BOLD, colour=pen.palette.faint)


def _sections(pen: _Pen, box: _Box, sections: Sequence[tuple[str, Sequence[str]]]) -> None:
    y = box.top
    for title, paragraphs in sections:
        pen.text(box.x, y - 12, title, size=11, font=BOLD, room=box.width)
        y -= 17
        for text in paragraphs:
            if y - box.y < 14:
                return
            y = pen.paragraph(_Box(x=box.x, y=box.y, width=box.width, height=y - box.y), text, size=9) - 3
        y -= 8
