"""What the reporter makes beside the Structured Report."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from unit.reporting import cases

from screening_node.domain.alarm import AlarmDecision
from screening_node.domain.result import ScreeningResult
from screening_node.reporting.kinds import SOP_CLASSES, Kind, Wanted
from screening_node.reporting.language import Language
from screening_node.reporting.reporter import Report, Reporter

REPORTER = Reporter(cases.TABLE, software_version="0.1.0", zone=dt.UTC)


def companion(
    kind: Kind,
    folder: Path,
    result: ScreeningResult,
    *,
    alarm: AlarmDecision | None = None,
    revision: int = 1,
    language: Language = Language.ENGLISH,
    **header: Any,
) -> Report | None:
    """One object about a film with this header; None where the reporter makes none."""
    film = cases.film_file(folder / "film.dcm", **header)
    wanted = Wanted(kind=kind, sop_class_uid=SOP_CLASSES[kind], language=language)
    decided = alarm or decision(result)
    return REPORTER.reports(film, result, decided, cases.AT, revision, [wanted]).get(wanted)


def decision(result: ScreeningResult) -> AlarmDecision:
    """What is decided for a patient of whom nothing else is known."""
    if result.refusal is not None:
        return cases.NOT_EVALUATED
    return cases.RAISED if result.crossed else cases.NOT_RAISED
