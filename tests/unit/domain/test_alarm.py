"""The patient-level alarm: thresholds by vertebra, the window, and what the site already knows."""

import datetime as dt
from dataclasses import replace

import pytest

from screening_node.domain.alarm import (
    HEADER_CORRECTED,
    RETRACTED_BY_A_PERSON,
    AlarmDecision,
    AlarmStatus,
    AlarmStep,
    KnownAlarm,
    PatientFacts,
    Retraction,
    ThresholdSet,
    add_months,
    after,
    confidence,
    decide,
    findings,
    within,
)
from screening_node.domain.result import BmdEstimate, Vertebra
from screening_node.domain.tscore import ReferenceRow, ReferenceTable

FLEX = ThresholdSet(
    name="flex",
    source="Wang et al. 2022",
    by_vertebra={Vertebra.L1: -2.2, Vertebra.L2: -2.1, Vertebra.L3: -2.0, Vertebra.L4: -1.9},
)
UNIT = ReferenceTable(
    name="unit",
    version="1",
    title="Mean 0, SD 1",
    maker="-",
    population="-",
    source="-",
    rows=(ReferenceRow(sex="any", vertebra="any", mean=0.0, sd=1.0),),
)
STUDY = dt.date(2026, 3, 31)


def crossings(*t_scores: float) -> list[bool]:
    estimates = [BmdEstimate(vertebra=v, bmd=t, sd=0.1) for v, t in zip(Vertebra, t_scores, strict=True)]
    return [f.below for f in findings(reversed(estimates), sex=None, reference=UNIT, thresholds=FLEX)]


def decided(
    crossed: bool | None = True, known: list[KnownAlarm] | None = None, facts: PatientFacts | None = None
) -> AlarmDecision:
    return decide(crossed=crossed, study_date=STUDY, known=known or [], facts=facts or PatientFacts(), window_months=12)


def test_each_vertebra_has_its_own_threshold_and_equal_is_not_below() -> None:
    assert crossings(-2.2, -2.1, -2.0, -1.9) == [False] * 4
    assert crossings(-2.201, -2.101, -2.001, -1.901) == [True] * 4
    assert crossings(-2.15, -2.15, -1.95, -1.95) == [False, True, False, True]


def sure(*t_scores: float, sd: float = 0.1, reference: ReferenceTable = UNIT) -> float | None:
    estimates = [BmdEstimate(vertebra=v, bmd=t, sd=sd) for v, t in zip(Vertebra, t_scores, strict=False)]
    found = findings(estimates, sex=None, reference=UNIT, thresholds=FLEX)
    return confidence(found, sex=None, reference=reference)


def test_confidence_tells_a_clear_crossing_from_a_narrow_one() -> None:
    assert sure(-2.2) == pytest.approx(0.5), "on the threshold"
    assert sure(-2.3) == pytest.approx(0.8413, abs=1e-4), "one SD below"
    assert sure(-2.3, sd=0.2) == pytest.approx(0.6915, abs=1e-4), "half an SD below"
    assert sure(-1.0, -2.3, 0.0, 0.0) == pytest.approx(0.9772, abs=1e-4), "the clearest of the vertebrae"


def test_confidence_is_unknown_where_it_cannot_be_said() -> None:
    assert sure(-2.3, sd=0.0) is None
    women = ReferenceRow(sex="F", vertebra="any", mean=0.0, sd=1.0)
    assert sure(-2.3, reference=replace(UNIT, rows=(women,))) is None


def test_first_crossing_film_opens_an_alarm() -> None:
    assert (decided().step, decided().status) == (AlarmStep.OPEN, AlarmStatus.RAISED)


def test_a_refused_film_is_not_evaluated() -> None:
    assert (decided(crossed=None).step, decided(crossed=None).status) == (AlarmStep.NONE, AlarmStatus.NOT_EVALUATED)


def test_a_film_above_the_thresholds_leaves_an_alarm_as_it_is() -> None:
    known = [KnownAlarm(number=7, study_date=dt.date(2026, 1, 1))]
    assert decided(crossed=False, known=known).step is AlarmStep.NONE


def test_films_within_the_window_share_one_alarm() -> None:
    known = [
        KnownAlarm(number=7, study_date=dt.date(2025, 6, 1)),
        KnownAlarm(number=8, study_date=dt.date(2025, 9, 1)),
    ]
    assert (decided(known=known).step, decided(known=known).alarm) == (AlarmStep.UPDATE, 8)


def test_an_older_film_that_arrives_late_joins_the_newer_alarm() -> None:
    assert decided(known=[KnownAlarm(number=9, study_date=dt.date(2026, 12, 1))]).alarm == 9


def test_an_alarm_outside_the_window_is_another_one() -> None:
    assert decided(known=[KnownAlarm(number=7, study_date=dt.date(2025, 3, 30))]).step is AlarmStep.OPEN


def test_what_the_site_knows_suppresses_and_says_so() -> None:
    diagnosed = decided(facts=PatientFacts(diagnosed=True))
    recent = decided(facts=PatientFacts(last_dxa=dt.date(2025, 12, 1)))
    old = decided(facts=PatientFacts(last_dxa=dt.date(2020, 1, 1)))
    assert (diagnosed.step, diagnosed.status) == (AlarmStep.SUPPRESS, AlarmStatus.NOT_RAISED)
    assert "diagnosis" in diagnosed.reason
    assert recent.step is AlarmStep.SUPPRESS
    assert "DXA" in recent.reason
    assert old.step is AlarmStep.OPEN


@pytest.mark.parametrize(
    ("start", "months", "expected"),
    [
        (dt.date(2026, 1, 31), 1, dt.date(2026, 2, 28)),
        (dt.date(2024, 1, 31), 1, dt.date(2024, 2, 29)),
        (dt.date(2026, 12, 15), 12, dt.date(2027, 12, 15)),
        (dt.date(2026, 11, 30), 3, dt.date(2027, 2, 28)),
    ],
)
def test_add_months(start: dt.date, months: int, expected: dt.date) -> None:
    assert add_months(start, months) == expected


def test_the_window_is_symmetric_and_includes_its_last_day() -> None:
    assert within(dt.date(2025, 3, 31), STUDY, 12)
    assert within(STUDY, dt.date(2025, 3, 31), 12)
    assert not within(dt.date(2025, 3, 30), STUDY, 12)


@pytest.mark.parametrize("crossed", [True, False, None])
def test_a_retraction_stands_whatever_the_film_says_now(crossed: bool | None) -> None:
    found = decide(
        crossed=crossed,
        study_date=STUDY,
        known=[KnownAlarm(number=7, study_date=STUDY)],
        facts=PatientFacts(diagnosed=True),
        window_months=12,
        retraction=Retraction(alarm=3, reason="A marker."),
    )
    assert (found.step, found.status, found.alarm) == (AlarmStep.RETRACT, AlarmStatus.RETRACTED, 3)
    assert found.reason == f"{RETRACTED_BY_A_PERSON} A marker."
    assert found.corrects
    assert after(AlarmStatus.RAISED, found) == found, "nothing is said of an alarm that stays open"


def test_what_was_said_of_other_data_is_said_first() -> None:
    changed = after(AlarmStatus.RAISED, decided(crossed=False), corrected=True)
    assert changed.reason == f"{HEADER_CORRECTED} {decided(crossed=False).reason}"
    assert changed.corrects
    assert not decided().corrects
