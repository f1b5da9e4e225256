"""What happens to one received object: checked, put on disk, committed, and only then acknowledged."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from pydicom.dataset import Dataset

from screening_node.domain.exam import ExamKey, Patient
from screening_node.errors import DiskFull, ScreeningNodeError, StoreUnavailable
from screening_node.imaging.header import equipment, study_date, text
from screening_node.imaging.sameness import same_picture
from screening_node.intake.commits import GroupedCommits
from screening_node.intake.header import Spooled, is_valid_uid, read_header, uid_of
from screening_node.intake.reception import ae_title_of
from screening_node.intake.refused import Refused
from screening_node.intake.spool import Spool
from screening_node.intake.statuses import IntakeStatus
from screening_node.store import corrections
from screening_node.store.archive import Archive
from screening_node.store.records import NewInstance, Recorded, audit
from screening_node.store.session import Store

if TYPE_CHECKING:
    from pynetdicom.association import Association

logger = logging.getLogger(__name__)

_KEPT_OTHERWISE = "This SOP Instance UID is kept with other content."


class StoreHandler:
    """Keeps received objects. ``route`` says which exam a header belongs to, ``patient_of`` whose it is."""

    def __init__(
        self,
        *,
        store: Store,
        archive: Archive,
        route: Callable[[Dataset], ExamKey],
        patient_of: Callable[[Dataset], Patient],
    ) -> None:
        self._store = store
        self._archive = archive
        self._route = route
        self._patient_of = patient_of
        self._commits = GroupedCommits(store)

    def report_refusal(self, assoc: Association, sop_instance_uid: str, refused: Refused) -> None:
        """Log a refusal and write it to the audit table, where the store answers. No patient data in either."""
        self.note_refusal(ae_title_of(assoc), sop_instance_uid, refused)

    def note_refusal(self, sender: str, sop_instance_uid: str, refused: Refused, *, origin: str = "") -> None:
        """The same for an object of ``sender``, by whatever way in it came; ``origin`` says more in the log."""
        subject = sop_instance_uid if is_valid_uid(sop_instance_uid) else ""  # anything may stand in a bad one
        logger.warning(
            "Refused an object from %s with %s (0x%04X): %s",
            origin or sender,
            refused.status.name,
            refused.status,
            refused.reason,
        )
        if refused.status is IntakeStatus.STORE_UNAVAILABLE:
            return
        detail = {"status": f"0x{refused.status:04X}", "name": refused.status.name, "reason": refused.reason}
        action = "intake.conflict" if refused.status is IntakeStatus.DUPLICATE_SOP_INSTANCE else "intake.refused"
        with suppress(ScreeningNodeError), self._store.begin() as tx:
            audit(tx, actor=sender, action=action, subject=subject, detail=detail)

    def take_in(self, spool: Spool, *, study_instance_uid: str | None = None) -> Recorded:
        """Keep a spooled object; on return it is durable and committed. Raises Refused.

        ``study_instance_uid``: the study that it has to belong to, where the sender named one.
        """
        spooled = spool.complete()
        header = read_header(spooled)
        if study_instance_uid not in (None, uid_of(header, "StudyInstanceUID")):
            raise Refused(IntakeStatus.DATA_SET_MISMATCH, "The object belongs to another study than was named.")
        try:
            recorded = self._keep(spooled, header, spool)
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
        logger.info("%s %s from %s, %d bytes", recorded.name, spooled.sop_instance_uid, spool.origin, spooled.size)
        return recorded

    def _keep(self, spooled: Spooled, header: Dataset, spool: Spool) -> Recorded:
        """Bytes first, row second, both durable on return.

        Where the commit fails the kept file stays: it may be the one that an earlier, acknowledged row names (same
        content, same name), and the sender's next try ends on the same name.
        """
        exam, patient = self._route(header), self._patient_of(header)
        path = self._archive.keep(spooled.path, spooled.sop_instance_uid, sha256=spooled.sha256)
        instance = NewInstance(
            sop_instance_uid=spooled.sop_instance_uid,
            sop_class_uid=spooled.sop_class_uid,
            transfer_syntax_uid=spooled.transfer_syntax_uid,
            study_instance_uid=uid_of(header, "StudyInstanceUID"),
            series_instance_uid=uid_of(header, "SeriesInstanceUID"),
            sha256=spooled.sha256,
            size=spooled.size,
            path=path,
            calling_ae=spool.calling_ae,
            received_at=dt.datetime.now(dt.UTC),
            exam=exam,
            patient=patient,
            accession_number=text(header, "AccessionNumber"),
            study_date=study_date(header),
            modality=text(header, "Modality"),
            scanner=equipment(header),
        )
        recorded = self._commits.record(instance, spool.priority)
        if recorded is Recorded.CONFLICT:
            recorded = self._correct(instance)
        if recorded is Recorded.DUPLICATE and not self._archive.path(path).is_file():
            raise StoreUnavailable("The rule of retention took the film of before at this very moment.")
        return recorded

    def _correct(self, instance: NewInstance) -> Recorded:
        """Let the kept film with another header take its place. Raises Refused where it is anything else.

        The file of before stays, without a row (``store check`` names it): a worker may be reading it. Nor is a
        correction's own file removed where it came to nothing: the same one may have come twice at once.
        """
        with self._store.read() as tx:
            before = corrections.kept(tx, instance.sop_instance_uid)
        new = self._archive.path(instance.path)
        if before is None or not same_picture(self._archive.path(before.path), new):
            self._archive.discard(new)  # other content has another name, so this is nobody else's file
            raise Refused(IntakeStatus.DUPLICATE_SOP_INSTANCE, _KEPT_OTHERWISE)
        with self._store.begin() as tx:
            recorded = corrections.correct(tx, instance, now=dt.datetime.now(dt.UTC))
        if recorded is Recorded.CONFLICT:
            raise Refused(IntakeStatus.DUPLICATE_SOP_INSTANCE, _KEPT_OTHERWISE)
        return recorded


def _place_of(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "?" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
