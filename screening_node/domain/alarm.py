"""When a patient gets an alarm (Wang et al. 2022, section IV.F and Table III), and when not.

A film *crosses* when any vertebra's T-score is below that vertebra's threshold. The alarm belongs to the patient:
several films within a window give one alarm, which newer films update. A film that does not cross never takes
an alarm back, because a single film never rules disease out.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from screening_node.domain.result import BmdEstimate, Vertebra, VertebraFinding
from screening_node.domain.tscore import ReferenceTable


@dataclass(frozen=True, kw_only=True, slots=True)
class ThresholdSet:
    """T-score below which a vertebra crosses, by vertebra; named, because reports cite it."""

    name: str
    source: str
    by_vertebra: Mapping[Vertebra, float]


def findings(
    estimates: Iterable[BmdEstimate], *, sex: str | None, reference: ReferenceTable, thresholds: ThresholdSet
) -> tuple[VertebraFinding, ...]:
    """Each estimate against the reference table and its threshold, in the order L1..L4."""
    return tuple(
        _finding(estimate, reference.t_score(estimate.bmd, estimate.vertebra, sex), thresholds)
        for estimate in sorted(estimates, key=lambda estimate: estimate.vertebra)
    )


def _finding(estimate: BmdEstimate, t_score: float, thresholds: ThresholdSet) -> VertebraFinding:
    threshold = thresholds.by_vertebra[estimate.vertebra]
    return VertebraFinding(
        vertebra=estimate.vertebra,
        bmd=estimate.bmd,
        sd=estimate.sd,
        t_score=t_score,
        threshold=threshold,
        below=t_score < threshold,
    )


class AlarmStatus(StrEnum):
    """What a report says of the patient-level alarm."""

    RAISED = "raised"
    NOT_RAISED = "not raised"
    NOT_EVALUATED = "not evaluated"


NO_LONGER_RAISED = (
    "The report before this one raised an alarm on this film; this report does not. "
    "The patient's alarm stays open until a person closes it."
)


class AlarmStep(StrEnum):
    """What to do with the patient's alarm after one more film."""

    OPEN = "open"  # a new alarm
    UPDATE = "update"  # the alarm of an earlier film within the window also stands for this one
    SUPPRESS = "suppress"  # the film crosses, but the site already knows: no alarm, said why
    NONE = "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownAlarm:
    """An earlier alarm of the same patient: its number and the study date of its newest film."""

    number: int
    study_date: dt.date


@dataclass(frozen=True, kw_only=True, slots=True)
class PatientFacts:
    """What the site has told the node about a patient."""

    diagnosed: bool = False
    last_dxa: dt.date | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AlarmDecision:
    """The step, the alarm that it concerns (UPDATE only), what the report says, and why in words."""

    step: AlarmStep
    status: AlarmStatus
    reason: str
    alarm: int | None = None


def decide(
    *,
    crossed: bool | None,
    study_date: dt.date,
    known: Iterable[KnownAlarm],
    facts: PatientFacts,
    window_months: int,
) -> AlarmDecision:
    """Decide on a patient's alarm after one film; ``crossed`` is None when the film was refused. Pure."""
    if crossed is None:
        return AlarmDecision(step=AlarmStep.NONE, status=AlarmStatus.NOT_EVALUATED, reason="The film was not judged.")
    if not crossed:
        return AlarmDecision(
            step=AlarmStep.NONE, status=AlarmStatus.NOT_RAISED, reason="No vertebra is below its threshold."
        )
    if facts.diagnosed:
        return _suppressed("Below threshold, but the site has recorded a known diagnosis.")
    if facts.last_dxa is not None and within(facts.last_dxa, study_date, window_months):
        return _suppressed("Below threshold, but the site has recorded a recent DXA.")
    near = [alarm for alarm in known if within(alarm.study_date, study_date, window_months)]
    if near:
        latest = max(near, key=lambda alarm: alarm.study_date)
        return AlarmDecision(
            step=AlarmStep.UPDATE,
            status=AlarmStatus.RAISED,
            reason="Below threshold; the patient's alarm within the window stands.",
            alarm=latest.number,
        )
    return AlarmDecision(step=AlarmStep.OPEN, status=AlarmStatus.RAISED, reason="Below threshold.")


def after(before: AlarmStatus, decision: AlarmDecision) -> AlarmDecision:
    """The decision on a film that was reported before: that an alarm is no longer raised is said in words."""
    if before is not AlarmStatus.RAISED or decision.status is AlarmStatus.RAISED:
        return decision
    return replace(decision, reason=f"{decision.reason} {NO_LONGER_RAISED}")


def within(one: dt.date, other: dt.date, months: int) -> bool:
    """Whether two dates lie no more than ``months`` calendar months apart, in either order."""
    early, late = sorted((one, other))
    return late <= add_months(early, months)


def add_months(date: dt.date, months: int) -> dt.date:
    """The same day ``months`` later, or the last day of that month where it has no such day."""
    year, month0 = divmod(date.year * 12 + date.month - 1 + months, 12)
    return dt.date(year, month0 + 1, min(date.day, calendar.monthrange(year, month0 + 1)[1]))


def _suppressed(reason: str) -> AlarmDecision:
    return AlarmDecision(step=AlarmStep.SUPPRESS, status=AlarmStatus.NOT_RAISED, reason=reason)
