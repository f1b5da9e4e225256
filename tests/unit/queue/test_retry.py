"""The pure decision about another try."""

from __future__ import annotations

import pytest

from screening_node.errors import (
    BundleInvalid,
    DestinationUnavailable,
    DiskFull,
    Misconfigured,
    StoreUnavailable,
    UnreadableObject,
    UnreadablePixels,
)
from screening_node.queue.job import Tried
from screening_node.queue.retry import Dead, Retry, RetryRules, after_death, after_interruption, decide, describe

RULES = RetryRules(tries=3, interruptions=10, first_delay_s=1.0)


def tried(attempt: int = 1, failures: int = 0, interruptions: int = 0) -> Tried:
    return Tried(attempt=attempt, failures=failures, interruptions=interruptions)


@pytest.mark.parametrize("error", [StoreUnavailable("away"), DiskFull("full"), DestinationUnavailable("away")])
@pytest.mark.parametrize("attempt", [1, 3, 50, 10_000])
def test_what_is_transient_is_tried_for_ever_and_not_held_against_the_film(error: Exception, attempt: int) -> None:
    decision = decide(tried(attempt), error, RULES)
    assert isinstance(decision, Retry)
    assert (decision.failures, decision.interruptions) == (0, 0)
    assert 1.0 <= decision.after_s <= 60.0


def test_delays_grow_and_have_an_end() -> None:
    delays = [decide(tried(attempt), StoreUnavailable("away"), RULES).after_s for attempt in range(1, 12)]  # type: ignore[union-attr]
    assert delays[:4] == [1.0, 2.0, 4.0, 8.0]
    assert delays == sorted(delays)
    assert delays[-1] == 60.0


@pytest.mark.parametrize(
    "error", [UnreadableObject("no"), UnreadablePixels("no"), Misconfigured("no"), BundleInvalid("no")]
)
def test_what_is_permanent_is_not_tried_again(error: Exception) -> None:
    assert decide(tried(), error, RULES) == Dead(failures=1, interruptions=0, reason="no")


def test_an_unknown_error_is_tried_three_times() -> None:
    first = decide(tried(1, 0), ValueError("odd"), RULES)
    second = decide(tried(2, 1), ValueError("odd"), RULES)
    third = decide(tried(3, 2), ValueError("odd"), RULES)
    assert isinstance(first, Retry)
    assert isinstance(second, Retry)
    assert isinstance(third, Dead)
    assert (first.failures, second.failures, third.failures) == (1, 2, 3)
    assert first.after_s < second.after_s


def test_a_death_counts_like_a_failure() -> None:
    assert isinstance(after_death(tried(1, 0), "It died.", RULES), Retry)
    assert after_death(tried(3, 2), "It died.", RULES) == Dead(failures=3, interruptions=0, reason="It died.")


def test_the_nodes_end_is_hardly_held_against_the_film() -> None:
    decision = after_interruption(tried(1), "It ended.", RULES)
    assert decision == Retry(after_s=0.0, failures=0, interruptions=1, reason="It ended.")
    last = after_interruption(tried(10, 0, 9), "It ended.", RULES)
    assert last == Dead(failures=0, interruptions=10, reason="It ended. That happened 10 times.")


def test_texts_of_foreign_exceptions_are_not_kept() -> None:
    assert "Nobody" not in describe(ValueError("bad name Nobody^Real"))
    assert "ValueError" in describe(ValueError("bad name Nobody^Real"))
    assert describe(MemoryError()) == "Not enough memory to judge the film."
    assert describe(UnreadablePixels("Cut off.", fix="Send it again.")) == "Cut off. Fix: Send it again."
