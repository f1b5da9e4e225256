"""The head of the page: what matters in one sentence, research use, and who is shown."""

from __future__ import annotations

import unicodedata

from screening_node.domain.alarm import AlarmStatus
from screening_node.reporting import typeface, wording
from screening_node.reporting.language import Words
from screening_node.reporting.measurement_report import Statement
from screening_node.reporting.page.pen import HEIGHT, MARGIN, WIDTH, Box, Pen, minus, size_for
from screening_node.reporting.source import SourceFilm
from screening_node.reporting.typeface import BOLD


def band(pen: Pen, statement: Statement) -> None:
    """A band across the page, red for an alarm."""
    raised = statement.alarm.status is AlarmStatus.RAISED
    across = Box(x=0, y=HEIGHT - 84, width=WIDTH, height=84)
    tag = Box(x=WIDTH - MARGIN - 190, y=across.y + 22, width=190, height=40)
    pen.fill(across, pen.palette.alarm if raised else pen.palette.calm)
    title, subtitle = headline(statement)
    room = tag.x - 16 - MARGIN
    colour = pen.palette.on_band
    size = pen.largest(title, BOLD, room, (25, 23, 21, 19))
    pen.text(MARGIN, across.y + 46, title, size=size, font=BOLD, colour=colour, room=room)
    below = Box(x=MARGIN, y=across.y + 6, width=room, height=33)
    pen.paragraph(below, subtitle, size=size_for(subtitle, below, (11.5, 10.5, 9.5, 8.5)), colour=colour)
    _research_tag(pen, tag, statement.say)


def _research_tag(pen: Pen, tag: Box, say: Words) -> None:
    colour = pen.palette.on_band
    pen.canvas.setStrokeColorRGB(*colour)
    pen.canvas.setLineWidth(1.2)
    pen.canvas.roundRect(tag.x, tag.y, tag.width, tag.height, 4, stroke=1, fill=0)
    middle = tag.x + tag.width / 2
    for y, words in ((tag.y + 24, wording.RESEARCH_USE), (tag.y + 9, wording.NOT_DIAGNOSTIC)):
        said = say(words)
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
        return say("Bone density ALARM"), say.sentences(lowest, suggested, revised if alarm.corrects else "")
    if alarm.status is AlarmStatus.RETRACTED:
        return say("Bone density alarm RETRACTED"), say.sentences(reason, say(wording.ONE_FILM))
    if result.crossed:
        return say("Low estimate, no alarm"), say.sentences(lowest, reason)
    return say("No bone density alarm"), say.sentences(lowest, revised, say(wording.ONE_FILM))


def _lowest(statement: Statement) -> str:
    lowest, say = statement.result.lowest, statement.say
    if lowest is None:
        return ""
    t_score = minus(wording.t(lowest, say))
    return say("Lowest estimated T-score {t_score} at {vertebra}.", t_score=t_score, vertebra=lowest.vertebra.value)


def who(pen: Pen, film: SourceFilm, say: Words) -> None:
    """Two lines: the patient, and the study."""
    y = HEIGHT - 104
    born = "" if not film.birth_date else say("born {date}", date=say.date(film.birth_date))
    name = person_name(film.patient_name) or say("(no name in the film)")
    size = next((size for size in (12, 11, 10, 9) if typeface.width(typeface.runs(name, BOLD), size) <= 480), 8)
    across = pen.text(MARGIN, y, name, size=size, font=BOLD, room=480)
    identifier = say("ID {value}", value=film.patient_id) if film.patient_id else say("no patient ID")
    facts = [film.sex, born, identifier]
    pen.text(MARGIN + across + 12, y, "   ".join(filter(None, facts)), size=10, room=WIDTH - 2 * MARGIN - across - 12)
    study = [
        say("Chest film of {date}", date=say.date(film.study_date)) if film.study_date else say("Chest film"),
        say("accession {number}", number=film.accession_number) if film.accession_number else "",
        film.study_description,
    ]
    pen.text(MARGIN, y - 15, "   ".join(filter(None, study)), size=9, colour=pen.palette.faint, room=WIDTH - 2 * MARGIN)


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
