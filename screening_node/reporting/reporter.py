"""From a judged film to the bytes of its report."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from screening_node.domain.alarm import AlarmDecision
from screening_node.domain.result import ScreeningResult
from screening_node.domain.tscore import ReferenceTable
from screening_node.errors import Misconfigured
from screening_node.reporting import document, source, uids
from screening_node.reporting.document import SopReference
from screening_node.reporting.measurement_report import Statement
from screening_node.reporting.source import SourceFilm


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """One object for PACS: ``data`` is its Part 10 file."""

    kind: str
    sop_class_uid: str
    sop_instance_uid: str
    data: bytes


class Reporter:
    """Writes the Structured Report of one film after another; keeps nothing between them.

    The same film, result, decision and revision give the same SOP Instance UID, and with the same ``at`` the same
    bytes; anything else that is said gives another UID, because archives keep the first object of a UID.
    """

    def __init__(
        self,
        reference: ReferenceTable,
        *,
        software_version: str,
        sop_class_uid: str = document.COMPREHENSIVE_3D_SR,
        zone: dt.tzinfo | None = None,
    ) -> None:
        """``zone`` is the time zone of dates and times where the film names none; None is the host's own."""
        if sop_class_uid not in document.SR_CLASSES:
            raise Misconfigured(
                f"Reports cannot be written as SOP class {sop_class_uid}.",
                fix=f"Choose one of {', '.join(document.SR_CLASSES)}.",
            )
        self._reference = reference
        self._software_version = software_version
        self._sop_class_uid = sop_class_uid
        self._zone = zone

    def report(
        self,
        source_path: Path,
        result: ScreeningResult,
        alarm: AlarmDecision,
        at: dt.datetime,
        revision: int = 1,
        previous: SopReference | None = None,
    ) -> Report:
        """The report on the film in ``source_path``, whose pixels are not read.

        Args:
            source_path: the film's Part 10 file.
            result: what the pathway said of it.
            alarm: what was decided for the patient.
            at: the job's stored time (aware), which every date and time of the report derives from.
            revision: 1, or one more than that of the report which this one replaces.
            previous: that report.
        """
        film = source.read(source_path)
        statement = Statement(
            film=film,
            result=result,
            alarm=alarm,
            table=self._reference,
            software_version=self._software_version,
            revision=revision,
        )
        sop_instance_uid = self._sop_instance_uid(statement, previous)
        dataset = document.build(
            statement,
            sop_class_uid=self._sop_class_uid,
            sop_instance_uid=sop_instance_uid,
            at=_local(at, film, self._zone),
            previous=previous,
        )
        return Report(
            kind=document.KIND,
            sop_class_uid=self._sop_class_uid,
            sop_instance_uid=sop_instance_uid,
            data=document.to_bytes(dataset),
        )

    def _sop_instance_uid(self, statement: Statement, previous: SopReference | None) -> str:
        """From the film, the model and everything said; not from ``at``, so that a re-run overwrites."""
        said = [
            statement.result.sha256,
            statement.alarm.status.value,
            statement.alarm.reason,
            self._reference.citation,
            self._software_version,
            "" if previous is None else previous.sop_instance_uid,
        ]
        model = statement.result.model
        return uids.derived(
            document.KIND,
            statement.film.sop_instance_uid,
            model.weights_sha256,
            model.configuration_sha256,
            hashlib.sha256(json.dumps(said).encode()).hexdigest(),
            statement.revision,
            self._sop_class_uid,
        )


def _local(at: dt.datetime, film: SourceFilm, zone: dt.tzinfo | None) -> dt.datetime:
    """``at`` in the time zone of the film's other dates and times."""
    if not film.zone:
        return at.astimezone(zone)
    sign = -1 if film.zone[0] == "-" else 1
    offset = dt.timedelta(hours=int(film.zone[1:3]), minutes=int(film.zone[3:]))
    return at.astimezone(dt.timezone(sign * offset))
