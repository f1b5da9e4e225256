"""C-STORE and C-ECHO as SCU: stored bytes go out as they are, and every answer comes back in words.

Written against pynetdicom 3.0.4: its own ``send_c_store`` decodes and encodes a data set again, or needs a
process-wide switch not to. The few lines of it that are needed here are in ``Connection._exchange``.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import logging
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import cast

from pydicom import dcmread
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode, split_dataset
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from screening_node.delivery.destination import Destination, Timeouts
from screening_node.delivery.outcomes import Delivered, of_rejection, of_store_status, of_tls, unavailable
from screening_node.delivery.sockets import ClosingEntity, why_no_handshake
from screening_node.errors import (
    DestinationRefused,
    DestinationUnavailable,
    Misconfigured,
    ScreeningNodeError,
    SopClassRefused,
    UnreadableObject,
)
from screening_node.tls import Renewing, calling

logger = logging.getLogger(__name__)

_MAX_PDU = 131072
_PLAIN = (str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian))
#: PS3.8 section 9.3.2.2: context IDs are the odd numbers of one byte.
_MOST_CONTEXTS = 128
_DX_FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.1"


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredObject:
    """A file to send: its data set begins at ``offset``, behind preamble and File Meta Information."""

    path: Path
    offset: int
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str


def inspect(path: Path) -> StoredObject:
    """Read a Part 10 file's meta information; UnreadableObject where it has none."""
    try:
        meta, offset = split_dataset(path)
        return StoredObject(
            path=path,
            offset=offset,
            sop_class_uid=str(meta.MediaStorageSOPClassUID),
            sop_instance_uid=str(meta.MediaStorageSOPInstanceUID),
            transfer_syntax_uid=str(meta.TransferSyntaxUID),
        )
    except Exception as error:  # pydicom raises many kinds over damaged bytes
        raise UnreadableObject(
            f"{path} is no DICOM file that can be sent.", fix="Check where it comes from."
        ) from error


def inspect_anything(path: Path) -> StoredObject:
    """Like ``inspect``, but a file without readable meta information goes out as a film, all bytes of it.

    That is how a faulty modality behaves, and what a node has to bear. Its UID is derived from its bytes.
    """
    try:
        return inspect(path)
    except UnreadableObject:
        digest = hashlib.sha256(path.read_bytes()).digest()
        return StoredObject(
            path=path,
            offset=0,
            sop_class_uid=_DX_FOR_PRESENTATION,
            sop_instance_uid=f"2.25.{int.from_bytes(digest[:16], 'big')}",
            transfer_syntax_uid=_PLAIN[0],
        )


class Connection:
    """An association with one destination, kept for several objects. Not thread safe, but for ``hang_up``."""

    def __init__(self, destination: Destination, calling_ae: str, timeouts: Timeouts) -> None:
        self._destination = destination
        self._timeouts = timeouts
        self._entity = _application_entity(calling_ae, timeouts)
        self._association: Association | None = None
        self._tls: Renewing | None = None
        self._proposed: frozenset[tuple[str, str]] = frozenset()
        self._message_ids = itertools.cycle(range(1, 65536))

    @property
    def is_open(self) -> bool:
        """Whether the association still stands, as far as is known here."""
        return self._association is not None and self._association.is_established

    def serves(self, objects: Iterable[StoredObject]) -> bool:
        """Whether the open association was negotiated with all these objects in mind."""
        return self.is_open and self._proposed.issuperset(_kinds(objects))

    def open_for(self, objects: Sequence[StoredObject]) -> None:
        """Associate, with contexts for these objects. Raises DestinationUnavailable or DestinationRefused."""
        kinds = _kinds(objects)[: _MOST_CONTEXTS // 2]
        self._open([context for kind in kinds for context in _contexts_for(*kind)])
        self._proposed = frozenset(kinds)

    def store(self, stored: StoredObject) -> Delivered:
        """Send one object. Raises DestinationUnavailable, DestinationRefused or UnreadableObject."""
        context = self._context_for(stored)
        request = _request_for(stored, next(self._message_ids))
        if context.transfer_syntax[0] == stored.transfer_syntax_uid:
            request._dataset_path = (stored.path, stored.offset)
        else:
            request.DataSet = _encoded_again(stored, context.transfer_syntax[0])
        response = self._exchange(request, cast(int, context.context_id))
        return of_store_status(response.Status or 0, str(response.ErrorComment or ""), str(self._destination))

    def echo(self) -> None:
        """C-ECHO over an association of its own. Raises DestinationUnavailable or DestinationRefused."""
        association = self._open([build_context(Verification)])
        answer = association.send_c_echo()
        if "Status" not in answer:
            raise unavailable("did not answer a C-ECHO", str(self._destination))
        if answer.Status:
            raise DestinationRefused(
                f"{self._destination} answered a C-ECHO with 0x{answer.Status:04X}.", fix="See its log."
            )

    def close(self) -> None:
        """Release the association; harmless where there is none."""
        self._proposed = frozenset()
        if self._association is not None and self._association.is_established:
            self._association.release()  # while hang_up() can still end it
        self._association = None

    def hang_up(self) -> None:
        """End the connection at once, from any thread; whoever waits for an answer stops waiting."""
        association = self._association
        if association is not None and association.dul.socket is not None and association.dul.socket.socket is not None:
            with contextlib.suppress(OSError):
                association.dul.socket.socket.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self, contexts: list[PresentationContext]) -> Association:
        self.close()
        where = str(self._destination)
        try:
            association = self._entity.associate(
                self._destination.host,
                self._destination.port,
                contexts=contexts,
                ae_title=self._destination.ae_title,
                max_pdu=_MAX_PDU,
                evt_handlers=[(evt.EVT_CONN_OPEN, self._on_connected)],
                tls_args=self._tls_args(),
            )
        except OSError as error:
            raise unavailable("has a host name that cannot be resolved", where) from error
        if association.is_established:
            self._association = association
            return association
        self._association = None
        if association.acceptor.primitive is None and (trouble := self._tls_trouble()) is not None:
            raise trouble
        raise _why_not(association, where)

    def _tls_args(self) -> tuple[ssl.SSLContext, str] | None:
        """What pynetdicom wraps the socket with. Raises DestinationUnavailable: certificates get mended."""
        tls = self._destination.tls
        if tls is None:
            return None
        try:
            self._tls = self._tls or calling(tls)
        except Misconfigured as error:
            raise DestinationUnavailable(f"{self._destination}: {error.message}", fix=error.fix) from error
        return self._tls.get(), tls.server_name or self._destination.host

    def _tls_trouble(self) -> ScreeningNodeError | None:
        """Why no TLS connection came about: pynetdicom keeps it to itself, so ask once more."""
        if (args := self._tls_args()) is None:
            return None
        reason = why_no_handshake(*args, self._destination, self._timeouts)
        return None if reason is None else of_tls(reason, str(self._destination))

    def _on_connected(self, event: evt.Event) -> None:
        """No Nagle's delay; and a peer that stops reading must not hold the sending thread for ever."""
        self._association = event.assoc
        connected = event.assoc.dul.socket
        if connected is not None and connected.socket is not None:
            connected.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connected.socket.settimeout(self._timeouts.message)

    def _context_for(self, stored: StoredObject) -> PresentationContext:
        """The accepted context with the object's own transfer syntax, else one that it can be encoded for."""
        association = self._association
        accepted = [] if association is None else association.accepted_contexts
        mine = [context for context in accepted if context.abstract_syntax == stored.sop_class_uid]
        for context in mine:
            if context.transfer_syntax[0] == stored.transfer_syntax_uid:
                return context
        if stored.transfer_syntax_uid in _PLAIN and mine:
            return mine[0]
        if not self.is_open:
            raise unavailable("ended the association", str(self._destination))
        name = UID(stored.sop_class_uid).name
        raise SopClassRefused(
            f"{self._destination} does not take {name} as {UID(stored.transfer_syntax_uid).name}.",
            fix="Enable this SOP class and transfer syntax there, then retry the delivery.",
        )

    def _exchange(self, request: C_STORE, context_id: int) -> C_STORE:
        association = self._association
        if association is None or not association.is_established:
            raise unavailable("ended the association", str(self._destination))
        association._reactor_checkpoint.clear()  # or the reactor would take the response for itself
        while not association._is_paused:
            time.sleep(0.0005)
        try:
            association.dimse.send_msg(request, context_id)
            _, response = association.dimse.get_msg(block=True)
        except OSError as error:  # the file went away; half a message may be out already
            association.abort()
            raise UnreadableObject("The file to send cannot be read.", fix="Check the archive's disk.") from error
        finally:
            association._reactor_checkpoint.set()
        if isinstance(response, C_STORE) and response.Status is not None:
            return response
        hung_up = not association.dul.is_alive() or association.acse.is_aborted()
        association.abort()
        raise unavailable(
            "ended the association" if hung_up else "did not answer a C-STORE in time", str(self._destination)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """What became of one file that was sent. ``error`` is None where the destination has it."""

    path: Path
    sop_instance_uid: str
    note: str = ""
    error: ScreeningNodeError | None = None


def send_files(
    paths: Sequence[Path],
    destination: Destination,
    *,
    calling_ae: str,
    timeouts: Timeouts | None = None,
    on_progress: Callable[[Sent], None] | None = None,
) -> list[Sent]:
    """Send files as a modality would, damaged ones too, over one association while it lasts.

    Never raises for one file: its error is in its ``Sent``. ``on_progress`` hears of each as it is done.
    """
    objects = [inspect_anything(path) for path in paths]
    results = []
    with Connection(destination, calling_ae, timeouts or Timeouts()) as connection:
        for number, stored in enumerate(objects):
            result = _send_one(connection, stored, objects[number:])
            results.append(result)
            if on_progress is not None:
                on_progress(result)
    return results


def echo(destination: Destination, *, calling_ae: str, timeouts: Timeouts | None = None) -> None:
    """Verify that a destination answers. Raises DestinationUnavailable or DestinationRefused."""
    with Connection(destination, calling_ae, timeouts or Timeouts()) as connection:
        connection.echo()


def _send_one(connection: Connection, stored: StoredObject, still_to_come: Sequence[StoredObject]) -> Sent:
    try:
        if not connection.serves([stored]):
            connection.open_for(still_to_come)
        delivered = connection.store(stored)
    except ScreeningNodeError as error:
        return Sent(path=stored.path, sop_instance_uid=stored.sop_instance_uid, error=error)
    return Sent(path=stored.path, sop_instance_uid=stored.sop_instance_uid, note=delivered.note)


def _application_entity(calling_ae: str, timeouts: Timeouts) -> AE:
    entity = ClosingEntity(ae_title=calling_ae)
    entity.connection_timeout = timeouts.connect
    entity.acse_timeout = timeouts.association
    entity.dimse_timeout = timeouts.message
    entity.network_timeout = None  # an idle association is closed by whoever keeps it
    return entity


def _kinds(objects: Iterable[StoredObject]) -> list[tuple[str, str]]:
    """SOP class and transfer syntax of each, the first object's first, none twice."""
    return list(dict.fromkeys((stored.sop_class_uid, stored.transfer_syntax_uid) for stored in objects))


def _request_for(stored: StoredObject, message_id: int) -> C_STORE:
    request = C_STORE()
    request.MessageID = message_id
    request.Priority = 0
    try:
        request.AffectedSOPClassUID = UID(stored.sop_class_uid)
        request.AffectedSOPInstanceUID = UID(stored.sop_instance_uid)
    except (TypeError, ValueError) as error:
        raise UnreadableObject(f"{stored.path.name} names no UIDs that can be sent.") from error
    return request


def _contexts_for(sop_class_uid: str, transfer_syntax_uid: str) -> list[PresentationContext]:
    """One context for the object's own transfer syntax, one for what every SCP must know (PS3.5 section 10)."""
    contexts = [build_context(sop_class_uid, transfer_syntax_uid)]
    others = [syntax for syntax in _PLAIN if syntax != transfer_syntax_uid]
    return [*contexts, build_context(sop_class_uid, others)]


def _encoded_again(stored: StoredObject, transfer_syntax_uid: str) -> BytesIO:
    """An uncompressed data set in another uncompressed transfer syntax."""
    syntax = UID(transfer_syntax_uid)
    try:
        encoded = encode(dcmread(stored.path), syntax.is_implicit_VR, syntax.is_little_endian)
    except Exception as error:  # pydicom raises many kinds over damaged bytes
        raise UnreadableObject(f"{stored.path.name} cannot be encoded as {syntax.name}.") from error
    if encoded is None:
        raise UnreadableObject(f"{stored.path.name} cannot be encoded as {syntax.name}.")
    return BytesIO(encoded)


def _why_not(association: Association, where: str) -> ScreeningNodeError:
    answer = association.acceptor.primitive
    if association.is_rejected and answer is not None:
        return of_rejection(answer.result or 0, answer.result_source or 0, answer.diagnostic or 0, where)
    if answer is not None:
        return SopClassRefused(
            f"{where} supports none of the SOP classes that it was offered.",
            fix="Enable them there, then retry the delivery.",
        )
    return unavailable("cannot be reached, or did not answer an association request", where)
