"""What every message says of a film, as coded facts: each format writes the same ones.

The codes are those of the Structured Report (``codes.py``), so that a machine finds the same thing under the same
code wherever it looks; only facts that a report says by its structure have a code of their own here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pydicom.sr.coding import Code

from screening_node.domain.alarm import AlarmStatus
from screening_node.domain.identity import MODEL_NAME
from screening_node.domain.result import ScreeningResult, Vertebra, VertebraFinding
from screening_node.reporting import codes, wording
from screening_node.reporting.measurement_report import Statement

#: Flags as in HL7 table 0078 and FHIR's ObservationInterpretation.
LOW: Final = "L"
ABNORMAL: Final = "A"


class Group(StrEnum):
    """What facts belong together; the vertebrae have groups by their own names."""

    SENTENCE = "sentence"
    PATIENT = "patient"
    LOWEST = "lowest"
    L1 = "L1"
    L2 = "L2"
    L3 = "L3"
    L4 = "L4"


@dataclass(frozen=True, kw_only=True, slots=True)
class Quantity:
    """A number as it is printed, with its unit."""

    value: str
    unit: Code


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """A concept and its value; None where it could not be measured. ``flag`` is LOW, ABNORMAL or ""."""

    group: Group
    name: Code
    value: Quantity | Code | str | None
    flag: str = ""

    @property
    def title(self) -> str:
        """The concept for people: of which vertebra it is said, because receivers may show it without its group."""
        return f"{self.name.meaning} {self.group}" if self.group in Vertebra.__members__ else self.name.meaning


def of(statement: Statement) -> tuple[Fact, ...]:
    """The facts, group by group, what matters most first."""
    result = statement.result
    found = [
        Fact(group=Group.SENTENCE, name=codes.SENTENCE, value=statement.sentence),
        *_patient(statement),
        *_lowest(result),
        *(fact for finding in result.findings for fact in _vertebra(finding)),
    ]
    if result.refusal is not None and statement.revision > 1:
        found += _taken_back()
    return tuple(found)


def _patient(statement: Statement) -> Iterator[Fact]:
    result, status = statement.result, statement.alarm.status
    raised = status is AlarmStatus.RAISED
    said: list[tuple[Code, Code | str | None]] = [
        (codes.FINDING, codes.BONE_DENSITY_LOW if raised else None),
        (codes.RECOMMENDED_FOLLOW_UP, codes.DXA if raised else None),
        (codes.QUALITY_FINDING, None if result.refusal is None else codes.REFUSALS[result.refusal.code]),
        (codes.LIMITS_OF_USE, statement.say(result.model.limits_of_use) if result.model.limits_of_use else None),
        (codes.ALGORITHM_NAME, f"{MODEL_NAME} {result.model.pathway}"),
        (codes.ALGORITHM_VERSION, f"{statement.software_version}, bundle {result.model.bundle}"),
        (codes.TABLE_CITATION, statement.table.citation if result.findings else None),
    ]
    yield Fact(
        group=Group.PATIENT,
        name=codes.BONE_DENSITY_ALARM,
        value=codes.ALARM_VALUES[status],
        flag=ABNORMAL if raised else "",
    )
    yield from (Fact(group=Group.PATIENT, name=name, value=value) for name, value in said if value is not None)


def _lowest(result: ScreeningResult) -> Iterator[Fact]:
    lowest = result.lowest
    if lowest is not None:
        yield _t_score(Group.LOWEST, codes.LOWEST_T_SCORE, lowest)
        yield Fact(group=Group.LOWEST, name=codes.FINDING_SITE, value=codes.VERTEBRAE[lowest.vertebra])


def _vertebra(finding: VertebraFinding) -> Iterator[Fact]:
    group = Group(finding.vertebra.value)
    crossed = codes.BELOW_THRESHOLD if finding.below else codes.NOT_BELOW_THRESHOLD
    threshold = Quantity(value=f"{finding.threshold:.2f}", unit=codes.T_SCORE_UNIT)
    yield Fact(group=group, name=codes.BONE_DENSITY, value=_density(finding.bmd))
    yield Fact(group=group, name=codes.STANDARD_DEVIATION, value=_density(finding.sd))
    for name, limit in zip((codes.INTERVAL_LOW, codes.INTERVAL_HIGH), finding.interval or (), strict=False):
        yield Fact(group=group, name=name, value=_density(limit))
    yield _t_score(group, codes.T_SCORE, finding)
    yield Fact(group=group, name=codes.ALARM_THRESHOLD, value=threshold)
    yield Fact(group=group, name=codes.THRESHOLD_CROSSED, value=crossed)


def _taken_back() -> Iterator[Fact]:
    """An earlier report may have given densities that this one does not stand by."""
    return (Fact(group=Group(vertebra.value), name=codes.BONE_DENSITY, value=None) for vertebra in Vertebra)


def _density(value: float) -> Quantity | None:
    text = wording.bmd(value)
    return None if text is None else Quantity(value=text, unit=codes.G_PER_CM2)


def _t_score(group: Group, name: Code, finding: VertebraFinding) -> Fact:
    text = wording.t_score(finding.t_score, finding.threshold)
    value = None if text is None else Quantity(value=text, unit=codes.T_SCORE_UNIT)
    return Fact(group=group, name=name, value=value, flag=LOW if finding.below else "")
