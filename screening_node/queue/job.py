"""A job, and the table of what may happen to it.

           claim            complete
queued ------------> running ---------> done
  ^  ^                 | | |
  |  `-- release, -----' | `-- bury --> dead     out of tries, or none would help
  |      postpone        |                |
  `----- revive ---------|----------------'      (by a person)
queued, dead -- cancel --|--> cancelled          (by a person)
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from screening_node.errors import IllegalTransition


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    CANCELLED = "cancelled"


class JobEvent(StrEnum):
    """What happens to a job."""

    CLAIM = "claim"
    COMPLETE = "complete"
    RELEASE = "release"  # given back unjudged: the worker stops
    POSTPONE = "postpone"  # it failed and is tried again later
    BURY = "bury"  # it failed for good
    REVIVE = "revive"
    CANCEL = "cancel"


#: (state, event) -> next state. What is not here must not happen.
TRANSITIONS: Mapping[tuple[JobState, JobEvent], JobState] = MappingProxyType(
    {
        (JobState.QUEUED, JobEvent.CLAIM): JobState.RUNNING,
        (JobState.QUEUED, JobEvent.CANCEL): JobState.CANCELLED,
        (JobState.RUNNING, JobEvent.COMPLETE): JobState.DONE,
        (JobState.RUNNING, JobEvent.RELEASE): JobState.QUEUED,
        (JobState.RUNNING, JobEvent.POSTPONE): JobState.QUEUED,
        (JobState.RUNNING, JobEvent.BURY): JobState.DEAD,
        (JobState.DEAD, JobEvent.REVIVE): JobState.QUEUED,
        (JobState.DEAD, JobEvent.CANCEL): JobState.CANCELLED,
    }
)


def next_state(state: JobState, event: JobEvent) -> JobState:
    """The state after an event; IllegalTransition where the table has none."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransition(f"A job that is {state} knows no {event}.") from None


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """What the decision about another try rests on: a job's counters."""

    attempt: int
    failures: int
    interruptions: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One exam to be judged once.

    ``attempt`` counts the claims and never goes down: with ``owner`` it is the fencing token. ``failures`` counts
    the attempts that speak against the film, ``interruptions`` those that only ended with the node.
    """

    id: int
    exam_id: int
    state: JobState
    priority: int
    attempt: int
    failures: int
    interruptions: int
    owner: str | None
    deadline: dt.datetime | None
    not_before: dt.datetime
    requested_at: dt.datetime
    finished_at: dt.datetime | None
    error: str | None

    @property
    def suspect(self) -> bool:
        """Whether an earlier attempt ended badly: then it is judged alone, so that it can harm no other film."""
        return self.failures > 0 or self.interruptions > 0

    @property
    def tried(self) -> Tried:
        """The counters, for ``retry``."""
        return Tried(attempt=self.attempt, failures=self.failures, interruptions=self.interruptions)

    def after(self, event: JobEvent, **changes: Any) -> Job:
        """A copy after an event, with its other changes. Raises IllegalTransition."""
        return replace(self, state=next_state(self.state, event), **changes)
