"""Page 1: all that has to be grasped in five seconds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from screening_node.reporting import wording
from screening_node.reporting.measurement_report import Statement
from screening_node.reporting.page.chart import chart
from screening_node.reporting.page.film import film
from screening_node.reporting.page.foot import foot
from screening_node.reporting.page.head import band, who
from screening_node.reporting.page.pen import HEIGHT, MARGIN, WIDTH, Box, Pen
from screening_node.reporting.typeface import BOLD


def first_page(pen: Pen, statement: Statement, picture: NDArray[np.uint8] | None, at: str) -> None:
    """Draw page 1; arguments as for ``render``."""
    pen.fill(Box(x=0, y=0, width=WIDTH, height=HEIGHT), pen.palette.paper)
    band(pen, statement)
    who(pen, statement.film, statement.say)
    left = Box(x=MARGIN, y=132, width=300, height=330)
    right = Box(x=left.right + 24, y=132, width=WIDTH - MARGIN - left.right - 24, height=330)
    film(pen, left, statement, picture)
    if statement.result.refusal is None:
        chart(pen, right, statement)
    else:
        _refusal(pen, right, statement)
    foot(pen, statement, at)


def _refusal(pen: Pen, box: Box, statement: Statement) -> None:
    refusal, say = statement.result.refusal, statement.say
    assert refusal is not None
    pen.text(box.x, box.top - 14, say("Why this film was not evaluated"), size=13, font=BOLD)
    inside = Box(x=box.x, y=box.y + 60, width=box.width, height=box.height - 90)
    y = pen.paragraph(inside, wording.refusal_reason(refusal, say), size=17, font=BOLD) - 16
    for line in (say("Reason code: {code}", code=refusal.code.value), *wording.refusal_detail(refusal, say)):
        pen.text(box.x, y, line, size=10, colour=pen.palette.faint, room=box.width)
        y -= 14
    below = Box(x=box.x, y=box.y, width=box.width, height=y - box.y)
    pen.paragraph(below, say("No number was estimated. A refusal is neither good news nor bad."), size=11)
