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
from typing import Any

import sqlalchemy as sa
from pydicom.uid import UID
from pynetdicom import _config

from screening_node.delivery import retry
from screening_node.delivery.channel import Channel, Unreachable
from screening_node.delivery.destination import (
    AnyReceiver,
    FhirDestination,
    MllpDestination,
    NotificationDestination,
    Timeouts,
)
from screening_node.delivery.fhir import FhirChannel
from screening_node.delivery.mllp import MllpChannel
from screening_node.delivery.notification import NotificationChannel
from screening_node.delivery.store_channel import StoreChannel
from screening_node.errors import (
    DestinationRefused,
    LeaseLost,
    ScreeningNodeError,
    SopClassRefused,
    StoreUnavailable,
    UnreadableObject,
)
from screening_node.store import outbox
from screening_node.store.archive import Archive
from screening_node.store.outbox import Delivery
from screening_node.store.records import audit
from screening_node.store.session import Store
from screening_node.store.wakeups import LOOK_ANYWAY_S, Bell, Listener, Topic

logger = logging.getLogger(__name__)

_JOIN_SECONDS = 3.0


@dataclass(frozen=True, kw_only=True)
class DeliveryConfig:
    """How deliveries are made. Seconds throughout, but ``give_up_after``.

    ``lease`` is for how long a claimed delivery is this process's own; ``idle_close`` how long an association waits
    for more before it is released; ``look_anyway`` how often the outbox is looked at where the database announces
    what is new, ``poll`` where it does not.
    """

    ae_title: str
    timeouts: Timeouts = field(default_factory=Timeouts)
    give_up_after: dt.timedelta = retry.GIVE_UP_AFTER
    lease: float = 120.0
    batch: int = 8
    poll: float = 0.1
    look_anyway: float = LOOK_ANYWAY_S
    idle_close: float = 5.0
    store_pause: float = 1.0


def run_delivery(
    config: DeliveryConfig,
    destinations: Sequence[AnyReceiver],
    store: Store,
    archive: Archive,
    stop: threading.Event,
) -> None:
    """Deliver until ``stop`` is set; then end the associations and return within seconds."""
    quiet_libraries()
    listener = Listener(store, Topic.DELIVERIES, look_anyway_s=config.look_anyway)
    drains = [Drain(config, destination, store, archive, stop, listener.bell()) for destination in destinations]
    _take_back(store, destinations, stop, config.store_pause)
    with listener:
        _drain(drains, stop)


def _drain(drains: Sequence[Drain], stop: threading.Event) -> None:
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


def _take_back(store: Store, destinations: Sequence[AnyReceiver], stop: threading.Event, pause: float) -> None:
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


def channel_to(destination: AnyReceiver, config: DeliveryConfig) -> Channel[Any]:
    """What speaks the destination's protocol."""
    if isinstance(destination, MllpDestination):
        return MllpChannel(destination, config.timeouts)
    if isinstance(destination, FhirDestination):
        return FhirChannel(destination, config.timeouts)
    if isinstance(destination, NotificationDestination):
        return NotificationChannel(destination, config.timeouts)
    return StoreChannel(destination, config.ae_title, config.timeouts)


class Drain:
    """Everything that one destination is owed, sent in order over a connection that is kept while it is used."""

    def __init__(
        self,
        config: DeliveryConfig,
        destination: AnyReceiver,
        store: Store,
        archive: Archive,
        stop: threading.Event,
        bell: Bell,
    ) -> None:
        self._config = config
        self._destination = destination
        self._store = store
        self._archive = archive
        self._stop = stop
        self._bell = bell
        self._owner = f"{owner_prefix()}{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._channel = channel_to(destination, config)
        self._last_used = time.monotonic()

    @property
    def name(self) -> str:
        """The thread's name."""
        return f"delivery-{self._destination.name}"

    def run(self) -> None:
        """Deliver until the stop event is set; nothing that one round meets ends the thread."""
        while not self._stop.is_set():
            pause = 0.0
            try:
                if not self._round():
                    self._bell.wait(self._stop, self._config.poll)
            except StoreUnavailable as error:
                logger.warning("Delivery to %s waits for the store: %s", self._destination.name, error)
                pause = self._config.store_pause
            except Exception:
                logger.exception("Delivery to %s failed; it goes on.", self._destination.name)
                pause = self._config.store_pause
            self._release_if_idle()
            self._stop.wait(pause)
        self._channel.close()

    def hang_up(self) -> None:
        """End the connection at once; called from another thread when there is no more time."""
        self._channel.hang_up()

    def _round(self) -> bool:
        """Claim what is due and deal with each; False where nothing is due."""
        config = self._config
        batch = outbox.claim_due(self._store, self._destination.name, self._owner, _now(), config.batch, config.lease)
        sendable = [(delivery, parcel) for delivery in batch if (parcel := self._load(delivery)) is not None]
        for number, (delivery, parcel) in enumerate(sendable):
            if self._stop.is_set():
                self._hand_back([other for other, _ in sendable[number:]])
                break
            try:
                self._send(delivery, parcel, [other for _, other in sendable[number:]])
            except Unreachable as error:  # it would be as far away for the rest of the batch
                for other, _ in sendable[number:]:
                    self._failed(other, error)
                break
        return bool(batch)

    def _load(self, delivery: Delivery) -> Any:
        """What is to be sent; None, and the delivery parked, where its bytes are missing, damaged or out of date."""
        path = self._archive.path(delivery.path)
        try:
            if self._channel.newest_wins:
                self._check_order(delivery)
            if path.is_file():
                return self._channel.load(path)
            self._failed(delivery, _missing(self._archive))
        except (UnreadableObject, DestinationRefused) as error:
            self._failed(delivery, error)
        return None

    def _check_order(self, delivery: Delivery) -> None:
        """What came late must not replace what is newer. Raises DestinationRefused."""
        with self._store.read() as tx:
            newer = outbox.overtaken_by(tx, delivery)
        if newer is not None:
            raise DestinationRefused(
                f"{self._destination.name} has a newer report on the same film: delivery {newer}.",
                fix="Nothing is to be done; this one would put an old state in its place.",
            )

    def _send(self, delivery: Delivery, parcel: Any, coming: Sequence[Any]) -> None:
        """Send one report and write down what came of it; that nobody is there is left to the caller.

        A peer that breaks off over this one fails it alone: it must not hold up those behind it.
        """
        try:
            note = self._channel.send(parcel, coming)
        except Unreachable:
            raise
        except SopClassRefused as error:
            self._refused(delivery, parcel, error)
            return
        except ScreeningNodeError as error:
            self._failed(delivery, error)
            return
        self._last_used = time.monotonic()
        self._mark(delivery, lambda tx: outbox.delivered(tx, delivery, _now()))
        logger.info(
            "Delivered %s%s to %s%s",
            delivery.kind,
            f" {delivery.sop_instance_uid}" if delivery.exam_id is None else f" of exam {delivery.exam_id}",
            self._destination.name,
            f" ({note})" if note else "",
        )

    def _refused(self, delivery: Delivery, parcel: Any, error: SopClassRefused) -> None:
        """Put the same report in another SOP class in its place; where there is none, park it."""
        try:
            other = self._channel.instead(parcel, delivery.kind)
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
        if self._channel.is_open and time.monotonic() - self._last_used > self._config.idle_close:
            self._channel.close()


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
