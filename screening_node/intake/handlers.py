"""What happens to one received object: checked, put on disk, committed, and only then acknowledged."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from pydicom.dataset import Dataset
from pynetdicom.dimse_primitives import C_STORE

from screening_node.domain.exam import ExamKey, Patient
from screening_node.errors import DiskFull, ScreeningNodeError, StoreUnavailable
from screening_node.imaging.header import study_date, text
from screening_node.intake.header import Spooled, is_valid_uid, read_header, uid_of
from screening_node.intake.reception import SpoolingProvider, ae_title_of
from screening_node.intake.refused import Refused
from screening_node.intake.spool import Spool
from screening_node.intake.statuses import IntakeStatus
from screening_node.store.archive import Archive
from screening_node.store.records import NewInstance, Recorded, audit, record_instance
from screening_node.store.session import Store

if TYPE_CHECKING:
    from pynetdicom.association import Association
    from pynetdicom.events import Event

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class StoreHandler:
    """Answers C-STORE. ``route`` says which exam a header belongs to, ``patient_of`` whose it is."""

    store: Store
    archive: Archive
    route: Callable[[Dataset], ExamKey]
    patient_of: Callable[[Dataset], Patient]

    def on_c_store(self, event: Event) -> Dataset:
        """Handler of pynetdicom's EVT_C_STORE; returns the response's Status and, on failure, an Error Comment."""
        request = cast(C_STORE, event.request)
        spool = cast(SpoolingProvider, event.assoc.dimse).take(request)
        try:
            if spool is None:
                raise Refused(IntakeStatus.CANNOT_UNDERSTAND, "The request came without a data set.")
            self._take_in(spool)
            return _response(IntakeStatus.SUCCESS)
        except Refused as refused:
            self.report_refusal(event.assoc, str(request.AffectedSOPInstanceUID or ""), refused)
            return _response(refused.status, refused.reason)
        finally:
            if spool is not None:
                spool.discard()

    def report_refusal(self, assoc: Association, sop_instance_uid: str, refused: Refused) -> None:
        """Log a refusal and write it to the audit table, where the store answers. No patient data in either."""
        calling_ae = ae_title_of(assoc)
        subject = sop_instance_uid if is_valid_uid(sop_instance_uid) else ""  # anything may stand in a bad one
        logger.warning(
            "Refused an object from %s with %s (0x%04X): %s",
            calling_ae,
            refused.status.name,
            refused.status,
            refused.reason,
        )
        if refused.status is IntakeStatus.STORE_UNAVAILABLE:
            return
        detail = {"status": f"0x{refused.status:04X}", "name": refused.status.name, "reason": refused.reason}
        action = "intake.conflict" if refused.status is IntakeStatus.DUPLICATE_SOP_INSTANCE else "intake.refused"
        with suppress(ScreeningNodeError), self.store.begin() as tx:
            audit(tx, actor=calling_ae, action=action, subject=subject, detail=detail)

    def _take_in(self, spool: Spool) -> None:
        spooled = spool.complete()
        header = read_header(spooled)
        try:
            recorded = self._keep(spooled, header, spool.calling_ae)
        except Refused:
            raise
        except DiskFull as error:
            raise Refused(IntakeStatus.OUT_OF_DISK, "The node's disk is full.") from error
        except StoreUnavailable as error:
            raise Refused(IntakeStatus.STORE_UNAVAILABLE, "The node's store does not answer.") from error
        except Exception as error:  # a bug must not look like success, nor end the association
            # neither the text nor the traceback is logged: both may quote values of the header
            logger.error("Taking in an object failed with %s at %s.", type(error).__name__, _place_of(error))
            raise Refused(IntakeStatus.PROCESSING_FAILURE, "The node failed; see its log.") from error
        logger.info("%s %s from %s, %d bytes", recorded.name, spooled.sop_instance_uid, spool.calling_ae, spooled.size)

    def _keep(self, spooled: Spooled, header: Dataset, calling_ae: str) -> Recorded:
        """Bytes first, row second, both durable on return.

        Where the commit fails the kept file stays: it may be the one that an earlier, acknowledged row names (same
        content, same name), and the sender's next try ends on the same name.
        """
        exam, patient = self.route(header), self.patient_of(header)
        path = self.archive.keep(spooled.path, spooled.sop_instance_uid, sha256=spooled.sha256)
        instance = NewInstance(
            sop_instance_uid=spooled.sop_instance_uid,
            sop_class_uid=spooled.sop_class_uid,
            transfer_syntax_uid=spooled.transfer_syntax_uid,
            study_instance_uid=uid_of(header, "StudyInstanceUID"),
            series_instance_uid=uid_of(header, "SeriesInstanceUID"),
            sha256=spooled.sha256,
            size=spooled.size,
            path=path,
            calling_ae=calling_ae,
            received_at=dt.datetime.now(dt.UTC),
            exam=exam,
            patient=patient,
            accession_number=text(header, "AccessionNumber"),
            study_date=study_date(header),
            modality=text(header, "Modality"),
        )
        with self.store.begin() as tx:
            recorded = record_instance(tx, instance)
        if recorded is Recorded.CONFLICT:
            # other content has another name, so this is nobody else's file
            self.archive.discard(self.archive.path(path))
            raise Refused(IntakeStatus.DUPLICATE_SOP_INSTANCE, "This SOP Instance UID is kept with other content.")
        return recorded


def _response(status: IntakeStatus, comment: str = "") -> Dataset:
    response = Dataset()
    response.Status = int(status)
    if comment:
        response.ErrorComment = comment
    return response


def _place_of(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "?" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
