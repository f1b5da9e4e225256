"""What can be wrong with a cohort folder, said in one error: every kind, with file, row and how to mend it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import zip_longest
from pathlib import Path

from screening_node.errors import Misconfigured

#: So many problems are told in words, the others counted: a column in the wrong unit is wrong in every row.
_IN_WORDS = 20


class Kind(Enum):
    """A kind of problem: its name, and its fix."""

    UNFINISHED = (
        "unfinished cohort",
        "Run the same `screening-node phantom cohort` command again: it goes on where it stopped.",
    )
    MANIFEST = ("manifest", "Write the manifest anew, or take it out: a hospital's cohort needs none.")
    TABLE = ("unreadable table", "Save it as UTF-8, with commas between the columns and points in the numbers.")
    COLUMNS = ("missing column", "Name the columns as docs/bring-your-own-data.md does.")
    VALUE = ("impossible value", "Correct the cell, or leave it empty where the value is not known.")
    NO_DXA = ("film without DXA", "Fill in L1 to L4 of that row, or take the row out.")
    UNIT = ("BMD in mg/cm2", "Divide L1 to L4 by 1000: the columns hold g/cm2.")
    SWAPPED = ("swapped columns", "Put each value below its own heading.")
    REFERENCE = (
        "T-scores of another reference",
        "Name the table that the DXA machine used (config/references), or empty the T columns.",
    )
    ROW_TWICE = ("film named twice", "Keep one row for each film.")
    MISSING = ("missing film", "Put the file where dxa.csv says, or take the row out.")
    OUTSIDE = ("film outside the folder", "Put the films into the cohort's folder; paths are relative to it.")
    UNREADABLE = ("unreadable film", "Export that film again, or take its row out.")
    TRUNCATED = ("truncated film", "Copy or export that film again: its pixel data are cut short.")
    CHANGED = ("changed film", "Fetch or write that film again: it is not the one that the manifest was written for.")
    SAME_FILM = ("one film in two files", "Keep one file and one row of each film.")
    SAME_PATIENT = (
        "one patient under two IDs",
        "Give all films of a person one patient_id, or parts that train and parts that test would share patients.",
    )
    LANDMARKS = (
        "landmarks",
        "Landmarks are x, y in pixels of the stored film, left is the patient's; leave points empty that are off it.",
    )

    @property
    def words(self) -> str:
        """The kind as people read it."""
        return self.value[0]

    @property
    def fix(self) -> str:
        """How to mend it."""
        return self.value[1]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong: in which file, and in which row of it (the heading is row 1). Names no patient."""

    kind: Kind
    file: str
    text: str
    row: int | None = None

    def __str__(self) -> str:
        place = self.file if self.row is None else f"{self.file} row {self.row}"
        return f"{place}: {self.text}"


def misconfigured(folder: Path, problems: Sequence[Problem]) -> Misconfigured:
    """All problems as one error, at least one of each kind in words, with a fix for each kind."""
    said = list(_by_turns(problems))[:_IN_WORDS]
    lines = [f"The cohort in {folder} cannot be used.", *(f"- {problem}" for problem in said)]
    left = Counter(problem.kind for problem in problems) - Counter(problem.kind for problem in said)
    if left:
        counts = ", ".join(f"{count} x {kind.words}" for kind, count in left.items())
        lines.append(f"- and {left.total()} more: {counts}")
    fixes = [f"{kind.words}: {kind.fix}" for kind in dict.fromkeys(problem.kind for problem in problems)]
    return Misconfigured("\n".join(lines) + "\n", fix="\n- ".join(["", *fixes]))


def _by_turns(problems: Sequence[Problem]) -> Iterator[Problem]:
    """The first of each kind, then the second of each, ...: no kind hides behind another."""
    kinds: dict[Kind, list[Problem]] = {}
    for problem in problems:
        kinds.setdefault(problem.kind, []).append(problem)
    for turn in zip_longest(*kinds.values()):
        yield from (problem for problem in turn if problem is not None)
