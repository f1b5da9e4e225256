"""The unit of work: what one pathway judges at once.

A chest film is an exam of one instance, complete on arrival; a lumbar pair or a CT series are exams of several.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class ExamKey:
    """Which exam an instance belongs to, and whether the exam is complete once the instance is stored."""

    pathway: str
    key: str
    complete: bool


@dataclass(frozen=True, kw_only=True)
class ExamFiles:
    """An exam as a pathway reads it: its Part 10 files, and the time that all its dates derive from.

    ``requested_at`` is the job's stored time: a re-run uses the same, so that its objects are byte-identical.
    """

    files: tuple[Path, ...]
    requested_at: dt.datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Patient:
    """Identity and demographics as the film's header gives them; None where absent. Never logged.

    ``sex`` is "F", "M", "O" or None; ``age`` in whole years at the study date.
    """

    patient_id: str | None
    issuer: str | None
    name: str | None
    birth_date: dt.date | None
    sex: str | None
    age: int | None

    def __repr__(self) -> str:
        return "Patient(...)"  # a repr ends in logs
