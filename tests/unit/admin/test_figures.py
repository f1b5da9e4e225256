"""Drawings as numbers, and numbers as words."""

from __future__ import annotations

import pytest
from admin_site import a_config

from screening_node.admin import figures
from screening_node.admin.rendering import duration, person, setting

ROWS = [
    {"vertebra": "L1", "t_score": -2.8, "threshold": -2.2, "below": True, "sd": 0.0535},
    {"vertebra": "L2", "t_score": -1.0, "threshold": -2.1, "below": False, "sd": 0.0535},
]


def test_estimates_lie_on_the_axis_with_their_thresholds() -> None:
    chart = figures.estimate_chart(ROWS, sex="F", reference=a_config().reference)
    one, two = chart.marks
    assert one.x < one.threshold_x
    assert two.x > two.threshold_x
    assert one.low is not None
    assert one.high is not None
    assert one.x - one.low == pytest.approx(one.high - one.x, abs=0.2)
    assert one.x - one.low == pytest.approx(chart.scale.x(0) - chart.scale.x(-0.5), abs=0.2), "0.0535 of 0.107 g/cm²"
    assert two.x == chart.scale.x(-1.0) == chart.bands[2][0], "normal begins at -1"


def test_without_its_table_no_spread_is_drawn() -> None:
    chart = figures.estimate_chart(ROWS, sex="F", reference=None)
    assert chart.marks[0].low is None
    assert chart.interval is None


def test_calibrated_estimates_have_90_percent_intervals() -> None:
    plain = figures.estimate_chart(ROWS, sex="F", reference=a_config().reference)
    wide = figures.estimate_chart(ROWS, sex="F", reference=a_config().reference, calibrated=True)
    assert (plain.interval, wide.interval) == ("± 1 SD", "90 % interval")
    widths = [(chart.marks[0].high or 0) - (chart.marks[0].low or 0) for chart in (plain, wide)]
    assert widths[1] / widths[0] == pytest.approx(1.645, abs=0.01)


def test_an_absurd_estimate_stays_within_the_drawing() -> None:
    chart = figures.estimate_chart([{**ROWS[0], "t_score": -14.0}], sex=None, reference=None)
    assert chart.scale.left <= chart.marks[0].x <= chart.scale.right


@pytest.mark.parametrize(("most", "top"), [(0, 1), (1, 1), (3, 5), (7, 10), (11, 20), (99, 100), (4711, 5000)])
def test_bars_end_below_a_round_number(most: int, top: int) -> None:
    chart = figures.bar_chart([("a", 0), ("b", most)])
    assert chart.most == top
    assert all(bar.y >= chart.top and bar.y + bar.height == pytest.approx(chart.base) for bar in chart.bars)
    assert chart.bars[-1].x + chart.bars[-1].width <= chart.width


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, ""), (0.42, "0.4 s"), (12.4, "12 s"), (125, "2 min"), (7560, "2.1 h"), (4 * 86400, "4 days")],
)
def test_durations_are_said(seconds: float | None, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Doe^Jane", "Doe, Jane"),
        ("Doe^Jane^Q^Dr", "Doe, Jane Q"),
        ("Doe", "Doe"),
        (None, ""),
        ("^^", ""),
        ("山田^太郎=Yamada^Taro", "山田, 太郎"),
        ("Doe\x1b[31m^J\u202eane", "Doe[31m, Jane"),
    ],
)
def test_names_are_said(name: str | None, said: str) -> None:
    assert person(name) == said


def test_settings_are_said() -> None:
    assert [setting(value) for value in (None, True, [40, 90], {"a": 1}, "x")] == [
        "not set",
        "yes",
        "40, 90",
        "a 1",
        "x",
    ]
