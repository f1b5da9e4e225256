import datetime as dt
from itertools import pairwise

import pytest

from screening_node.delivery.retry import DELAYS_SECONDS, GIVE_UP_AFTER, Park, Postpone, decide
from screening_node.errors import (
    DestinationRefused,
    DestinationUnavailable,
    Misconfigured,
    ScreeningNodeError,
    StoreUnavailable,
    UnreadableObject,
)

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
AWAY = DestinationUnavailable("away", fix="wait")


def _decide(attempt: int, *, age: dt.timedelta = dt.timedelta(), error: ScreeningNodeError = AWAY) -> Postpone | Park:
    return decide(attempt=attempt, created_at=NOON - age, now=NOON, error=error)


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 10), (2, 30), (3, 60), (4, 300), (7, 3600), (500, 3600), (0, 10)])
def test_the_delay_grows_to_an_hour(attempt: int, seconds: float) -> None:
    decision = _decide(attempt)
    assert decision == Postpone(not_before=NOON + dt.timedelta(seconds=seconds), reason="away Fix: wait")


def test_no_delay_is_shorter_than_the_one_before() -> None:
    assert all(later > earlier for earlier, later in pairwise(DELAYS_SECONDS))


def test_transient_errors_are_tried_for_a_week() -> None:
    assert isinstance(_decide(900, age=GIVE_UP_AFTER - dt.timedelta(seconds=1)), Postpone)
    assert _decide(900, age=GIVE_UP_AFTER) == Park(reason="Given up after 7 days. away Fix: wait")


@pytest.mark.parametrize("kind", [DestinationRefused, UnreadableObject, Misconfigured])
def test_permanent_errors_are_parked_at_once(kind: type[ScreeningNodeError]) -> None:
    assert _decide(1, error=kind("no")) == Park(reason="no")


def test_a_missing_archive_is_worth_another_try() -> None:
    assert isinstance(_decide(1, error=StoreUnavailable("not mounted")), Postpone)
