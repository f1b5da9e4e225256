"""What a film's page tells beside the estimate: regions, the gate, the patient's course, the way through the node."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
import sqlalchemy as sa
from admin.filled_store import CROSSING, NOW, RAISED, REFUSED, fill, judge, receive
from admin.filled_store import NOT_EVALUATED as REFUSAL
from admin_site import a_config

from screening_node.admin import actions, listings, trend
from screening_node.admin.explained import check_rows, explanation_of, region_table
from screening_node.admin.timeline import audit_rows, time_line
from screening_node.domain.result import Explanation, GateCheck, RegionAnswer, ScreeningResult, VertebraFinding
from screening_node.store import records
from screening_node.store import tables as t
from screening_node.store.session import Store

both = pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)
TABLE = a_config().reference
REGIONS = (
    RegionAnswer(name="cervical", bmd={"L1": 0.7, "L2": 0.8}, attention=0.1),
    RegionAnswer(name="lumbar", bmd={"L1": 0.72}, attention=0.4),
    RegionAnswer(name="whole", bmd={"L1": 0.75, "L2": 0.9}),
)
ESTIMATES = [{"vertebra": "L1", "bmd": 0.71}, {"vertebra": "L2", "bmd": 0.85}]


def test_regions_come_by_attention_with_what_they_said() -> None:
    table = region_table(REGIONS, ESTIMATES, [{"name": "lumbar"}, {"name": "cervical"}])
    assert table is not None
    assert [row.name for row in table.rows] == ["lumbar", "cervical", "whole"]
    assert table.vertebrae == ("L1", "L2")
    assert table.answer == (0.71, 0.85)
    assert table.rows[0].bmd == (0.72, None)
    assert [row.drawn for row in table.rows] == [True, True, False]
    assert (table.weight("lumbar"), table.weight("cervical"), table.weight("left_rib_cage_1")) == (1.0, 0.25, 0.0)
    assert table.with_attention


def test_members_that_do_not_attend_have_no_column_of_it() -> None:
    table = region_table([replace(region, attention=None) for region in REGIONS], ESTIMATES, ())
    assert table is not None
    assert not table.with_attention


def test_a_result_of_before_has_no_table() -> None:
    assert region_table(explanation_of({"refusal": None}).regions, ESTIMATES, ()) is None
    assert explanation_of(None) == Explanation()


def test_the_gates_numbers_are_said_with_their_limits_and_failures_first() -> None:
    rows = check_rows(
        (
            GateCheck(name="off_film", value=0.0625, most=0.13),
            GateCheck(name="width_ratio", value=1.04, least=0.7, most=1.6),
            GateCheck(name="ordered", value=1.0, least=1.0),
            GateCheck(name="lung_contrast", value=-0.31, least=0.75),
            GateCheck(name="something_new", value=2.0),
        )
    )
    assert [(row.passed, row.value.replace("\N{NO-BREAK SPACE}", " "), row.limits) for row in rows] == [
        (False, "−0.31 SD", "at least 0.75\N{NO-BREAK SPACE}SD"),
        (True, "6.2 %", "at most 13.0\N{NO-BREAK SPACE}%"),
        (True, "1.04", "0.70 to 1.60"),
        (True, "yes", "yes"),
        (True, "2.00", ""),
    ]
    assert rows[-1].what == "something new"


def film(store: Store, uid: str, day: dt.date, t_score: float | None, sd: float = 0.0535) -> int:
    """A film of one patient; T-scores by the table in force."""
    exam = receive(store, uid, "P1")
    with store.begin() as tx:
        tx.execute(t.exams.update().where(t.exams.c.id == exam).values(study_date=day))
    judge(store, exam, _result(t_score, sd), RAISED if t_score is not None and t_score < -2.2 else REFUSAL)
    return exam


def _result(t_score: float | None, sd: float) -> ScreeningResult:
    if t_score is None:
        return REFUSED
    (first, _) = CROSSING.findings
    row = TABLE.row(first.vertebra, "F")
    assert row is not None
    bmd = row.mean + t_score * row.sd
    finding = VertebraFinding(
        vertebra=first.vertebra, bmd=bmd, sd=sd, t_score=t_score, threshold=-2.2, below=t_score < -2.2
    )
    return replace(CROSSING, findings=(finding,))


@both
def test_a_patients_course_is_drawn_against_thresholds_with_intervals(store: Store) -> None:
    first = film(store, "1.1", dt.date(2020, 5, 1), -1.0)
    film(store, "1.2", dt.date(2023, 5, 1), None)
    last = film(store, "1.3", dt.date(2026, 5, 1), -2.8)
    receive(store, "1.4", "SOMEBODY-ELSE")
    films = trend.patient_films(store, last, TABLE)
    assert [(each.date.year, each.here) for each in films] == [(2026, True), (2023, False), (2020, False)]
    assert films[1].refusal == "not-frontal"
    row = TABLE.row(CROSSING.findings[0].vertebra, "F")
    assert row is not None
    assert films[0].spread == pytest.approx(0.0535 / row.sd)
    chart = trend.trend_chart(films)
    assert chart is not None
    early, late = chart.marks
    assert early.x < late.x
    assert early.y < late.y, "a lower T-score lies lower"
    assert (early.below, late.below, late.here) == (False, True, True)
    assert late.low is not None
    assert late.high is not None
    assert late.high < late.y < late.low
    assert early.y < early.threshold < late.y
    assert chart.bands[0][2] == "normal"
    assert first == films[2].exam


def test_an_interval_by_another_table_is_not_drawn(store: Store) -> None:
    other = replace(CROSSING, findings=(replace(CROSSING.findings[0], bmd=0.8),))
    judge(store, receive(store, "1.1", "P1"), other, RAISED)
    (only,) = trend.patient_films(store, 1, TABLE)
    assert only.lowest_t == pytest.approx(-2.8)
    assert only.spread is None
    assert trend.trend_chart([only]) is None, "one film is no course"


def test_a_film_is_its_ways_end_to_end(store: Store) -> None:
    fill(store)
    exam = listings.exam(store, 1)
    line = time_line(store, exam, listings.alert(store, 1))
    said = [moment.what for moment in line.moments]
    assert said[0] == "received from XRAY"
    assert said[1] == "queued"
    assert {"judged, result committed (revision 1)", "alert 1 opened"} <= set(said)
    assert line.to_result == 0.0
    assert line.to_delivery is None
    later = NOW + dt.timedelta(seconds=7)
    with store.begin() as tx:
        tx.execute(t.outbox.update().where(t.outbox.c.id == 1).values(delivered_at=later))
    line = time_line(store, listings.exam(store, 1), None)
    assert line.to_delivery == 7.0
    assert line.moments[-1].what == "SR delivered to pacs"
    assert line.moments[-1].after == 7.0


def test_a_film_that_failed_says_so_in_its_line(store: Store) -> None:
    fill(store)
    said = [moment.what for moment in time_line(store, listings.exam(store, 3), None).moments]
    assert said == ["received from XRAY", "queued", "given up: the node failed"]


def test_every_row_of_the_audit_about_a_film_is_shown(store: Store) -> None:
    fill(store)
    actions.looked(store, "exam 1", actor="mia")
    actions.looked(store, "alert 1", actor="tom")
    actions.looked(store, "exam 2", actor="eve")
    actions.note_patient(store, "P1", None, diagnosed=True, last_dxa=None, actor="mia")
    actions.retry_delivery(store, 1, actor="tom")
    with store.begin() as tx:
        uid = tx.execute(sa.select(t.outbox.c.sop_instance_uid).where(t.outbox.c.id == 1)).scalar_one()
        records.audit(tx, actor="node", action="delivery.parked", subject=uid, detail={})
    found = audit_rows(store, listings.exam(store, 1))
    assert [row["actor"] for row in found] == ["node", "tom", "mia", "tom", "mia"]
    assert "eve" not in {row["actor"] for row in found}
