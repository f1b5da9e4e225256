"""When a patient gets an alarm (Wang et al. 2022, section IV.F and Table III), and when not.

A film *crosses* when any vertebra's T-score is below that vertebra's threshold. The alarm belongs to the patient:
several films within a window give one alarm, which newer films update. A film that does not cross never takes
an alarm back, because a single film never rules disease out.
"""

from __future__ import annotations

import calendar
import datetime as dt
import statistics
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
        calibrated=estimate.calibrated,
    )


def confidence(found: Iterable[VertebraFinding], *, sex: str | None, reference: ReferenceTable) -> float | None:
    """How sure it is that any vertebra lies below its threshold, 0 to 1; None where the table has no row.

    The highest of the vertebrae's shares of a normal distribution about the estimate, with its SD, that lies below the
    threshold. It tells a clear crossing from a narrow one; it is no probability of disease.
    """
    shares = [share for each in found if (share := _share_below(each, sex, reference)) is not None]
    return max(shares, default=None)


def _share_below(finding: VertebraFinding, sex: str | None, reference: ReferenceTable) -> float | None:
    row = reference.row(finding.vertebra, sex)
    if row is None or finding.sd <= 0:
        return None
    return statistics.NormalDist(finding.t_score, finding.sd / row.sd).cdf(finding.threshold)


class AlarmStatus(StrEnum):
    """What a report says of the patient-level alarm."""

    RAISED = "raised"
    NOT_RAISED = "not raised"
    NOT_EVALUATED = "not evaluated"
    RETRACTED = "retracted"


NO_LONGER_RAISED = (
    "The report before this one raised an alarm on this film; this report does not. "
    "The patient's alarm stays open until a person closes it."
)
#: Why an alarm is taken back; what the person said follows it in a decision's reason.
RETRACTED_BY_A_PERSON = "A person has retracted the alarm that an earlier report raised on this film."
HEADER_CORRECTED = (
    "The film's header was corrected: the report before this one was made from other data about patient or study."
)


class AlarmStep(StrEnum):
    """What to do with the patient's alarm after one more film."""

    OPEN = "open"  # a new alarm
    UPDATE = "update"  # the alarm of an earlier film within the window also stands for this one
    SUPPRESS = "suppress"  # the film crosses, but the site already knows: no alarm, said why
    RETRACT = "retract"  # a person has taken back the alarm that this film raised
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
class Retraction:
    """What a person took back: the alarm's number, and why in the person's own words."""

    alarm: int
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AlarmDecision:
    """The step, the alarm that it concerns (UPDATE and RETRACT only), what the report says, and why in words."""

    step: AlarmStep
    status: AlarmStatus
    reason: str
    alarm: int | None = None

    @property
    def corrects(self) -> bool:
        """Whether the report before was wrong, in its alarm or in what it was made from, and not only older."""
        return self.status is AlarmStatus.RETRACTED or HEADER_CORRECTED in self.reason


def decide(
    *,
    crossed: bool | None,
    study_date: dt.date,
    known: Iterable[KnownAlarm],
    facts: PatientFacts,
    window_months: int,
    retraction: Retraction | None = None,
) -> AlarmDecision:
    """Decide on a patient's alarm after one film; ``crossed`` is None when the film was refused. Pure.

    ``known`` are the patient's alarms that stand; ``retraction`` is of the one that this very film raised: it stays
    taken back however often the film is judged.
    """
    if retraction is not None:
        reason = f"{RETRACTED_BY_A_PERSON} {retraction.reason}".rstrip()
        step = AlarmStep.RETRACT
        return AlarmDecision(step=step, status=AlarmStatus.RETRACTED, reason=reason, alarm=retraction.alarm)
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


def after(before: AlarmStatus, decision: AlarmDecision, *, corrected: bool = False) -> AlarmDecision:
    """The decision on a film that was reported before: why this report says something else is said in words.

    ``corrected``: the film came again with another header, so what was said before was said of other data.
    """
    if corrected:
        return replace(decision, reason=f"{HEADER_CORRECTED} {decision.reason}")
    if before is not AlarmStatus.RAISED or decision.status in (AlarmStatus.RAISED, AlarmStatus.RETRACTED):
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
