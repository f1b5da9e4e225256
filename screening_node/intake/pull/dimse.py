"""Query/Retrieve as SCU (PS3.4 annex C, Study Root): C-FIND, and C-MOVE to the node itself or C-GET."""

from __future__ import annotations

import datetime as dt
import io
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)
from pynetdicom.transport import AddressInformation, AssociationSocket

from screening_node.errors import Misconfigured, SourceRefused, SourceUnavailable
from screening_node.imaging.header import RADIOGRAPH_CLASSES, text, texts
from screening_node.intake.files import FileDoor, Outcome
from screening_node.intake.header import is_valid_uid
from screening_node.intake.listener import IntakeSocket
from screening_node.intake.pull.source import MOST_MATCHES, Fetched, Film, Gotten, Wanted, of_outcome
from screening_node.intake.refused import Refused
from screening_node.intake.scp import archivable_transfer_syntaxes
from screening_node.intake.spool import Priority
from screening_node.intake.statuses import IntakeStatus
from screening_node.tls import ClientTls, Renewing, calling

FIND: Final = str(StudyRootQueryRetrieveInformationModelFind)
MOVE: Final = str(StudyRootQueryRetrieveInformationModelMove)
GET: Final = str(StudyRootQueryRetrieveInformationModelGet)
_PLAIN: Final = [str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian)]
_PENDING: Final = (0xFF00, 0xFF01)
_MOVE_DESTINATION_UNKNOWN: Final = 0xA801


@dataclass(frozen=True, kw_only=True, slots=True)
class DimsePeer:
    """An archive, how it is called, and by which of the two its films come. ``seconds``: for each answer."""

    name: str
    ae_title: str
    host: str
    port: int
    calling_ae: str
    by_get: bool = False
    tls: ClientTls | None = None
    seconds: float = 60.0

    def __str__(self) -> str:
        return f"{self.name} ({self.ae_title} at {self.host}:{self.port}{' with TLS' if self.tls else ''})"


class DimseSource:
    """See ``Source``. One association, opened again after it was lost; used by one thread."""

    def __init__(self, peer: DimsePeer, wanted: Wanted, door: FileDoor, kept: Callable[[str], bool]) -> None:
        """``kept``: whether the node has an instance; C-MOVE brings films to its other process."""
        self._peer, self._wanted, self._door, self._kept = peer, wanted, door, kept
        self._entity = _Entity(ae_title=peer.calling_ae)
        self._entity.connection_timeout = min(peer.seconds, 10.0)
        self._entity.acse_timeout = self._entity.dimse_timeout = self._entity.network_timeout = peer.seconds
        self._association: Association | None = None
        self._tls: Renewing | None = None
        self._outcome: Outcome | None = None

    def films(self, day: dt.date) -> Iterator[Film]:
        """Ask for studies, then their series, then those's instances."""
        for study in self._studies(day):
            for series in self._series(study):
                for image in self._find("IMAGE", StudyInstanceUID=study, SeriesInstanceUID=series, SOPInstanceUID=""):
                    instance = text(image, "SOPInstanceUID") or ""
                    if is_valid_uid(instance):
                        yield Film(study=study, series=series, instance=instance)

    def fetch(self, film: Film) -> Gotten:
        """One instance by C-GET, or by C-MOVE to the node's own AE title."""
        identifier = Dataset()
        identifier.QueryRetrieveLevel = "IMAGE"
        identifier.StudyInstanceUID = film.study
        identifier.SeriesInstanceUID = film.series
        identifier.SOPInstanceUID = film.instance
        self._outcome = None
        status = self._retrieved(identifier)
        if self._peer.by_get:
            return self._gotten(status, film)
        if self._kept(film.instance):
            return Gotten(fetched=Fetched.TAKEN)
        if status == 0:
            return Gotten(fetched=Fetched.FAILED, reason="the archive says that it sent the film; it did not come")
        return Gotten(fetched=Fetched.FAILED, reason=f"C-MOVE ended with 0x{status:04X}")

    def check(self) -> str:
        """C-ECHO."""
        status = self._opened().send_c_echo()
        if "Status" not in status:
            raise self._lost()
        return f"answers C-ECHO with 0x{status.Status:04X}"

    def close(self) -> None:
        """Release the association."""
        association, self._association = self._association, None
        if association is not None and association.is_established:
            association.release()

    def _studies(self, day: dt.date) -> Iterator[str]:
        keys = {"StudyDate": f"{day:%Y%m%d}", "StudyInstanceUID": "", "ModalitiesInStudy": ""}
        for match in self._find("STUDY", **keys):
            study = text(match, "StudyInstanceUID") or ""
            if is_valid_uid(study) and self._wanted.study(texts(match, "ModalitiesInStudy")):
                yield study

    def _series(self, study: str) -> Iterator[str]:
        keys = {"StudyInstanceUID": study, "SeriesInstanceUID": "", "Modality": "", "BodyPartExamined": ""}
        for match in self._find("SERIES", **keys):
            series = text(match, "SeriesInstanceUID") or ""
            wanted = self._wanted.series(text(match, "Modality") or "", text(match, "BodyPartExamined") or "")
            if is_valid_uid(series) and wanted:
                yield series

    def _find(self, level: str, **keys: str) -> list[Dataset]:
        """Every match: all of them are there before the next question is put to the same association."""
        identifier = Dataset()
        identifier.QueryRetrieveLevel = level
        for keyword, value in keys.items():
            setattr(identifier, keyword, value)
        found: list[Dataset] = []
        for status, match in self._opened().send_c_find(identifier, FIND):
            if "Status" not in status:
                raise self._lost()
            if status.Status in _PENDING and match is not None:
                found.append(match)
            elif status.Status:
                self._drop()
                raise _refused("C-FIND", status.Status, self._peer)
            if len(found) > MOST_MATCHES:
                self._drop()
                raise SourceRefused(f"{self._peer} names more than {MOST_MATCHES} matches.", fix="See its log.")
        return found

    def _retrieved(self, identifier: Dataset) -> int:
        """The last status of the operation. Raises SourceUnavailable, or SourceRefused where we are unknown."""
        association = self._opened()
        if self._peer.by_get:
            responses = association.send_c_get(identifier, GET)
        else:
            responses = association.send_c_move(identifier, self._peer.calling_ae, MOVE)
        last = -1
        for status, _ in responses:
            if "Status" not in status:
                raise self._lost()
            last = int(status.Status)
        if last == _MOVE_DESTINATION_UNKNOWN:
            raise SourceRefused(
                f"{self._peer} does not know where {self._peer.calling_ae} is (C-MOVE: 0xA801).",
                fix='Tell it this node\'s AE title, host and port; or write retrieve = "get".',
            )
        return last

    def _gotten(self, status: int, film: Film) -> Gotten:
        if self._outcome is None or self._outcome.sop_instance_uid != film.instance:
            return Gotten(fetched=Fetched.FAILED, reason=f"C-GET ended with 0x{status:04X} and without the film")
        return of_outcome(self._outcome)

    def _on_c_store(self, event: evt.Event) -> int:
        """A film of our C-GET: encoded as it came, it goes through the door."""
        spool = self._door.spool(origin=f"{self._peer.name} (C-GET)", priority=Priority.BACKLOG)
        request, context = cast(C_STORE, event.request), event.context
        sop_class, instance = str(request.AffectedSOPClassUID), str(request.AffectedSOPInstanceUID)
        if is_valid_uid(instance):
            spool.open(
                sop_class_uid=sop_class,
                sop_instance_uid=instance,
                transfer_syntax_uid=str(context.transfer_syntax),
                calling_ae=self._peer.ae_title,
                min_free=self._door.reserve,
            )
            spool.write(cast(io.BytesIO, request.DataSet).getbuffer())
        else:
            spool.refuse(Refused(IntakeStatus.INVALID_SOP_INSTANCE, "Affected SOP Instance UID is no valid UID."))
        self._outcome = self._door.keep_spooled(spool, sop_class, instance)
        return int(IntakeStatus.SUCCESS if self._outcome.refused is None else self._outcome.refused.status)

    def _opened(self) -> Association:
        if self._association is not None and self._association.is_established:
            return self._association
        try:
            association = self._entity.associate(
                self._peer.host,
                self._peer.port,
                contexts=contexts(by_get=self._peer.by_get),
                ae_title=self._peer.ae_title,
                max_pdu=131072,
                ext_neg=[build_role(uid, scp_role=True) for uid in sorted(RADIOGRAPH_CLASSES)]
                if self._peer.by_get
                else [],
                evt_handlers=[(evt.EVT_C_STORE, self._on_c_store), (evt.EVT_CONN_OPEN, _on_connected)],
                tls_args=self._tls_args(),
            )
        except OSError as error:
            raise SourceUnavailable(
                f"{self._peer} has a host name that cannot be resolved.", fix="Correct host of this [[pull]]."
            ) from error
        if not association.is_established:
            raise _why_not(association, self._peer)
        self._association = association
        return association

    def _tls_args(self) -> tuple[Any, str] | None:
        tls = self._peer.tls
        if tls is None:
            return None
        try:
            self._tls = self._tls or calling(tls)
        except Misconfigured as error:
            raise SourceUnavailable(f"{self._peer}: {error.message}", fix=error.fix) from error
        return self._tls.get(), tls.server_name or self._peer.host

    def _lost(self) -> SourceUnavailable:
        self._drop()
        return SourceUnavailable(
            f"{self._peer} ended the association, or did not answer within {self._peer.seconds:.0f} s.",
            fix="See its log; what was fetched is kept, and the next run goes on from there.",
        )

    def _drop(self) -> None:
        association, self._association = self._association, None
        if association is not None and association.is_established:
            association.abort()


def contexts(*, by_get: bool) -> list[PresentationContext]:
    """What is proposed: with C-GET also the radiographs' storage, each transfer syntax in a context of its own."""
    models = [FIND, GET if by_get else MOVE]
    asked = [build_context(Verification, _PLAIN), *(build_context(model, _PLAIN) for model in models)]
    if by_get:
        others = [syntax for syntax in archivable_transfer_syntaxes() if syntax not in _PLAIN]
        for sop_class in sorted(RADIOGRAPH_CLASSES):
            asked += [build_context(sop_class, syntaxes) for syntaxes in (_PLAIN, *([other] for other in others))]
    return asked


class _Entity(AE):
    """Its associations close their sockets for certain."""

    def _create_socket(self, assoc: Association, address: AddressInformation, tls_args: Any) -> AssociationSocket:
        made = IntakeSocket(assoc, address=address)
        made.tls_args = tls_args
        return made


def _on_connected(event: evt.Event) -> None:
    connected = event.assoc.dul.socket
    if connected is not None and connected.socket is not None:
        connected.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _refused(operation: str, status: int, peer: DimsePeer) -> SourceRefused | SourceUnavailable:
    words = f"{peer} ended a {operation} with 0x{status:04X}."
    if status & 0xFF00 == 0xA700:  # out of resources
        return SourceUnavailable(words, fix="Try again later.")
    return SourceRefused(words, fix="See its log.")


def _why_not(association: Association, peer: DimsePeer) -> SourceRefused | SourceUnavailable:
    answer = association.acceptor.primitive
    if association.is_rejected and answer is not None and answer.result == 1:
        return SourceRefused(
            f"{peer} rejects associations of {peer.calling_ae}.",
            fix="Tell it this node's AE title and address; check ae_title of this [[pull]].",
        )
    if answer is not None and not association.is_rejected:
        return SourceRefused(
            f"{peer} offers no Study Root query and retrieve.", fix="Allow that there, for this node's AE title."
        )
    return SourceUnavailable(f"{peer} cannot be reached, or takes no association now.", fix="Check host, port, tls.")
