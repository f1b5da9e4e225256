"""A small cohort's folder to spoil, and what is told of it."""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from builders import a_reference

from screening_node.errors import Misconfigured
from screening_node.laboratory.folder import Checked, check_cohort, open_cohort
from screening_node.laboratory.folder.problems import Kind
from screening_node.phantom.cohort_folder import CohortOrder

REFERENCE = a_reference(("any", "L1", 1.00, 0.1), ("any", "any", 1.05, 0.11))
ORDER = CohortOrder(films=7, seed=60, size=256)
Row = dict[str, str]


def rows_of(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_rows(path: Path, rows: list[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def edit(folder: Path, change: Callable[[list[Row]], object], name: str = "dxa.csv") -> None:
    rows = rows_of(folder / name)
    change(rows)
    write_rows(folder / name, rows)


def set_cells(index: int, cells: Mapping[str, str]) -> Callable[[list[Row]], object]:
    return lambda rows: rows[index].update(cells)


def swap(one: str, other: str) -> Callable[[list[Row]], object]:
    def change(rows: list[Row]) -> None:
        for row in rows:
            row[one], row[other] = row[other], row[one]

    return change


def film(index: int) -> str:
    return f"films/PHANTOM-{60 + index:06d}.dcm"


def told(folder: Path, kind: Kind, **options: object) -> str:
    """The one problem there is, of that kind, in words."""
    checked: Checked = check_cohort(folder, **options)  # type: ignore[arg-type]
    assert [problem.kind for problem in checked.problems] == [kind], [str(one) for one in checked.problems]
    with pytest.raises(Misconfigured) as refused:
        open_cohort(folder, **options)  # type: ignore[arg-type]
    assert str(checked.problems[0]) in refused.value.message
    assert kind.fix in refused.value.fix
    return str(checked.problems[0])
