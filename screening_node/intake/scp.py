"""The intake as a service: listens, serves associations on threads, stops cleanly."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import pydicom.config
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, _config, evt
from pynetdicom._globals import ALL_TRANSFER_SYNTAXES
from pynetdicom.association import Association
from pynetdicom.presentation import AllStoragePresentationContexts, PresentationContext, build_context
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from screening_node.domain.exam import ExamKey, Patient
from screening_node.errors import Misconfigured
from screening_node.intake.callers import AllowedCaller, Doorkeeper, RefusalLedger
from screening_node.intake.door import Door
from screening_node.intake.handlers import StoreHandler
from screening_node.intake.listener import IntakeListener
from screening_node.intake.reception import SpoolingProvider, ae_title_of
from screening_node.intake.spool import Spool
from screening_node.intake.statuses import IntakeStatus
from screening_node.store.archive import Archive
from screening_node.store.session import Store
from screening_node.tls import Renewing, ServerTls, serving

logger = logging.getLogger(__name__)

#: What no archive can keep: pixel data that lie elsewhere (JPIP, PS3.5 A.6 to A.7), or that are a live stream (A.11).
_NOT_ARCHIVABLE = ("JPIP", "SMPTE")
_DRAIN_POLL_SECONDS = 0.02
_STOP_POLL_SECONDS = 0.05
#: A spool file that nobody wrote to for so long belongs to an intake process that died. (Reports are spooled, too.)
_TORN_AFTER_SECONDS = 3600.0


@dataclass(frozen=True, kw_only=True)
class SecurePort:
    """A port that speaks TLS, with a list of callers of its own."""

    host: str
    port: int
    tls: ServerTls
    allow: tuple[AllowedCaller, ...] = ()


@dataclass(frozen=True, kw_only=True)
class IntakeConfig:
    """Where the intake listens and what it takes. Timeouts in seconds, sizes in bytes; port 0 takes a free one.

    ``idle_timeout`` ends a connection that never asks for an association; ``network_timeout`` an association, or
    a transfer, that stalls; ``drain_seconds`` is what running associations get to end by themselves at a stop.
    ``allow`` lists who may call the plain port; everybody may where it is empty. Without ``port`` there is none but
    the ``secure`` one. ``share_ports`` where several intake processes listen on the same ones.
    """

    ae_title: str
    host: str
    port: int | None
    max_pdu: int = 131072
    max_associations: int = 64
    network_timeout: float = 60.0
    idle_timeout: float = 30.0
    drain_seconds: float = 3.0
    min_free_bytes: int = 512 * 1024 * 1024
    max_object_bytes: int = 1024 * 1024 * 1024
    allow: tuple[AllowedCaller, ...] = ()
    secure: SecurePort | None = None
    share_ports: bool = False


class Intake:
    """A storage and verification SCP over a store and an archive."""

    def __init__(
        self,
        config: IntakeConfig,
        store: Store,
        archive: Archive,
        route: Callable[[Dataset], ExamKey],
        patient_of: Callable[[Dataset], Patient],
    ) -> None:
        self._config = config
        self._archive = archive
        self._store = store
        self._ledger = RefusalLedger()
        self._handler = StoreHandler(store=store, archive=archive, route=route, patient_of=patient_of)
        self._listeners: list[IntakeListener] = []

    def start(self) -> int:
        """Listen; returns the (first) port. Raises Misconfigured where a certificate or an address cannot be used."""
        config, entity, secure = self._config, _application_entity(self._config), self._config.secure
        context = None if secure is None else serving(secure.tls)
        if config.port is not None:
            self._listeners.append(self._listen(entity, config.host, config.port, config.allow, None))
        if secure is not None:
            self._listeners.append(self._listen(entity, secure.host, secure.port, secure.allow, context))
        return int(self._listeners[0].server_address[1])

    def _listen(
        self, entity: AE, host: str, port: int, allow: tuple[AllowedCaller, ...], context: Renewing | None
    ) -> IntakeListener:
        doorkeeper = Doorkeeper(allow, self._store, self._ledger)
        try:
            listener = IntakeListener(
                entity,
                (host, port),
                supported_contexts(),
                self._event_handlers(doorkeeper),
                self._provider_for,
                Door(doorkeeper, context),
                share_port=self._config.share_ports,
            )
        except OSError as error:
            self.stop()
            raise Misconfigured(
                f"The node cannot listen on {host}:{port} ({error.strerror}).",
                fix="Change [node] host or port, or stop the program that holds that port.",
            ) from error
        threading.Thread(target=listener.serve_forever, args=(_STOP_POLL_SECONDS,), daemon=True).start()
        words = "" if context is None else " with TLS"
        logger.info("Listening as %s on %s:%d%s", entity.ae_title, host, listener.server_address[1], words)
        return listener

    def stop(self) -> None:
        """Take no more associations, let the running ones end for a while, then abort them."""
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener.stop_listening()
        if not _drained(listeners, self._config.drain_seconds):
            for association in _running(listeners):
                logger.warning("Aborting the association of %s: the node stops.", ae_title_of(association))
                association.abort()
            _drained(listeners, 2.0)

    def _provider_for(self, association: Association) -> SpoolingProvider:
        return SpoolingProvider(
            association,
            new_spool=lambda: Spool(self._archive, self._config.max_object_bytes),
            min_free=self._config.min_free_bytes,
            take_in=self._handler.take_in,
            on_refused=self._handler.report_refusal,
        )

    def _event_handlers(self, doorkeeper: Doorkeeper) -> list[evt.EventHandlerType]:
        return [
            (evt.EVT_REQUESTED, doorkeeper.on_requested),
            (evt.EVT_C_ECHO, _on_c_echo),
            (evt.EVT_ACCEPTED, _log_refused_contexts),
            (evt.EVT_CONN_CLOSE, _forget_who_hung_up),
        ]


def _running(listeners: list[IntakeListener]) -> list[Association]:
    return [association for listener in listeners for association in listener.active_associations]


def _drained(listeners: list[IntakeListener], seconds: float) -> bool:
    """Whether no association runs any more, within that time."""
    until = time.monotonic() + seconds
    while _running(listeners):
        if time.monotonic() >= until:
            return False
        time.sleep(_DRAIN_POLL_SECONDS)
    return True


def run_intake(
    config: IntakeConfig,
    store: Store,
    archive: Archive,
    route: Callable[[Dataset], ExamKey],
    patient_of: Callable[[Dataset], Patient],
    stop: threading.Event,
    ready: Callable[[int], None] | None = None,
) -> None:
    """Serve until ``stop`` is set. ``ready`` hears the port once it listens. Raises Misconfigured."""
    quiet_libraries()
    with contextlib.suppress(OSError):
        archive.sweep(older_than_seconds=_TORN_AFTER_SECONDS)
    intake = Intake(config, store, archive, route, patient_of)
    port = intake.start()
    try:
        if ready is not None:
            ready(port)
        stop.wait()
    finally:
        intake.stop()


def quiet_libraries() -> None:
    """Keep patients' data out of the logs and warnings of the DICOM libraries, for this whole process.

    pynetdicom prints identifiers at its debug level, and pydicom's validation quotes the value that it warns of.
    """
    _config.LOG_HANDLER_LEVEL = "none"
    logging.getLogger("pynetdicom").setLevel(logging.WARNING)
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", category=UserWarning, module=r"(pydicom|screening_node)\b")
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    pydicom.config.settings.writing_validation_mode = pydicom.config.IGNORE


def supported_contexts() -> list[PresentationContext]:
    """Verification, and every storage class in every transfer syntax that can be archived (PS3.4 annex B.5)."""
    syntaxes = archivable_transfer_syntaxes()
    storage = [build_context(str(context.abstract_syntax), syntaxes) for context in AllStoragePresentationContexts]
    return [build_context(Verification), *storage]


def archivable_transfer_syntaxes() -> list[str]:
    """In the order of preference for a context that offers several: as they are easiest to read again."""
    first = [str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian)]
    rest = [uid for uid in ALL_TRANSFER_SYNTAXES if not UID(uid).name.startswith(_NOT_ARCHIVABLE)]
    return first + [uid for uid in rest if uid not in first]


def _application_entity(config: IntakeConfig) -> AE:
    entity = AE(ae_title=config.ae_title)
    entity.maximum_pdu_size = config.max_pdu
    entity.maximum_associations = config.max_associations
    entity.acse_timeout = config.idle_timeout
    entity.network_timeout = config.network_timeout
    entity.dimse_timeout = config.network_timeout
    return entity


def _on_c_echo(event: evt.Event) -> int:
    return int(IntakeStatus.SUCCESS)


def _forget_who_hung_up(event: evt.Event) -> None:
    """A peer that hangs up before it asked for an association (a TLS health check) would hold its place until
    ``idle_timeout``: pynetdicom waits on for a request that cannot come. Nothing is what a timeout hands it, too.
    """
    if event.assoc.requestor.primitive is None:
        cast(Any, event.assoc.dul.to_user_queue).put(None)  # pynetdicom's own timeouts do; its types do not say so


def _log_refused_contexts(event: evt.Event) -> None:
    """A SOP class or transfer syntax that the node does not know is refused by PS3.8 result 3 or 4; say which."""
    for context in event.assoc.rejected_contexts:
        syntax = context.abstract_syntax
        logger.warning("Refused presentation context %s offered by %s", syntax, ae_title_of(event.assoc))
