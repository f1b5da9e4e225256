"""Whether a job that failed is tried again, and when: pure decisions, handed back to the worker.

Three kinds of failure are told apart. What is *transient* (store away, disk full) says nothing of the film and
is tried for as long as it takes. What is *permanent* would end the same way again. Anything else - an unknown
exception, a worker that died - is tried a few times, because it may be either.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass

from screening_node.errors import Misconfigured, Permanent, Transient
from screening_node.queue.job import Tried

_LONGEST_S = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryRules:
    """``tries``: how often a film may fail. ``interruptions``: how often the node may end while it is judged."""

    tries: int = 3
    interruptions: int = 10
    first_delay_s: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Retry:
    """Try again after ``after_s`` seconds; the counters to store with it."""

    after_s: float
    failures: int
    interruptions: int
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Dead:
    """Do not try again, for this reason."""

    failures: int
    interruptions: int
    reason: str


def decide(tried: Tried, error: BaseException, rules: RetryRules) -> Retry | Dead:
    """After an exception."""
    if isinstance(error, Transient):
        delay = _delay(tried.attempt - tried.failures - tried.interruptions, rules)
        return Retry(after_s=delay, failures=tried.failures, interruptions=tried.interruptions, reason=describe(error))
    if isinstance(error, Permanent | Misconfigured):
        return Dead(failures=tried.failures + 1, interruptions=tried.interruptions, reason=describe(error))
    return _count_failure(tried, describe(error), rules)


def after_death(tried: Tried, reason: str, rules: RetryRules) -> Retry | Dead:
    """After the worker died, or hung, while it held the job."""
    return _count_failure(tried, reason, rules)


def after_interruption(tried: Tried, reason: str, rules: RetryRules) -> Retry | Dead:
    """After the whole node ended while it held the job: most often a power cut, which is not the film's fault.

    Still counted, since a film that brings the whole host down must not do so for ever.
    """
    interruptions = tried.interruptions + 1
    if interruptions >= rules.interruptions:
        reason = f"{reason} That happened {interruptions} times."
        return Dead(failures=tried.failures, interruptions=interruptions, reason=reason)
    return Retry(after_s=0.0, failures=tried.failures, interruptions=interruptions, reason=reason)


def describe(error: BaseException) -> str:
    """An exception in words. Of foreign ones only the type: their text may quote a patient's name."""
    if isinstance(error, Transient | Permanent | Misconfigured):
        return str(error)
    if isinstance(error, MemoryError):
        return "Not enough memory to judge the film."
    return f"Unexpected error while judging the film: {type(error).__name__}. The log has the details."


def where(error: BaseException) -> str:
    """Where an exception came from, without its text: that may quote a patient's name."""
    return f"{type(error).__name__} at\n{''.join(traceback.format_tb(error.__traceback__))}"


def _count_failure(tried: Tried, reason: str, rules: RetryRules) -> Retry | Dead:
    failures = tried.failures + 1
    if failures >= rules.tries:
        return Dead(failures=failures, interruptions=tried.interruptions, reason=reason)
    return Retry(after_s=_delay(failures, rules), failures=failures, interruptions=tried.interruptions, reason=reason)


def _delay(times: int, rules: RetryRules) -> float:
    """Doubling from the first delay, up to a minute."""
    return min(_LONGEST_S, rules.first_delay_s * 2.0 ** min(max(times, 1) - 1, 10))
