"""The transition table, the illegal pairs too."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from builders import NOW

from screening_node.errors import IllegalTransition
from screening_node.queue.job import TRANSITIONS, Job, JobEvent, JobState, Tried, next_state

LEGAL = {
    ("queued", "claim"): "running",
    ("queued", "cancel"): "cancelled",
    ("running", "complete"): "done",
    ("running", "release"): "queued",
    ("running", "postpone"): "queued",
    ("running", "bury"): "dead",
    ("dead", "revive"): "queued",
    ("dead", "cancel"): "cancelled",
}


def a_job(**changes: object) -> Job:
    job = Job(
        id=1,
        exam_id=1,
        state=JobState.QUEUED,
        priority=0,
        attempt=0,
        failures=0,
        interruptions=0,
        owner=None,
        deadline=None,
        not_before=NOW,
        requested_at=NOW,
        finished_at=None,
        error=None,
    )
    return dataclasses.replace(job, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(("state", "event"), list(itertools.product(JobState, JobEvent)))
def test_every_pair_of_state_and_event(state: JobState, event: JobEvent) -> None:
    expected = LEGAL.get((state.value, event.value))
    if expected is None:
        with pytest.raises(IllegalTransition, match=f"{state}.*{event}"):
            next_state(state, event)
    else:
        assert next_state(state, event) == expected


def test_nothing_leaves_done_or_cancelled() -> None:
    assert not [state for state, _ in TRANSITIONS if state in (JobState.DONE, JobState.CANCELLED)]


def test_every_state_can_be_reached() -> None:
    assert set(TRANSITIONS.values()) == set(JobState)


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        TRANSITIONS[JobState.DONE, JobEvent.CLAIM] = JobState.RUNNING  # type: ignore[index]


def test_a_job_is_frozen_and_changes_into_a_copy() -> None:
    job = a_job()
    claimed = job.after(JobEvent.CLAIM, owner="me", attempt=1)
    assert (job.state, job.owner) == (JobState.QUEUED, None)
    assert (claimed.state, claimed.owner, claimed.attempt) == (JobState.RUNNING, "me", 1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        job.state = JobState.DONE  # type: ignore[misc]
    with pytest.raises(IllegalTransition):
        claimed.after(JobEvent.CLAIM)


def test_what_ended_badly_is_suspect() -> None:
    assert not a_job(attempt=3).suspect
    assert a_job(failures=1).suspect
    assert a_job(interruptions=1).suspect


def test_counters() -> None:
    assert a_job(attempt=3, failures=2, interruptions=1).tried == Tried(attempt=3, failures=2, interruptions=1)
