"""The foot of the page: what was not judged, limits of use, and what made the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from screening_node.domain.result import Vertebra
from screening_node.reporting import wording
from screening_node.reporting.language import Words
from screening_node.reporting.measurement_report import Statement
from screening_node.reporting.page.pen import MARGIN, WIDTH, Box, Pen, size_for
from screening_node.reporting.typeface import BOLD


def foot(pen: Pen, statement: Statement, at: str) -> None:
    """Two panels and a line below them; ``at`` is the date and time of the estimate, for people."""
    height, gap = 74.0, 16.0
    width = (WIDTH - 2 * MARGIN - gap) / 2
    say = statement.say
    texts = (
        (say("Not judged"), not_judged(statement)),
        (say("Limits of use"), say(statement.result.model.limits_of_use)),
    )
    for place, (title, text) in enumerate(texts):
        box = Box(x=MARGIN + place * (width + gap), y=36, width=width, height=height)
        pen.fill(box, pen.palette.panel, round_by=4)
        pen.text(box.x + 10, box.top - 16, title, size=10, font=BOLD)
        inside = Box(x=box.x + 10, y=box.y + 4, width=box.width - 20, height=height - 24)
        pen.paragraph(inside, text, size=size_for(text, inside))
    model = statement.result.model
    made = [
        say("{bundle}, software {version}", bundle=model.bundle, version=statement.software_version),
        say("reference {value}", value=model.reference),
        say("thresholds {value}", value=model.thresholds),
        at,
        *([_replaces(statement)] if statement.revision > 1 else []),
    ]
    pen.text(MARGIN, 18, "  ·  ".join(made), size=8, colour=pen.palette.faint, room=WIDTH - 2 * MARGIN)


def _replaces(statement: Statement) -> str:
    return statement.say("revision {number}, replaces the one before", number=str(statement.revision))


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
