"""Real films with landmarks placed by hand: a folder of pictures, one table of points, one of the films' origin.

    FOLDER/landmarks.csv      film, annotators, <point>_x, <point>_y for POINT_COLUMNS, quality, uncertain, note
    PICTURES/nih_metadata.csv f, Patient ID, Patient Age, View Position, orig_width, orig_height, orig_spacing_x_mm, ...
    PICTURES/**/<film>        the picture

Points are in pixels of the picture (origin top left, pixel centres at integers), empty where nobody could see one.
The pictures were squeezed to squares: width and height of the original and its spacing say how to undo that, so that
detectors see the films as a node does, and distances are in mm.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from screening_node.errors import Misconfigured
from screening_node.imaging.pyramid import build_pyramid
from screening_node.laboratory.landmarks.films import LandmarkFilms, film_arrays, stacked
from screening_node.pathways.chest_film.architecture import DetectorArchitecture

Floats = npt.NDArray[np.float64]

#: The table's names of the points, in the order of domain.result.LANDMARK_NAMES.
POINT_COLUMNS = (
    *("Lclav_med", "Lclav_mid", "Lclav_lat", "Rclav_med", "Rclav_mid", "Rclav_lat"),
    *("Lrib3", "Lrib5", "Lrib7", "Lrib9", "Rrib3", "Rrib5", "Rrib7", "Rrib9", "C7", "T12"),
)
#: How films are reported. "turned": mirrored or upside down, which the node refuses or cannot know.
USUAL, POOR, CHILD, TURNED = "usual", "poor", "child", "turned"
_ADULT_AGE = 18
_QUALITIES = ("good", "fair", "poor")


@dataclass(frozen=True, kw_only=True)
class RealFilm:
    """One annotated film. ``points`` (16, 2): pixels of the un-squeezed picture, NaN where unknown.

    ``pixel_mm``: the un-squeezed picture's pixel, square; ``size``: its width and height.
    """

    name: str
    path: Path
    patient_id: str
    age: int
    view: str
    quality: str
    note: str
    points: Floats
    pixel_mm: float
    size: tuple[int, int]

    @property
    def group(self) -> str:
        """How the film is reported."""
        if self.mirrored or self.upside_down:
            return TURNED
        if self.quality == "poor":
            return POOR
        return CHILD if self.age < _ADULT_AGE else USUAL

    @property
    def mirrored(self) -> bool:
        """Whether the note says that left and right are exchanged."""
        return "MIRRORED" in self.note

    @property
    def upside_down(self) -> bool:
        """Whether the note says that the film stands on its head."""
        return "UPSIDE DOWN" in self.note

    def pixels(self) -> npt.NDArray[np.float32]:
        """The picture in its true proportions, bone bright, float32 (rows, columns)."""
        with Image.open(self.path) as picture:
            grey = picture.convert("L")
            if grey.size != self.size:
                grey = grey.resize(self.size, Image.Resampling.BICUBIC)
            return np.asarray(grey, dtype=np.float32)


def read_real_films(folder: Path, pictures: Path) -> tuple[RealFilm, ...]:
    """Every annotated film; Misconfigured names the file and the row of what is missing or wrong."""
    origins = {row["f"]: row for row in _rows(pictures / "nih_metadata.csv", "f")}
    places = {path.name: path for path in sorted(pictures.rglob("*.png"))}
    table = folder / "landmarks.csv"
    return tuple(_film(row, number, table, origins, places) for number, row in enumerate(_rows(table, "film"), start=2))


def as_landmark_films(
    films: Sequence[RealFilm], architecture: DetectorArchitecture, *, square: int, upright: bool
) -> LandmarkFilms:
    """The films as arrays. ``upright``: mirrored and upside-down ones are put right (for training)."""
    arrays = []
    for film in films:
        pixels, points = film.pixels(), film.points
        if upright and (film.mirrored or film.upside_down):
            pixels, points = _put_right(film, pixels)
        pyramid = build_pyramid(np.ascontiguousarray(pixels))
        arrays.append(film_arrays(pyramid, points, film.pixel_mm, architecture, square=square))
    return stacked(arrays, films)


def _put_right(film: RealFilm, pixels: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], Floats]:
    """The film as it would have been hung; points follow the patient's side, so they only move with the picture."""
    rows, columns = pixels.shape
    places = film.points.copy()
    places[:, 0] = columns - 1 - places[:, 0]
    if film.upside_down:
        places[:, 1] = rows - 1 - places[:, 1]
        return pixels[::-1, ::-1], places
    return pixels[:, ::-1], places


def _film(
    row: Mapping[str, str],
    number: int,
    table: Path,
    origins: Mapping[str, Mapping[str, str]],
    places: Mapping[str, Path],
) -> RealFilm:
    name = row["film"]
    where = f"{table}, row {number} ({name})"
    if name not in origins:
        raise Misconfigured(f"{where}: the film is not in nih_metadata.csv.", fix="Add its row there.")
    if name not in places:
        raise Misconfigured(f"{where}: there is no picture of that name.", fix="Put it beside nih_metadata.csv.")
    if row["quality"] not in _QUALITIES:
        raise Misconfigured(f"{where}: quality is {row['quality']!r}.", fix=f"Give one of {', '.join(_QUALITIES)}.")
    try:
        return _measured(row, origins[name], places[name])
    except (KeyError, ValueError) as error:
        raise Misconfigured(f"{where}: {error} cannot be read as a number.", fix="Mend that row.") from error


def _measured(row: Mapping[str, str], origin: Mapping[str, str], path: Path) -> RealFilm:
    with Image.open(path) as picture:
        stored = np.array(picture.size, dtype=np.float64)
    extent = np.array([float(origin["orig_width"]), float(origin["orig_height"])])
    extent_mm = extent * [float(origin["orig_spacing_x_mm"]), float(origin["orig_spacing_y_mm"])]
    pixel_mm = float((extent_mm / stored).max())  # the longer side keeps its pixels, the other gives some up
    size = np.round(extent_mm / pixel_mm).astype(int)
    shrink = size / stored
    points = np.array([[_number(row[f"{column}_{axis}"]) for axis in "xy"] for column in POINT_COLUMNS])
    return RealFilm(
        name=row["film"],
        path=path,
        patient_id=origin["Patient ID"],
        age=int(origin["Patient Age"]),
        view=origin["View Position"],
        quality=row["quality"],
        note=row["note"],
        points=(points + 0.5) * shrink - 0.5,
        pixel_mm=pixel_mm,
        size=(int(size[0]), int(size[1])),
    )


def _number(text: str) -> float:
    return float(text) if text else float("nan")


def _rows(path: Path, key: str) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} cannot be read: {error}.", fix="Name the folder that holds it.") from error
    if not rows or key not in rows[0]:
        raise Misconfigured(f"{path} has no rows or no column {key}.", fix="See docs/landmarks.md for the format.")
    return rows
