"""When to try a delivery again, and when to stop: a pure decision."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from screening_node.errors import ScreeningNodeError, Transient

#: Delay after the first, second, ... failed attempt, in seconds; the last one repeats.
DELAYS_SECONDS = (10.0, 30.0, 60.0, 300.0, 900.0, 1800.0, 3600.0)
GIVE_UP_AFTER = dt.timedelta(days=7)


@dataclass(frozen=True, kw_only=True, slots=True)
class Postpone:
    """Try again at ``not_before``."""

    not_before: dt.datetime
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Park:
    """Stop trying until a person says otherwise."""

    reason: str


def decide(
    *,
    attempt: int,
    created_at: dt.datetime,
    now: dt.datetime,
    error: ScreeningNodeError,
    give_up_after: dt.timedelta = GIVE_UP_AFTER,
) -> Postpone | Park:
    """What to do after ``attempt`` (from 1) failed with ``error``.

    Transient errors are retried with growing delay until ``give_up_after`` the delivery was created; permanent ones
    would end the same way again and are parked at once.
    """
    if not isinstance(error, Transient):
        return Park(reason=str(error))
    if now - created_at >= give_up_after:
        return Park(reason=f"Given up after {_in_words(give_up_after)}. {error}")
    delay = DELAYS_SECONDS[min(max(attempt, 1), len(DELAYS_SECONDS)) - 1]
    return Postpone(not_before=now + dt.timedelta(seconds=delay), reason=str(error))


def _in_words(span: dt.timedelta) -> str:
    days = span / dt.timedelta(days=1)
    return f"{days:g} days" if days != 1 else "1 day"
