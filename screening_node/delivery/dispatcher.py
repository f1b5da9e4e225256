"""Drains the outbox: one thread a destination, so that one that hangs never holds up another."""

from __future__ import annotations

import datetime as dt
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from pydicom.uid import UID
from pynetdicom import _config

from screening_node.delivery import retry
from screening_node.delivery.destination import Destination, Timeouts
from screening_node.delivery.sender import Connection, StoredObject, inspect
from screening_node.errors import (
    DestinationUnavailable,
    LeaseLost,
    ScreeningNodeError,
    SopClassRefused,
    StoreUnavailable,
    UnreadableObject,
)
from screening_node.reporting import fallback
from screening_node.reporting.kinds import Kind
from screening_node.store import outbox
from screening_node.store.archive import Archive
from screening_node.store.outbox import Delivery
from screening_node.store.records import audit
from screening_node.store.session import Store

logger = logging.getLogger(__name__)

_JOIN_SECONDS = 3.0


@dataclass(frozen=True, kw_only=True)
class DeliveryConfig:
    """How deliveries are made. Seconds throughout, but ``give_up_after``.

    ``lease`` is for how long a claimed delivery is this process's own; ``idle_close`` how long an association waits
    for more before it is released.
    """

    ae_title: str
    timeouts: Timeouts = field(default_factory=Timeouts)
    give_up_after: dt.timedelta = retry.GIVE_UP_AFTER
    lease: float = 120.0
    batch: int = 8
    poll: float = 0.1
    idle_close: float = 5.0
    store_pause: float = 1.0


def run_delivery(
    config: DeliveryConfig,
    destinations: Sequence[Destination],
    store: Store,
    archive: Archive,
    stop: threading.Event,
) -> None:
    """Deliver until ``stop`` is set; then end the associations and return within seconds."""
    quiet_libraries()
    drains = [Drain(config, destination, store, archive, stop) for destination in destinations]
    _take_back(store, destinations, stop, config.store_pause)
    threads = [threading.Thread(target=drain.run, name=drain.name, daemon=True) for drain in drains]
    for thread in threads:
        thread.start()
    stop.wait()
    for thread in threads:
        thread.join(_JOIN_SECONDS / max(len(threads), 1))
    for drain in drains:
        drain.hang_up()
    for thread in threads:
        thread.join(_JOIN_SECONDS)


def quiet_libraries() -> None:
    """Keep patients' data out of pynetdicom's log, for this whole process."""
    _config.LOG_HANDLER_LEVEL = "none"
    logging.getLogger("pynetdicom").setLevel(logging.WARNING)


def owner_prefix() -> str:
    """What the owners of this host's deliveries begin with, whichever run of the node they belong to."""
    return f"delivery@{socket.gethostname()}:"


def _take_back(store: Store, destinations: Sequence[Destination], stop: threading.Event, pause: float) -> None:
    """What an earlier run on this host still held when it was killed is due at once."""
    while not stop.is_set():
        try:
            with store.begin() as tx:
                taken = outbox.release_owners(tx, owner_prefix(), _now())
                strange = outbox.unknown_destinations(tx, [destination.name for destination in destinations])
        except ScreeningNodeError as error:
            logger.warning("Deliveries wait for the store: %s", error)
            stop.wait(pause)
            continue
        if taken:
            logger.info("%d deliveries of an earlier run are due again", taken)
        for name in strange:
            logger.warning("Deliveries wait for %s, which the configuration does not name.", name)
        return


class _Unreachable(DestinationUnavailable):
    """No association can be had at all."""


class Drain:
    """Everything that one destination is owed, sent in order over an association that is kept while it is used."""

    def __init__(
        self, config: DeliveryConfig, destination: Destination, store: Store, archive: Archive, stop: threading.Event
    ) -> None:
        self._config = config
        self._destination = destination
        self._store = store
        self._archive = archive
        self._stop = stop
        self._owner = f"{owner_prefix()}{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._connection = Connection(destination, config.ae_title, config.timeouts)
        self._last_used = time.monotonic()

    @property
    def name(self) -> str:
        """The thread's name."""
        return f"delivery-{self._destination.name}"

    def run(self) -> None:
        """Deliver until the stop event is set; nothing that one round meets ends the thread."""
        while not self._stop.is_set():
            pause = self._config.poll
            try:
                if self._round():
                    pause = 0.0
            except StoreUnavailable as error:
                logger.warning("Delivery to %s waits for the store: %s", self._destination.name, error)
                pause = self._config.store_pause
            except Exception:
                logger.exception("Delivery to %s failed; it goes on.", self._destination.name)
                pause = self._config.store_pause
            self._release_if_idle()
            self._stop.wait(pause)
        self._connection.close()

    def hang_up(self) -> None:
        """End the association at once; called from another thread when there is no more time."""
        self._connection.hang_up()

    def _round(self) -> bool:
        """Claim what is due and deal with each; False where nothing is due."""
        config = self._config
        batch = outbox.claim_due(self._store, self._destination.name, self._owner, _now(), config.batch, config.lease)
        sendable = [(delivery, stored) for delivery in batch if (stored := self._locate(delivery)) is not None]
        for number, (delivery, stored) in enumerate(sendable):
            if self._stop.is_set():
                self._hand_back([other for other, _ in sendable[number:]])
                break
            try:
                self._send(delivery, stored, [other for _, other in sendable[number:]])
            except _Unreachable as error:  # it would be as far away for the rest of the batch
                for other, _ in sendable[number:]:
                    self._failed(other, error)
                break
        return bool(batch)

    def _locate(self, delivery: Delivery) -> StoredObject | None:
        """The delivery's file; where its bytes are missing or damaged the delivery is parked."""
        path = self._archive.path(delivery.path)
        try:
            if path.is_file():
                return inspect(path)
            self._failed(delivery, _missing(self._archive))
        except UnreadableObject as error:
            self._failed(delivery, error)
        return None

    def _send(self, delivery: Delivery, stored: StoredObject, coming: Sequence[StoredObject]) -> None:
        """Send one object and write down what came of it; that nobody is there is left to the caller.

        A peer that breaks off over this one object fails it alone: it must not hold up those behind it.
        """
        try:
            note = self._store_over(stored, coming)
        except _Unreachable:
            raise
        except SopClassRefused as error:
            self._refused(delivery, stored, error)
            return
        except ScreeningNodeError as error:
            self._failed(delivery, error)
            return
        self._last_used = time.monotonic()
        self._mark(delivery, lambda tx: outbox.delivered(tx, delivery, _now()))
        logger.info(
            "Delivered %s of exam %d to %s%s",
            delivery.kind,
            delivery.exam_id,
            self._destination.name,
            f" ({note})" if note else "",
        )

    def _store_over(self, stored: StoredObject, coming: Sequence[StoredObject]) -> str:
        """Send over the open association, or a new one where that is gone or was never negotiated for this."""
        if self._connection.serves([stored]):
            try:
                return self._connection.store(stored).note
            except DestinationUnavailable as error:  # an idle association that the peer closed meanwhile
                logger.info("A new association with %s is needed: %s", self._destination.name, error.message)
        try:
            self._connection.open_for(coming)
        except DestinationUnavailable as error:
            raise _Unreachable(error.message, fix=error.fix) from error
        return self._connection.store(stored).note

    def _refused(self, delivery: Delivery, stored: StoredObject, error: SopClassRefused) -> None:
        """Put the same report in another SOP class in its place; where there is none, park it."""
        try:
            other = fallback.in_next_class(stored.path) if delivery.kind == Kind.SR else None
        except UnreadableObject as unreadable:
            self._failed(delivery, unreadable)
            return
        if other is None:
            self._failed(delivery, error)
            return
        path = self._archive.keep_report(other.data, other.sop_instance_uid)
        substitute = outbox.Substitute(
            sop_class_uid=other.sop_class_uid, sop_instance_uid=other.sop_instance_uid, path=path
        )
        logger.warning("Delivery %d goes on as %s: %s", delivery.id, UID(other.sop_class_uid).name, error.message)
        self._mark(delivery, lambda tx: _substitute(tx, delivery, substitute, error.message))

    def _failed(self, delivery: Delivery, error: ScreeningNodeError) -> None:
        decision = retry.decide(
            attempt=delivery.attempt,
            created_at=delivery.created_at,
            now=_now(),
            error=error,
            give_up_after=self._config.give_up_after,
        )
        if isinstance(decision, retry.Park):
            logger.error("Parked delivery %d to %s: %s", delivery.id, self._destination.name, decision.reason)
            self._mark(delivery, lambda tx: _park(tx, delivery, decision.reason))
        else:
            logger.warning(
                "Delivery %d to %s, attempt %d: %s", delivery.id, self._destination.name, delivery.attempt, error
            )
            self._mark(delivery, lambda tx: outbox.postpone(tx, delivery, decision.not_before, decision.reason))

    def _hand_back(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self._mark(delivery, lambda tx, held=delivery: outbox.postpone(tx, held, _now(), held.error or ""))

    def _mark(self, delivery: Delivery, change: Callable[..., None]) -> None:
        try:
            with self._store.begin() as tx:
                change(tx)
        except LeaseLost:
            logger.warning("Delivery %d was taken over by another sender meanwhile.", delivery.id)

    def _release_if_idle(self) -> None:
        if self._connection.is_open and time.monotonic() - self._last_used > self._config.idle_close:
            self._connection.close()


def _missing(archive: Archive) -> ScreeningNodeError:
    if not archive.root.is_dir():
        return StoreUnavailable("The archive folder is not there.", fix="Mount it again; the node keeps trying.")
    return UnreadableObject(
        "The report's bytes are not in the archive.",
        fix="Restore the archive and retry the delivery, or screen the exam again: exams retry.",
    )


def _park(tx: sa.Connection, delivery: Delivery, reason: str) -> None:
    outbox.park(tx, delivery, reason)
    detail = {"destination": delivery.destination, "reason": reason}
    audit(tx, actor="node", action="delivery.parked", subject=delivery.sop_instance_uid, detail=detail)


def _substitute(tx: sa.Connection, delivery: Delivery, substitute: outbox.Substitute, reason: str) -> None:
    outbox.substitute(tx, delivery, substitute, reason, _now())
    detail = {"destination": delivery.destination, "reason": reason, "instead": substitute.sop_instance_uid}
    audit(tx, actor="node", action="delivery.substituted", subject=delivery.sop_instance_uid, detail=detail)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
