"""Values that are impossible, swapped or of another unit or reference are named with their row."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from builders import a_reference
from laboratory.cohort_folders import REFERENCE, Row, edit, set_cells, swap, told

from screening_node.laboratory.folder import check_cohort, open_cohort
from screening_node.laboratory.folder.problems import Kind


def test_a_film_without_dxa(folder: Path) -> None:
    edit(folder, set_cells(2, {"L1": "", "L2": " ", "L3": "NA", "L4": "nan", "T_L1": ""}))
    assert told(folder, Kind.NO_DXA) == "dxa.csv row 4: L1 to L4 are all empty"


def test_bmd_and_t_score_swapped(folder: Path) -> None:
    edit(folder, swap("L2", "T_L2"))
    assert told(folder, Kind.SWAPPED) == "dxa.csv row 1: L2 and T_L2 are swapped"


def test_a_bmd_column_that_holds_t_scores(folder: Path) -> None:
    def change(rows: list[Row]) -> None:
        for row in rows:
            row["L1"] = row.pop("T_L1")

    edit(folder, change)
    assert "L1 holds T-scores" in told(folder, Kind.SWAPPED)


def test_age_and_bmi_swapped(folder: Path) -> None:
    edit(folder, swap("age", "bmi"))
    assert told(folder, Kind.SWAPPED).startswith("dxa.csv row 1: age and bmi are swapped")


def test_two_vertebrae_swapped_show_against_their_t_scores(folder: Path) -> None:
    # Seven films have too few of either sex for a line; the patients are enough.
    edit(folder, lambda rows: [row.update({"sex": "F"}) for row in rows])
    edit(folder, swap("L1", "L4"))
    assert told(folder, Kind.SWAPPED) == ("dxa.csv row 1: L1 and L4 are swapped: T_L1 belongs to the values of L4")


def test_bmd_in_mg(folder: Path) -> None:
    def change(rows: list[Row]) -> None:
        for row in rows:
            row.update({f"L{n}": f"{1000 * float(row[f'L{n}']):.0f}" for n in (1, 2, 3, 4)})

    edit(folder, change)
    checked = check_cohort(folder, reference=REFERENCE)
    assert [problem.row for problem in checked.problems if problem.kind == Kind.UNIT] == [2, 3, 4, 5, 6, 7, 8]
    assert {problem.kind for problem in checked.problems} == {Kind.UNIT}
    assert "L1, L2, L3, L4 in mg/cm2 (" in checked.problems[0].text


def test_t_scores_of_another_reference_say_by_how_much(folder: Path) -> None:
    other = a_reference(("any", "any", 1.05, 0.11), name="other", version="3")
    text = told(folder, Kind.REFERENCE, reference=other)
    assert "the T-scores of 7 of 7 rows are not those of other 3: off by up to" in text
    assert "T_L1" in text
    assert text.endswith("the manifest names test 1")


def test_t_scores_within_rounding_are_the_tables(folder: Path) -> None:
    def change(rows: list[Row]) -> None:
        for row in rows:
            row.update({f"L{n}": f"{float(row[f'L{n}']):.2f}" for n in (1, 2, 3, 4)})
            row.update({f"T_L{n}": f"{float(row[f'T_L{n}']):.1f}" for n in (1, 2, 3, 4)})

    edit(folder, change)
    assert len(open_cohort(folder, reference=REFERENCE).films) == 7


def test_a_sex_that_the_reference_does_not_cover(folder: Path) -> None:
    by_sex = a_reference(*((sex, r.vertebra, r.mean, r.sd) for r in REFERENCE.rows for sex in "FM"))
    edit(folder, set_cells(5, {"sex": ""}))
    text = told(folder, Kind.REFERENCE, reference=by_sex)
    assert text == "dxa.csv row 7: test 1 has no row for the sex unknown"


@pytest.mark.parametrize("cell", ["Ann Example", "1"])
def test_an_unknown_sex_is_not_quoted(folder: Path, cell: str) -> None:
    edit(folder, set_cells(0, {"sex": cell}))
    assert told(folder, Kind.VALUE) == "dxa.csv row 2: sex is none of F, M, O, and not empty"


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        ({"age": "230"}, "age 230 is not within 0 to 120 years"),
        ({"age": "-4"}, "age -4 is not within 0 to 120 years"),
        ({"age": "sixty"}, "age is no number"),
        ({"bmi": "3"}, "bmi 3 is not within 8 to 100 kg/m2"),
        ({"L3": "0.02"}, "L3 0.02 is not within 0.2 to 2.2 g/cm2"),
        ({"L3": "0,91"}, "L3 is no number"),
        ({"T_L4": "-25"}, "T_L4 -25 is not within -10 to 10 SD"),
        ({"patient_id": ""}, "patient_id is empty"),
    ],
)
def test_impossible_values(folder: Path, cells: Mapping[str, str], text: str) -> None:
    edit(folder, set_cells(4, cells))
    assert told(folder, Kind.VALUE) == f"dxa.csv row 6: {text}"
