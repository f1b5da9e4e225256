"""The page that a radiologist grasps in five seconds: one layout for the PDF (light) and the Secondary Capture (dark).

    head        what matters, in one sentence; research use; who, and which study
    film        left: the film with the regions that were read
    chart       right, L1..L4: T-score and BMD; a dot for the estimate with one standard deviation to each side, a
                mark for the threshold, and the side of it that alarms
    foot        what was not judged, limits of use; model, reference table, thresholds

``first`` puts them together. Page 2 (``second``), in the PDF only, says how the numbers came about and what they
cannot say. ``pen`` and ``palette`` draw.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from reportlab import rl_config
from reportlab.pdfgen.canvas import Canvas

from screening_node.reporting.measurement_report import Statement
from screening_node.reporting.page.first import first_page
from screening_node.reporting.page.palette import DARK, LIGHT, Palette
from screening_node.reporting.page.pen import HEIGHT, WIDTH, Pen
from screening_node.reporting.page.second import second_page

__all__ = ["DARK", "LIGHT", "Palette", "render"]

#: Streams as bytes: as ASCII they take longer to write than the page to draw.
rl_config.useA85 = 0


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
    pen = Pen(canvas=canvas, palette=palette)
    first_page(pen, statement, picture, at)
    canvas.showPage()
    if method:
        second_page(pen, statement, at)
        canvas.showPage()
    canvas.save()
    return file.getvalue()
