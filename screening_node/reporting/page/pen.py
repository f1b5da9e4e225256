"""Texts and shapes on the page, in points from its lower left corner, as PDF has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reportlab.pdfgen.canvas import Canvas

from screening_node.reporting import typeface
from screening_node.reporting.page.palette import Palette, Rgb
from screening_node.reporting.typeface import BOLD, REGULAR

#: A4 across.
WIDTH, HEIGHT = 842.0, 595.0
MARGIN = 28.0


@dataclass(frozen=True, kw_only=True)
class Box:
    """A rectangle by its lower left corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def top(self) -> float:
        """The y of the upper edge."""
        return self.y + self.height

    @property
    def right(self) -> float:
        """The x of the right edge."""
        return self.x + self.width


@dataclass(frozen=True, kw_only=True)
class Pen:
    """Draws texts and shapes in the palette's colours."""

    canvas: Canvas
    palette: Palette

    def fill(self, box: Box, colour: Rgb, *, round_by: float = 0) -> None:
        """A filled rectangle, its corners rounded by this radius."""
        self.canvas.setFillColorRGB(*colour)
        self.canvas.roundRect(box.x, box.y, box.width, box.height, round_by, stroke=0, fill=1)

    def line(self, start: tuple[float, float], end: tuple[float, float], colour: Rgb, thickness: float = 0.7) -> None:
        """A straight line between two points."""
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

    def paragraph(self, box: Box, text: str, *, size: float, colour: Rgb | None = None, font: str = REGULAR) -> float:
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


def size_for(text: str, box: Box, sizes: Sequence[float] = (9.5, 8.5, 7.5, 6.5)) -> float:
    """The largest size, down to one that can just be read, in which the whole text fits the box."""
    fitting = (
        size for size in sizes if len(typeface.lines(text, REGULAR, size, box.width)) * size * 1.35 <= box.height
    )
    return next(fitting, sizes[-1])


def minus(text: str) -> str:
    """A minus that nobody overlooks; the fonts have an en dash in its width."""
    return text.replace("-", "–")
