"""Landmarks that cannot be where the table says."""

from pathlib import Path

import numpy as np
from laboratory.cohort_folders import edit, film, set_cells, swap, told

from screening_node.domain.result import LANDMARK_NAMES
from screening_node.laboratory.folder import check_cohort
from screening_node.laboratory.folder.problems import Kind


def test_landmarks_off_the_film(folder: Path) -> None:
    edit(folder, set_cells(1, {"c7_x": "900", "left_rib_3_y": "-400"}), "landmarks.csv")
    text = told(folder, Kind.LANDMARKS)
    assert text.startswith(f"landmarks.csv row 3: {film(1)}: left_rib_3, c7 lie off the film of ")


def test_landmarks_in_swapped_sides(folder: Path) -> None:
    for name in (name for name in LANDMARK_NAMES if name.startswith("left_")):
        for axis in "xy":
            edit(folder, swap(f"{name}_{axis}", f"right_{name[5:]}_{axis}"), "landmarks.csv")
    checked = check_cohort(folder)
    assert [problem.row for problem in checked.problems] == [2, 3, 4, 5, 6, 7, 8]
    assert all("left and right are swapped" in problem.text for problem in checked.problems)


def test_landmarks_with_x_and_y_swapped(folder: Path) -> None:
    for name in LANDMARK_NAMES:
        edit(folder, swap(f"{name}_x", f"{name}_y"), "landmarks.csv")
    assert any("x and y may be swapped" in problem.text for problem in check_cohort(folder).problems)


def test_half_a_landmark(folder: Path) -> None:
    edit(folder, set_cells(0, {"t12_x": ""}), "landmarks.csv")
    assert told(folder, Kind.LANDMARKS) == "landmarks.csv row 2: a point has x or y, but not both"


def test_films_without_landmarks_are_told_and_taken(folder: Path) -> None:
    edit(folder, lambda rows: rows.pop(0), "landmarks.csv")
    edit(folder, set_cells(0, {"c7_x": "", "c7_y": ""}), "landmarks.csv")
    checked = check_cohort(folder)
    assert checked.cohort is not None
    assert checked.cohort.films[0].landmarks is None
    second = checked.cohort.films[1].landmarks
    assert second is not None
    assert np.isnan(second[LANDMARK_NAMES.index("c7")]).all()
    assert checked.notes == ("landmarks.csv: 1 films of dxa.csv have no landmarks",)
