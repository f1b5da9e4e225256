"""Tables that are no tables."""

from pathlib import Path

from laboratory.cohort_folders import edit, told

from screening_node.laboratory.folder.problems import Kind


def test_a_table_that_is_not_utf8(folder: Path) -> None:
    path = folder / "dxa.csv"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], lines[3].replace(b"PHANTOM", "PHÄNTOM".encode("latin-1")), *lines[4:]]))
    assert told(folder, Kind.TABLE) == "dxa.csv row 4: it is not UTF-8"


def test_missing_columns(folder: Path) -> None:
    edit(folder, lambda rows: [(row.pop("L3"), row.pop("sex")) for row in rows])
    assert told(folder, Kind.COLUMNS) == "dxa.csv row 1: there is no column sex, L3"


def test_semicolons(folder: Path) -> None:
    path = folder / "dxa.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",", ";"), encoding="utf-8")
    assert told(folder, Kind.COLUMNS).endswith("its columns are separated by semicolons")


def test_a_row_of_another_length(folder: Path) -> None:
    path = folder / "dxa.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines[:4], lines[4] + ",7", *lines[5:]]), encoding="utf-8")
    assert told(folder, Kind.TABLE) == "dxa.csv row 5: 14 cells, and the heading has 13"
