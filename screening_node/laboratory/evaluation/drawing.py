"""A matplotlib figure as SVG for a page: one style, the page's colours in light and dark, the same bytes each time."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

#: Stand-ins that become the page's CSS colours: matplotlib wants numbers, the page has two schemes.
INK, SOFT, LINE = "#010101", "#010102", "#010103"
#: Colours of series, colour-blind safe in the page's values (after Okabe and Ito); never the only difference.
SERIES = tuple(f"#0101{10 + number}" for number in range(8))
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_VARIABLES = {INK: "var(--ink)", SOFT: "var(--soft)", LINE: "var(--line)"} | {
    colour: f"var(--series-{number})" for number, colour in enumerate(SERIES, start=1)
}
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.labelsize": 8.5,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "axes.unicode_minus": True,
    "figure.facecolor": "none",
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.6,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "svg.fonttype": "none",
    "svg.hashsalt": "screening-node",
}


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure of the page; ``svg`` stands in HTML as it is. ``folded``: shown when asked for."""

    key: str
    title: str
    caption: str
    svg: str
    folded: bool = False


@contextmanager
def styled() -> Iterator[None]:
    """Settings of matplotlib while a figure is made and written; the caller's are back afterwards."""
    with mpl.rc_context(_STYLE):
        yield


def panels(rows: int, columns: int, width: float, height: float, *, share_y: bool = False) -> tuple[Figure, list[Axes]]:
    """A figure of ``width`` x ``height`` inches with its panels in reading order."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, sharey=share_y, squeeze=False)
    return figure, list(axes.ravel())


def as_svg(figure: Figure, key: str, label: str) -> str:
    """The figure as an ``svg`` element: no prologue, no dates, identifiers of its own, colours of the page."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", text)
    text = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{key}-", text)
    text = re.sub(r"(\d+\.\d\d)\d+", r"\1", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    said = label.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return re.sub(
        r'<svg\b[^>]*?(viewBox="[^"]*")[^>]*>',
        rf'<svg \1 role="img" aria-label="{said}" class="figure">',
        text,
        count=1,
    ).strip()
