"""The page's colours, by day and in a reading room."""

from __future__ import annotations

from dataclasses import dataclass

Rgb = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Palette:
    """Colours, red to blue from 0 to 1; ``alarm`` lies under texts, ``alarm_text`` is written."""

    paper: Rgb
    ink: Rgb
    faint: Rgb
    line: Rgb
    panel: Rgb
    alarm: Rgb
    alarm_text: Rgb
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
    alarm_text=(0.72, 0.16, 0.08),
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
    alarm_text=(1.0, 0.55, 0.42),
    alarm_zone=(0.27, 0.1, 0.075),
    calm=(0.16, 0.27, 0.38),
    on_band=(1, 1, 1),
)
