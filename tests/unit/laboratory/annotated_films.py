"""A stand-in for a folder of real films with landmarks: a few small pictures in the same format."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from screening_node.laboratory.landmarks.real_films import POINT_COLUMNS

#: Points of a chest on a square picture, as shares of its side.
CHEST = np.array(
    [
        *((0.56, 0.25), (0.70, 0.20), (0.84, 0.16), (0.44, 0.25), (0.30, 0.20), (0.16, 0.16)),
        *((0.76, 0.35), (0.80, 0.50), (0.83, 0.65), (0.84, 0.78)),
        *((0.24, 0.35), (0.20, 0.50), (0.17, 0.65), (0.16, 0.78)),
        *((0.50, 0.13), (0.50, 0.82)),
    ]
)
SIDE = 96


def write_annotated(folder: Path, changes: Mapping[int, Mapping[str, str]] | None = None, films: int = 6) -> Path:
    """``films`` pictures of 96 x 96 squeezed from 2500 x 2000, their origin and landmarks; ``changes`` by film.

    A column of either table may be changed. Film 1 lacks C7.
    """
    pictures = folder / "pictures"
    pictures.mkdir(parents=True)
    rng = np.random.default_rng(5)
    places, origins = [], []
    for number in range(films):
        name, points = f"{number:08d}_000.png", CHEST * SIDE + rng.normal(0, 1, CHEST.shape)
        Image.fromarray(drawn(points, SIDE)).save(pictures / name)
        cells = {f"{column}_x": f"{x:.1f}" for column, (x, _) in zip(POINT_COLUMNS, points, strict=True)}
        cells |= {f"{column}_y": f"{y:.1f}" for column, (_, y) in zip(POINT_COLUMNS, points, strict=True)}
        place = {"film": name, "annotators": "1", **cells, "quality": "good", "uncertain": "", "note": ""}
        origin = {"f": name, "Finding Labels": "No Finding", "Patient ID": str(number // 2), "Patient Age": "60"}
        origin |= {"Patient Gender": "F", "View Position": "PA", "orig_width": "2500", "orig_height": "2000"}
        origin |= {"orig_spacing_x_mm": "0.168", "orig_spacing_y_mm": "0.168", "mode": "L", "sha1": "0"}
        if number == 1:
            place |= {"C7_x": "", "C7_y": ""}
        for key, value in (changes or {}).get(number, {}).items():
            (origin if key in origin and key != "film" else place)[key] = value
        places.append(place)
        origins.append(origin)
    _table(folder / "landmarks.csv", places)
    _table(pictures / "nih_metadata.csv", origins)
    return pictures


def drawn(points: np.ndarray, side: int) -> np.ndarray:
    """A picture, uint8, on which every landmark is a bright blob on two dark lungs."""
    y, x = np.mgrid[:side, :side]
    picture = 120.0 - 60 * (np.hypot((x / side - 0.3) / 0.14, (y / side - 0.5) / 0.3) < 1)
    picture -= 60 * (np.hypot((x / side - 0.7) / 0.14, (y / side - 0.5) / 0.3) < 1)
    for u, v in points:
        picture += 90 * np.exp(-((x - u) ** 2 + (y - v) ** 2) / (0.02 * side) ** 2)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _table(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
