"""Deliveries: owed once, claimed by one, ended in one way."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from builders import NOW, OPEN, a_result, an_instance, an_outgoing

from screening_node.errors import IllegalTransition, LeaseLost, NotFound
from screening_node.store import outbox, records
from screening_node.store import tables as t
from screening_node.store.outbox import Delivery, DeliveryState
from screening_node.store.session import Store

pytestmark = pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)
LATER = NOW + dt.timedelta(minutes=1)


@pytest.fixture
def owing(store: Store) -> Store:
    """A store that owes two reports to ``pacs`` and one to ``other``."""
    with store.begin() as tx:
        records.record_instance(tx, an_instance())
        exam = records.exam(tx, 1)
        reports = [an_outgoing(uid="2.25.1"), an_outgoing(uid="2.25.2"), an_outgoing("other", "2.25.1")]
        records.commit_result(tx, exam=exam, job_id=1, result=a_result(), alarm=OPEN, reports=reports, now=NOW)
    return store


def claim(store: Store, destination: str = "pacs", owner: str = "me", at: dt.datetime = NOW) -> list[Delivery]:
    return outbox.claim_due(store, destination, owner, at, 10, 30.0)


def states(store: Store) -> list[tuple[int, str, int]]:
    with store.read() as tx:
        rows = tx.execute(sa.select(t.outbox.c.id, t.outbox.c.state, t.outbox.c.attempt).order_by(t.outbox.c.id))
        return [tuple(row) for row in rows]


def test_owing_the_same_twice_is_owing_it_once(owing: Store) -> None:
    with owing.begin() as tx:
        assert not outbox.add(tx, 1, an_outgoing(uid="2.25.1"), NOW)
        assert outbox.add(tx, 1, an_outgoing("third", "2.25.1"), NOW)
    assert len(states(owing)) == 4


def test_a_claim_takes_what_its_destination_is_owed(owing: Store) -> None:
    claimed = claim(owing)
    assert [(one.id, one.state, one.attempt, one.exam_id) for one in claimed] == [
        (1, DeliveryState.SENDING, 1, 1),
        (2, DeliveryState.SENDING, 1, 1),
    ]
    assert claim(owing, owner="another") == []
    assert [one.id for one in claim(owing, "other")] == [3]


def test_a_claim_is_limited(owing: Store) -> None:
    assert [one.id for one in outbox.claim_due(owing, "pacs", "me", NOW, 1, 30.0)] == [1]
    assert [one.id for one in outbox.claim_due(owing, "pacs", "me", NOW, 1, 30.0)] == [2]


def test_delivered_is_for_good(owing: Store) -> None:
    first, _ = claim(owing)
    with owing.begin() as tx:
        outbox.delivered(tx, first, LATER)
    assert claim(owing, at=LATER + dt.timedelta(days=1))[0].id == 2
    with owing.read() as tx:
        assert tx.execute(sa.select(t.outbox.c.delivered_at).where(t.outbox.c.id == 1)).scalar() == LATER


def test_postponed_until_its_time(owing: Store) -> None:
    first, second = claim(owing)
    with owing.begin() as tx:
        outbox.postpone(tx, first, LATER, "The PACS is away.")
        outbox.delivered(tx, second, NOW)
        assert outbox.next_due(tx, "pacs") == LATER
        assert outbox.next_due(tx, "nobody") is None
    assert claim(owing) == []
    (again,) = claim(owing, at=LATER)
    assert (again.id, again.attempt, again.error) == (1, 2, "The PACS is away.")


def test_parked_until_somebody_asks(owing: Store) -> None:
    first, second = claim(owing)
    with owing.begin() as tx:
        outbox.park(tx, first, "SOP class refused.")
        outbox.delivered(tx, second, NOW)
    assert claim(owing, at=LATER + dt.timedelta(days=30)) == []
    with owing.begin() as tx:
        outbox.requeue(tx, first.id, LATER)
    assert [one.id for one in claim(owing, at=LATER)] == [1]


def test_a_sender_that_vanished_loses_its_lease(owing: Store) -> None:
    stale, _ = claim(owing, owner="vanished")
    assert claim(owing, at=NOW + dt.timedelta(seconds=29)) == []
    fresh, _ = claim(owing, owner="next", at=NOW + dt.timedelta(seconds=31))
    assert fresh.attempt == 2
    for end in (
        lambda tx: outbox.delivered(tx, stale, LATER),
        lambda tx: outbox.postpone(tx, stale, LATER, "late"),
        lambda tx: outbox.park(tx, stale, "late"),
    ):
        with pytest.raises(LeaseLost), owing.begin() as tx:
            end(tx)
    with owing.begin() as tx:
        outbox.delivered(tx, fresh, LATER)


def test_a_delivery_ends_once(owing: Store) -> None:
    first, _ = claim(owing)
    with owing.begin() as tx:
        outbox.delivered(tx, first, NOW)
    with pytest.raises(LeaseLost), owing.begin() as tx:
        outbox.postpone(tx, first, LATER, "late")


@pytest.mark.parametrize(("end", "state"), [(outbox.delivered, "delivered"), (None, "sending")])
def test_what_cannot_be_sent_again(owing: Store, end: Callable[..., Any] | None, state: str) -> None:
    first, _ = claim(owing)
    with owing.begin() as tx:
        if end is not None:
            end(tx, first, NOW)
    with pytest.raises(IllegalTransition, match=f"is {state}"), owing.begin() as tx:
        outbox.requeue(tx, first.id, NOW)


def test_a_delivery_that_is_not_there(owing: Store) -> None:
    with pytest.raises(NotFound, match="no delivery 99"), owing.begin() as tx:
        outbox.requeue(tx, 99, NOW)


def test_what_dead_senders_held_is_given_back(owing: Store) -> None:
    claim(owing, owner="host_1/delivery/7")
    claim(owing, "other", owner="hostx1/delivery/7")
    with owing.begin() as tx:
        assert outbox.release_owners(tx, "host_1/", NOW) == 2
    assert states(owing) == [(1, "pending", 1), (2, "pending", 1), (3, "sending", 1)]


def test_destinations_that_nobody_configured(owing: Store) -> None:
    with owing.read() as tx:
        assert outbox.unknown_destinations(tx, ["pacs"]) == ["other"]
        assert outbox.unknown_destinations(tx, ["pacs", "other"]) == []
