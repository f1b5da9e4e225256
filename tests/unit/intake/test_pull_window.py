"""When archives are fetched from: the window, the schedule, and what follows an error."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from screening_node.errors import LeaseLost, SourceRefused, SourceUnavailable
from screening_node.intake.pull import window as windows
from screening_node.intake.pull.puller import Ended
from screening_node.intake.pull.window import Schedule, Window, one_window, run_schedules, trigger

TAIPEI = ZoneInfo("Asia/Taipei")
NIGHT = Window(opens=dt.time(22), closes=dt.time(5), zone=TAIPEI)


def at(hour: int, minute: int = 0, *, day: int = 2, zone: ZoneInfo = TAIPEI) -> dt.datetime:
    return dt.datetime(2024, 5, day, hour, minute, tzinfo=zone).astimezone(dt.UTC)


@pytest.mark.parametrize(
    ("time", "inside"),
    [((21, 59), False), ((22, 0), True), ((23, 59), True), ((0, 0), True), ((4, 59), True), ((5, 0), False)],
)
def test_over_midnight(time: tuple[int, int], inside: bool) -> None:
    assert NIGHT.holds(at(*time)) is inside


def test_within_a_day_and_all_day() -> None:
    noon = Window(opens=dt.time(12), closes=dt.time(13), zone=TAIPEI)
    assert [noon.holds(at(hour)) for hour in (11, 12, 13)] == [False, True, False]
    assert Window(opens=dt.time(3), closes=dt.time(3), zone=TAIPEI).holds(at(17))


def test_the_window_goes_by_its_own_clock_in_summer_too() -> None:
    berlin = Window(opens=dt.time(22), closes=dt.time(5), zone=ZoneInfo("Europe/Berlin"))
    assert berlin.holds(dt.datetime(2024, 7, 1, 20, 30, tzinfo=dt.UTC))
    assert not berlin.holds(dt.datetime(2024, 1, 1, 20, 30, tzinfo=dt.UTC))
    fires = trigger(berlin).get_next_fire_time(None, dt.datetime(2024, 7, 1, 12, tzinfo=dt.UTC))
    assert fires == dt.datetime(2024, 7, 1, 20, tzinfo=dt.UTC)


def test_days_end_yesterday_and_begin_with_the_newest() -> None:
    schedule = Schedule(name="x", window=NIGHT, first=dt.date(2024, 4, 30), last=None, make=lambda: None)  # type: ignore[arg-type,return-value]
    assert schedule.days(at(23)) == [dt.date(2024, 5, 1), dt.date(2024, 4, 30)]
    assert schedule.days(at(1)) == [dt.date(2024, 5, 1), dt.date(2024, 4, 30)]
    assert schedule.days(at(1, day=1)) == [dt.date(2024, 4, 30)]
    ended = Schedule(name="x", window=NIGHT, first=dt.date(2024, 4, 1), last=dt.date(2024, 4, 2), make=lambda: None)  # type: ignore[arg-type,return-value]
    assert ended.days(at(23)) == [dt.date(2024, 4, 2), dt.date(2024, 4, 1)]


class Scripted:
    """A puller that does what it is told, in turn."""

    def __init__(self, *what: Any) -> None:
        self.what, self.runs, self.ran = list(what), 0, threading.Event()

    def run(self, days: object, stop: object, *, may_go_on: Callable[[], bool]) -> Ended:
        assert may_go_on()
        self.runs += 1
        self.ran.set()
        now = self.what.pop(0)
        if isinstance(now, Exception):
            raise now
        return Ended(now)


def schedule_of(puller: Scripted, window: Window = NIGHT) -> Schedule:
    return Schedule(name="pacs", window=window, first=dt.date(2024, 4, 30), last=None, make=lambda: puller)  # type: ignore[arg-type,return-value]


class Clock(threading.Event):
    """A stop whose waiting moves the clock."""

    def __init__(self, now: dt.datetime) -> None:
        super().__init__()
        self.now = now

    def wait(self, timeout: float | None = None) -> bool:
        self.now += dt.timedelta(seconds=timeout or 0.0)
        return self.is_set()

    def read(self) -> dt.datetime:
        return self.now


@pytest.mark.parametrize("trouble", [SourceUnavailable("away"), LeaseLost("lost"), Ended.BUSY])
def test_after_trouble_that_may_pass_it_is_asked_again(trouble: Any) -> None:
    puller, clock = Scripted(trouble, trouble, Ended.DONE), Clock(at(23))
    one_window(schedule_of(puller), clock, clock.read)
    assert puller.runs == 3
    assert clock.now == at(23) + dt.timedelta(seconds=600)


def test_but_no_longer_than_the_window() -> None:
    puller, clock = Scripted(*[SourceUnavailable("away")] * 100), Clock(at(4, 50))
    one_window(schedule_of(puller), clock, clock.read)
    assert puller.runs == 2
    assert not NIGHT.holds(clock.now)


def test_an_archive_that_says_no_is_left_alone_till_the_next_night(caplog: pytest.LogCaptureFixture) -> None:
    puller, clock = Scripted(SourceRefused("no")), Clock(at(23))
    one_window(schedule_of(puller), clock, clock.read)
    assert puller.runs == 1
    assert "given up for this night" in caplog.text


def test_in_a_window_that_is_open_it_begins_at_once() -> None:
    puller, stop = Scripted(Ended.DONE), threading.Event()
    always = Window(opens=dt.time(0), closes=dt.time(0))
    thread = threading.Thread(target=run_schedules, args=([schedule_of(puller, always)], stop))
    thread.start()
    assert puller.ran.wait(20)
    stop.set()
    thread.join(20)
    assert not thread.is_alive()
    assert puller.runs == 1


def test_outside_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    puller, stop = Scripted(), threading.Event()
    now = dt.datetime.now(dt.UTC)
    later = Window(
        opens=(now + dt.timedelta(hours=2)).time(), closes=(now + dt.timedelta(hours=3)).time(), zone=ZoneInfo("UTC")
    )
    added: list[dt.datetime] = []
    proper = windows.BackgroundScheduler.add_job

    def add_job(self: Any, *args: Any, **named: Any) -> Any:
        added.append(named["next_run_time"])
        return proper(self, *args, **named)

    monkeypatch.setattr(windows.BackgroundScheduler, "add_job", add_job)
    thread = threading.Thread(target=run_schedules, args=([schedule_of(puller, later)], stop))
    thread.start()
    stop.set()
    thread.join(20)
    assert puller.runs == 0
    assert dt.timedelta(hours=1, minutes=59) < added[0] - now <= dt.timedelta(hours=2)
