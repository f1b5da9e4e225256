from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from laboratory.annotated_films import SIDE, write_annotated

from screening_node.errors import Misconfigured
from screening_node.laboratory.landmarks.real_films import (
    CHILD,
    POOR,
    TURNED,
    USUAL,
    as_landmark_films,
    read_real_films,
)
from screening_node.networks.normalise import Normalisation
from screening_node.pathways.chest_film.architecture import DetectorArchitecture

ARCHITECTURE = DetectorArchitecture(
    kind="heatmap",
    backbone="compact",
    size=64,
    widths=(8, 8, 8),
    width=8,
    normalisation=Normalisation(kind="local-contrast", scales=(0.1,)),
)


def test_squeezed_films_get_their_true_proportions_back(tmp_path: Path) -> None:
    film = read_real_films(tmp_path, write_annotated(tmp_path))[0]
    assert film.size == (SIDE, round(SIDE * 2000 / 2500))
    assert film.pixel_mm == pytest.approx(2500 * 0.168 / SIDE)
    assert film.pixels().shape == film.size[::-1]
    # 0.30 and 0.70 of the width, at the height where the clavicles' middles were squeezed to.
    assert film.points[4] == pytest.approx([0.3 * SIDE, 0.2 * 0.8 * SIDE], abs=3)


def test_points_that_nobody_could_see_are_unknown(tmp_path: Path) -> None:
    films = read_real_films(tmp_path, write_annotated(tmp_path))
    assert np.isnan(films[1].points[14]).all()
    assert np.isfinite(films[0].points).all()


def test_the_points_lie_where_the_picture_shows_them(tmp_path: Path) -> None:
    films = read_real_films(tmp_path, write_annotated(tmp_path))
    arrays = as_landmark_films(films, ARCHITECTURE, square=96, upright=False)
    x, y = (arrays.points[0, 1] * 96).round().astype(int)
    around = arrays.squares[0, y - 8 : y + 9, x - 8 : x + 9].astype(float)
    row, column = np.unravel_index(around.argmax(), around.shape)
    assert abs(row - 8) <= 2
    assert abs(column - 8) <= 2


def test_films_are_grouped_and_none_is_dropped(tmp_path: Path) -> None:
    changes = {
        0: {"quality": "poor"},
        1: {"Patient Age": "12"},
        2: {"note": "MIRRORED film: marker"},
        3: {"note": "FILM UPSIDE DOWN", "quality": "poor"},
    }
    films = read_real_films(tmp_path, write_annotated(tmp_path, changes))
    assert [film.group for film in films] == [POOR, CHILD, TURNED, TURNED, USUAL, USUAL]


@pytest.mark.parametrize("note", ["MIRRORED film", "FILM UPSIDE DOWN"])
def test_turned_films_are_put_right_for_training_only(tmp_path: Path, note: str) -> None:
    films = read_real_films(tmp_path, write_annotated(tmp_path, {0: {"note": note}}))
    hung = as_landmark_films(films, ARCHITECTURE, square=96, upright=False)
    right = as_landmark_films(films, ARCHITECTURE, square=96, upright=True)
    assert right.points[0, :, 0] == pytest.approx(1 - hung.points[0, :, 0], abs=1e-6)
    upside_down = "UPSIDE" in note
    assert right.points[0, 14, 1] == pytest.approx(abs(upside_down - hung.points[0, 14, 1]), abs=1e-6)
    turned = hung.squares[0, ::-1, ::-1] if upside_down else hung.squares[0, :, ::-1]
    assert right.squares[0].astype(float) == pytest.approx(turned.astype(float), abs=2e-3)
    assert right.points[1:] == pytest.approx(hung.points[1:], nan_ok=True)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"film": "other.png"}, "row 3 (other.png): the film is not in nih_metadata.csv"),
        ({"quality": "fine"}, "row 3 (00000001_000.png): quality is 'fine'"),
        ({"T12_y": "low"}, "row 3 (00000001_000.png): could not convert"),
        ({"Patient Age": "?"}, "row 3 (00000001_000.png): invalid literal"),
    ],
)
def test_what_is_wrong_is_named_with_its_row(tmp_path: Path, change: dict[str, str], says: str) -> None:
    pictures = write_annotated(tmp_path, {1: change})
    with pytest.raises(Misconfigured) as caught:
        read_real_films(tmp_path, pictures)
    assert says in caught.value.message


def test_a_missing_picture_or_table_is_named(tmp_path: Path) -> None:
    pictures = write_annotated(tmp_path)
    (pictures / "00000002_000.png").unlink()
    with pytest.raises(Misconfigured, match=r"row 4 .*no picture of that name"):
        read_real_films(tmp_path, pictures)
    (tmp_path / "landmarks.csv").unlink()
    with pytest.raises(Misconfigured, match=r"landmarks\.csv cannot be read"):
        read_real_films(tmp_path, pictures)
