"""The one door for everything that does not come by C-STORE: the same checks, spool, commit and refusals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydicom.dataset import Dataset

from screening_node.domain.exam import ExamKey, Patient
from screening_node.intake.handlers import StoreHandler
from screening_node.intake.part10 import Part10Reception
from screening_node.intake.refused import Refused
from screening_node.intake.spool import Priority, Spool
from screening_node.store.archive import Archive
from screening_node.store.records import Recorded
from screening_node.store.session import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Bytes: what the disk keeps in reserve, and the largest object that is taken."""

    min_free_bytes: int = 512 * 1024 * 1024
    max_object_bytes: int = 1024 * 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of one object; ``refused`` is None where it is kept. UIDs are empty where none could be read."""

    sop_class_uid: str
    sop_instance_uid: str
    recorded: Recorded | None = None
    refused: Refused | None = None


class FileDoor:
    """Takes Part 10 files in. Thread safe; each reception belongs to one thread."""

    def __init__(
        self,
        *,
        store: Store,
        archive: Archive,
        route: Callable[[Dataset], ExamKey],
        patient_of: Callable[[Dataset], Patient],
        limits: Limits,
    ) -> None:
        self._archive = archive
        self._limits = limits
        self._handler = StoreHandler(store=store, archive=archive, route=route, patient_of=patient_of)

    def begin(self, sender: str, *, origin: str = "", priority: Priority = Priority.LIVE) -> Part10Reception:
        """A file begins. ``sender`` stands for its AE title (16 characters); ``origin`` is for the log."""
        return Part10Reception(self.spool(origin=origin, priority=priority), sender=sender, min_free=self.reserve)

    def spool(self, *, origin: str, priority: Priority) -> Spool:
        """An empty spool, for objects whose UIDs are known without meta information."""
        spool = Spool(self._archive, self._limits.max_object_bytes)
        spool.origin, spool.priority = origin, priority
        return spool

    @property
    def reserve(self) -> int:
        """Free bytes below which nothing is taken."""
        return self._limits.min_free_bytes

    def keep(self, reception: Part10Reception, *, study_instance_uid: str | None = None) -> Outcome:
        """The file has ended: on return it is durable and committed, or refused, logged and audited."""
        reception.end()
        sop_class, instance = reception.sop_class_uid, reception.sop_instance_uid
        return self.keep_spooled(reception.spool, sop_class, instance, study_instance_uid=study_instance_uid)

    def keep_spooled(
        self, spool: Spool, sop_class_uid: str, sop_instance_uid: str, *, study_instance_uid: str | None = None
    ) -> Outcome:
        """The same for a spool."""
        try:
            recorded = self._handler.take_in(spool, study_instance_uid=study_instance_uid)
        except Refused as refused:
            self._handler.note_refusal(spool.calling_ae, sop_instance_uid, refused, origin=spool.origin)
            return Outcome(sop_class_uid=sop_class_uid, sop_instance_uid=sop_instance_uid, refused=refused)
        finally:
            spool.discard()
        return Outcome(sop_class_uid=sop_class_uid, sop_instance_uid=sop_instance_uid, recorded=recorded)
