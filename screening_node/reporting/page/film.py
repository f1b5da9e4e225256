"""The film, small, with the regions that were read and the landmarks that were found."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from reportlab.lib.utils import ImageReader

from screening_node.reporting.measurement_report import Statement
from screening_node.reporting.page.palette import Rgb
from screening_node.reporting.page.pen import Box, Pen

_ROI_COLOUR: Rgb = (1, 0.72, 0.2)


def film(pen: Pen, box: Box, statement: Statement, picture: NDArray[np.uint8] | None) -> None:
    """The film in ``box``; ``picture`` is uint8 (rows, columns), bone bright, or None where there is none to show."""
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
    shown = Box(
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


def _regions(pen: Pen, shown: Box, statement: Statement) -> bool:
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
