"""What each destination is owed: one row a report and destination, until it is delivered or parked.

pending -> sending -> delivered
   ^          |-----> parked      the destination said no; a person has to look
   |          |-----> pending     it was away: again at ``not_before``
   |          `-----> pending     it does not take the SOP class: the same report in another one
   `---- requeue (by a person) --- parked, cancelled

A person may cancel what is pending or parked. A notification belongs to no result.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from screening_node.errors import IllegalTransition, LeaseLost, NotFound
from screening_node.store.session import Store
from screening_node.store.sql import insert_if_absent
from screening_node.store.tables import outbox, results
from screening_node.store.wakeups import Topic, announce


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    PARKED = "parked"
    CANCELLED = "cancelled"


#: What stands in the outbox as the kind and in the place of the SOP class of a notification.
NOTIFICATION, NOTIFICATION_FORMAT = "notification", "application/json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outgoing:
    """An object that a destination is to get; ``path`` is relative in the archive, ``kind`` such as "SR".

    A message (kind "HL7" or "FHIR") has its format in the place of the SOP class, and a UID derived like an object's;
    a notification the name of what it tells, such as "digest/2026-03-01".
    """

    destination: str
    kind: str
    sop_class_uid: str
    sop_instance_uid: str
    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Substitute:
    """The same report in another SOP class; fields as in ``Outgoing``."""

    sop_class_uid: str
    sop_instance_uid: str
    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """A row of the outbox. ``attempt`` counts the claims and is the fencing token of this one.

    ``result_id`` and ``exam_id`` are None for a notification.
    """

    id: int
    destination: str
    kind: str
    sop_class_uid: str
    sop_instance_uid: str
    path: str
    attempt: int
    state: DeliveryState
    error: str | None
    not_before: dt.datetime
    created_at: dt.datetime
    delivered_at: dt.datetime | None
    result_id: int | None
    exam_id: int | None


_COLUMNS = (
    outbox.c.id,
    outbox.c.destination,
    outbox.c.kind,
    outbox.c.sop_class_uid,
    outbox.c.sop_instance_uid,
    outbox.c.path,
    outbox.c.attempt,
    outbox.c.state,
    outbox.c.error,
    outbox.c.not_before,
    outbox.c.created_at,
    outbox.c.delivered_at,
    outbox.c.result_id,
    results.c.exam_id,
)


def select_deliveries() -> sa.Select[Any]:
    """The statement that ``as_delivery`` reads rows of."""
    return sa.select(*_COLUMNS).outerjoin(results, results.c.id == outbox.c.result_id)


def as_delivery(row: sa.Row[Any]) -> Delivery:
    """A row of ``select_deliveries``."""
    fields = dict(row._mapping)
    return Delivery(**{**fields, "state": DeliveryState(fields["state"])})


def add(tx: sa.Connection, result_id: int | None, outgoing: Outgoing, now: dt.datetime) -> bool:
    """Owe an object to a destination; False where it is owed (or was given) already.

    ``result_id``: what it reports; None for a notification.
    """
    added = insert_if_absent(
        tx,
        outbox,
        result_id=result_id,
        destination=outgoing.destination,
        kind=outgoing.kind,
        sop_class_uid=outgoing.sop_class_uid,
        sop_instance_uid=outgoing.sop_instance_uid,
        path=outgoing.path,
        state=DeliveryState.PENDING,
        attempt=0,
        not_before=now,
        created_at=now,
    )
    if added is None:
        return False
    announce(tx, Topic.DELIVERIES)
    return True


def claim_due(
    store: Store, destination: str, owner: str, now: dt.datetime, limit: int, lease_seconds: float
) -> list[Delivery]:
    """Take up to ``limit`` deliveries of a destination that are due, the oldest first.

    Due are pending ones whose time has come, and ones whose sender let its lease run out.
    """
    wanted = sa.and_(outbox.c.destination == destination, _due(now))
    with store.read() as tx:
        if tx.execute(sa.select(outbox.c.id).where(wanted).limit(1)).first() is None:
            return []  # a poll of an empty outbox takes no write lock
    with store.begin() as tx:
        statement = select_deliveries().where(wanted).order_by(outbox.c.id).limit(limit)
        rows = tx.execute(statement.with_for_update(skip_locked=True, of=outbox)).all()
        tx.execute(
            outbox.update()
            .where(outbox.c.id.in_([row.id for row in rows]))
            .values(
                state=DeliveryState.SENDING,
                attempt=outbox.c.attempt + 1,
                owner=owner,
                deadline=now + dt.timedelta(seconds=lease_seconds),
            )
        )
        claimed = tx.execute(select_deliveries().where(outbox.c.id.in_([row.id for row in rows])).order_by(outbox.c.id))
        return [as_delivery(row) for row in claimed]


def next_due(tx: sa.Connection, destination: str) -> dt.datetime | None:
    """When the next delivery to a destination is due; None where it is owed nothing."""
    waiting = sa.and_(outbox.c.destination == destination, outbox.c.state == DeliveryState.PENDING)
    return tx.execute(sa.select(sa.func.min(outbox.c.not_before)).where(waiting)).scalar()


def overtaken_by(tx: sa.Connection, delivery: Delivery) -> int | None:
    """The delivery of a later report of this kind on the same exam that the destination has already, if any."""
    later = sa.and_(
        outbox.c.id > delivery.id,
        outbox.c.destination == delivery.destination,
        outbox.c.kind == delivery.kind,
        outbox.c.state == DeliveryState.DELIVERED,
        results.c.exam_id == delivery.exam_id,
    )
    statement = sa.select(sa.func.max(outbox.c.id)).join(results, results.c.id == outbox.c.result_id)
    return tx.execute(statement.where(later)).scalar()


def delivered(tx: sa.Connection, delivery: Delivery, now: dt.datetime) -> None:
    """The destination has it. Raises LeaseLost where another sender holds the delivery."""
    _leave(tx, delivery, state=DeliveryState.DELIVERED, delivered_at=now, error=None)


def postpone(tx: sa.Connection, delivery: Delivery, not_before: dt.datetime, error: str) -> None:
    """Try again later. Raises LeaseLost."""
    _leave(tx, delivery, state=DeliveryState.PENDING, not_before=not_before, error=error)


def park(tx: sa.Connection, delivery: Delivery, error: str) -> None:
    """Wait for a person: another try would end the same way. Raises LeaseLost."""
    _leave(tx, delivery, state=DeliveryState.PARKED, error=error)


def substitute(tx: sa.Connection, delivery: Delivery, other: Substitute, error: str, now: dt.datetime) -> None:
    """Owe another object in the place of one that the destination does not take. Raises LeaseLost."""
    _leave(
        tx,
        delivery,
        state=DeliveryState.PENDING,
        not_before=now,
        error=error,
        sop_class_uid=other.sop_class_uid,
        sop_instance_uid=other.sop_instance_uid,
        path=other.path,
    )


def requeue(tx: sa.Connection, delivery_id: int, now: dt.datetime) -> None:
    """Try a parked, postponed or cancelled delivery again at once. Raises NotFound or IllegalTransition."""
    waiting = (DeliveryState.PARKED, DeliveryState.PENDING, DeliveryState.CANCELLED)
    said = "only parked, pending and cancelled ones can be sent again"
    _change(tx, delivery_id, waiting, said, state=DeliveryState.PENDING, not_before=now)
    announce(tx, Topic.DELIVERIES)


def cancel(tx: sa.Connection, delivery_id: int) -> None:
    """Give a delivery up that waits or is parked. Raises NotFound or IllegalTransition."""
    waiting = (DeliveryState.PARKED, DeliveryState.PENDING)
    said = "only parked and pending ones can be cancelled"
    _change(tx, delivery_id, waiting, said, state=DeliveryState.CANCELLED)


def _change(tx: sa.Connection, delivery_id: int, before: Sequence[DeliveryState], said: str, **values: Any) -> None:
    """What a person does to a delivery that is in one of the states ``before``; else ``said`` why not."""
    fitting = sa.and_(outbox.c.id == delivery_id, outbox.c.state.in_(before))
    if tx.execute(outbox.update().where(fitting).values(**values)).rowcount:
        return
    state = tx.execute(sa.select(outbox.c.state).where(outbox.c.id == delivery_id)).scalar()
    if state is None:
        raise NotFound(f"There is no delivery {delivery_id}.", fix="List them: screening-node deliveries list.")
    raise IllegalTransition(f"Delivery {delivery_id} is {state}: {said}.")


def release_owners(tx: sa.Connection, owner_prefix: str, now: dt.datetime) -> int:
    """Give back what dead senders held, those whose names begin with ``owner_prefix``; returns how many."""
    held = sa.and_(outbox.c.state == DeliveryState.SENDING, outbox.c.owner.startswith(owner_prefix, autoescape=True))
    return tx.execute(
        outbox.update().where(held).values(state=DeliveryState.PENDING, not_before=now, owner=None, deadline=None)
    ).rowcount


def unknown_destinations(tx: sa.Connection, known: Sequence[str]) -> list[str]:
    """Destinations that are owed something but that the configuration does not name (any more)."""
    owed = (DeliveryState.PENDING, DeliveryState.SENDING)
    statement = sa.select(outbox.c.destination).distinct().where(outbox.c.state.in_(owed))
    return sorted(set(tx.execute(statement).scalars()) - set(known))


def _due(now: dt.datetime) -> sa.ColumnElement[bool]:
    return sa.or_(
        sa.and_(outbox.c.state == DeliveryState.PENDING, outbox.c.not_before <= now),
        sa.and_(outbox.c.state == DeliveryState.SENDING, outbox.c.deadline <= now),
    )


def _leave(tx: sa.Connection, delivery: Delivery, **values: Any) -> None:
    mine = sa.and_(
        outbox.c.id == delivery.id,
        outbox.c.state == DeliveryState.SENDING,
        outbox.c.attempt == delivery.attempt,
    )
    if not tx.execute(outbox.update().where(mine).values(owner=None, deadline=None, **values)).rowcount:
        raise LeaseLost(f"Delivery {delivery.id} was taken over by another sender.")
