"""Page 2, in the PDF only: how the numbers came about and what they cannot say."""

from __future__ import annotations

from collections.abc import Sequence

from screening_node.reporting import background, wording
from screening_node.reporting.measurement_report import Statement
from screening_node.reporting.page.head import person_name
from screening_node.reporting.page.pen import HEIGHT, MARGIN, WIDTH, Box, Pen
from screening_node.reporting.typeface import BOLD


def second_page(pen: Pen, statement: Statement, at: str) -> None:
    """Draw page 2; ``at`` is the date and time of the estimate, for people."""
    pen.fill(Box(x=0, y=0, width=WIDTH, height=HEIGHT), pen.palette.paper)
    say = statement.say
    title = say("How these numbers came about, and what they cannot say")
    pen.text(MARGIN, HEIGHT - 46, title, size=18, font=BOLD, room=WIDTH - 2 * MARGIN)
    pen.text(MARGIN, HEIGHT - 64, f"{person_name(statement.film.patient_name)}  {at}", size=9, colour=pen.palette.faint)
    gap = 28.0
    width = (WIDTH - 2 * MARGIN - gap) / 2
    columns = (
        background.method(statement.result, statement.table, say),
        background.limits(statement.result, statement.film.notes, say),
    )
    for place, sections in enumerate(columns):
        box = Box(x=MARGIN + place * (width + gap), y=30, width=width, height=HEIGHT - 116)
        _sections(pen, box, sections)
    pen.text(MARGIN, 18, wording.heading(say), size=9, font=BOLD, colour=pen.palette.faint)


def _sections(pen: Pen, box: Box, sections: Sequence[tuple[str, Sequence[str]]]) -> None:
    y = box.top
    for title, paragraphs in sections:
        pen.text(box.x, y - 12, title, size=11, font=BOLD, room=box.width)
        y -= 17
        for text in paragraphs:
            if y - box.y < 14:
                return
            y = pen.paragraph(Box(x=box.x, y=box.y, width=box.width, height=y - box.y), text, size=9) - 3
        y -= 8
