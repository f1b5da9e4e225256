"""Draws the pictures of docs/phantom.md. Usage: python scripts/phantom_pictures.py FOLDER.

Every film is a seed's; nothing is retouched.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from screening_node.phantom import anatomical
from screening_node.phantom.film import ABDOMEN, BEDSIDE, EXTREMITY, HAND, LATERAL, SyntheticFilm

Grey = npt.NDArray[np.uint8]
#: Height of a film in its row, pixels, and the space between films.
_HIGH, _GAP = 400, 6
_MOST_BYTES = 150_000


def main(folder: Path) -> None:
    """Write the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    size = 2 * _HIGH
    save(row([anatomical.render(seed, long_side=size) for seed in (3, 8, 12)]), folder / "phantom-frontal.png")
    kinds = (BEDSIDE, LATERAL, ABDOMEN, EXTREMITY, HAND)
    save(row([anatomical.render(2, kind=kind, long_side=size) for kind in kinds]), folder / "phantom-kinds.png")
    exam = anatomical.draw_exam(3, long_side=size)
    save(row([anatomical.take(exam, number) for number in range(3)]), folder / "phantom-again.png")


def row(films: list[SyntheticFilm]) -> Image.Image:
    """Films beside each other, bone bright."""
    shown = [shrunk(film) for film in films]
    picture = Image.new("L", (sum(one.width + _GAP for one in shown) - _GAP, _HIGH), 255)
    left = 0
    for one in shown:
        picture.paste(one, (left, 0))
        left += one.width + _GAP
    return picture


def shrunk(film: SyntheticFilm) -> Image.Image:
    """A film at the row's height."""
    share = film.pixels / (2**film.bits - 1)
    bright: Grey = np.rint(255 * (1 - share if film.monochrome1 else share)).astype(np.uint8)
    rows, columns = bright.shape
    return Image.fromarray(bright).resize((round(columns * _HIGH / rows), _HIGH), Image.Resampling.LANCZOS)


def save(picture: Image.Image, path: Path) -> None:
    """Small: in the finest even steps of grey that fit into 150 kB."""
    for step in (1, 2, 3, 4, 6, 8):
        picture.point([value // step * step for value in range(256)]).save(path, optimize=True)
        if path.stat().st_size < _MOST_BYTES:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
