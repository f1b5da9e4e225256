"""From a judged film to the bytes of the objects that say so."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TypeVar

from pydicom.dataset import Dataset

from screening_node.domain.alarm import AlarmDecision
from screening_node.domain.result import ScreeningResult
from screening_node.domain.tscore import ReferenceTable
from screening_node.errors import Misconfigured
from screening_node.reporting import capture, composite, document, fhir, hl7, key_object, softcopy, source, uids
from screening_node.reporting.kinds import COMPREHENSIVE_3D_SR, SR_CLASSES, Kind, SopReference, Wanted
from screening_node.reporting.language import Language, words
from screening_node.reporting.measurement_report import Statement
from screening_node.reporting.message import Message, MessageFormat, MessageKind, WantedMessage
from screening_node.reporting.picture import Picture, of_file
from screening_node.reporting.sentence import Sentences
from screening_node.reporting.source import SourceFilm

__all__ = ["Report", "Reporter", "SopReference"]

_SUFFIXES: Mapping[str, str] = {MessageKind.HL7: ".hl7", MessageKind.FHIR: ".json"}
WantedT = TypeVar("WantedT", bound=Wanted | WantedMessage)


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """One object for PACS: ``data`` is its Part 10 file; or a message, with its format as ``sop_class_uid``."""

    kind: str
    sop_class_uid: str
    sop_instance_uid: str
    data: bytes

    @property
    def suffix(self) -> str:
        """What its file's name ends in."""
        return _SUFFIXES.get(self.kind, ".dcm")


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """What is said, the film's header as it stands, its picture for a page, and the time in the film's own zone."""

    statement: Statement
    header: Dataset
    picture: Callable[[], Picture | None]
    at: dt.datetime

    def in_language(self, language: Language, sentences: Sentences) -> _Subject:
        """The same, said in a language."""
        statement = self.statement
        sentence = sentences.say(statement.result, statement.alarm, words(language))
        return replace(self, statement=replace(statement, language=language, sentence=sentence))


def _once(picture: Callable[[], Picture | None], path: Path) -> Callable[[], Picture | None]:
    """The film for all pages; decoded only where nobody has done so."""

    @cache
    def shown() -> Picture | None:
        given = picture()
        return of_file(path) if given is None else given

    return shown


class Reporter:
    """Writes the objects of one film after another; keeps nothing between them.

    The same film, result, decision and revision give the same SOP Instance UID, and with the same ``at`` the same
    bytes; anything else that is said gives another UID, because archives keep the first object of a UID.
    """

    def __init__(
        self,
        reference: ReferenceTable,
        *,
        software_version: str,
        sop_class_uid: str = COMPREHENSIVE_3D_SR,
        zone: dt.tzinfo | None = None,
        sentences: Sentences | None = None,
    ) -> None:
        """``sop_class_uid`` is that of ``report``; ``sentences`` are ours where the site has none of its own.

        ``zone`` is the time zone of dates and times where the film names none; None is the host's own.
        """
        self._reference = reference
        self._software_version = software_version
        self._sop_class_uid = _checked(sop_class_uid)
        self._zone = zone
        self._sentences = sentences or Sentences()

    def report(
        self,
        source_path: Path,
        result: ScreeningResult,
        alarm: AlarmDecision,
        at: dt.datetime,
        revision: int = 1,
        previous: SopReference | None = None,
        language: Language = Language.ENGLISH,
    ) -> Report:
        """The Structured Report alone; arguments as for ``reports``, ``previous`` and ``language`` as in ``Wanted``."""
        wanted = Wanted(kind=Kind.SR, sop_class_uid=self._sop_class_uid, language=language, previous=previous)
        return self.reports(source_path, result, alarm, at, revision, [wanted])[wanted]

    def reports(
        self,
        source_path: Path,
        result: ScreeningResult,
        alarm: AlarmDecision,
        at: dt.datetime,
        revision: int,
        wanted: Iterable[WantedT],
        picture: Callable[[], Picture | None] = lambda: None,
    ) -> Mapping[WantedT, Report]:
        """The objects about the film in ``source_path``; those for which there is nothing to show are left out.

        Args:
            source_path: the film's Part 10 file.
            result: what the pathway said of it.
            alarm: what was decided for the patient.
            at: the job's stored time (aware), which every date and time of the objects derives from.
            revision: 1, or one more than that of the result which this one replaces.
            wanted: what to make.
            picture: the film for the page, where it is decoded already; asked only where a page is wanted.
        """
        header = source.header_of(source_path)
        film = source.normalise(header)
        statement = Statement(
            film=film,
            result=result,
            alarm=alarm,
            table=self._reference,
            software_version=self._software_version,
            revision=revision,
            sentence="",
        )
        subject = _Subject(
            statement=statement,
            header=header,
            picture=_once(picture, source_path),
            at=_local(at, film, self._zone),
        )
        said = cache(lambda language: subject.in_language(language, self._sentences))
        made = ((each, self._made(said(each.language), each)) for each in wanted)
        return {each: report for each, report in made if report is not None}

    def _made(self, subject: _Subject, wanted: Wanted | WantedMessage) -> Report | None:
        sop_instance_uid = self._sop_instance_uid(subject.statement, wanted)
        data = _bytes_of(subject, wanted, sop_instance_uid)
        if data is None:
            return None
        return Report(
            kind=wanted.kind, sop_class_uid=str(wanted.sop_class_uid), sop_instance_uid=sop_instance_uid, data=data
        )

    def _sop_instance_uid(self, statement: Statement, wanted: Wanted | WantedMessage) -> str:
        """From the film, the model and everything said; not from ``at``, so that a re-run overwrites."""
        said = [
            statement.result.sha256,
            statement.alarm.status.value,
            statement.alarm.reason,
            statement.sentence,
            statement.language.value,
            self._reference.citation,
            self._software_version,
            "" if wanted.previous is None else wanted.previous.sop_instance_uid,
            *(wanted.said if isinstance(wanted, WantedMessage) else ()),
        ]
        model = statement.result.model
        return uids.derived(
            wanted.kind,
            statement.film.sop_instance_uid,
            model.weights_sha256,
            model.configuration_sha256,
            hashlib.sha256(json.dumps(said).encode()).hexdigest(),
            statement.revision,
            wanted.sop_class_uid,
        )


def _bytes_of(subject: _Subject, wanted: Wanted | WantedMessage, uid: str) -> bytes | None:
    if isinstance(wanted, WantedMessage):
        message = Message(statement=subject.statement, wanted=wanted, uid=uid, at=subject.at)
        return _MESSAGES[wanted.sop_class_uid](message)
    dataset = _BUILDERS[wanted.kind](subject, wanted, uid)
    return None if dataset is None else composite.to_bytes(dataset)


def _sr(subject: _Subject, wanted: Wanted, uid: str) -> Dataset:
    return document.build(
        subject.statement,
        sop_class_uid=_checked(wanted.sop_class_uid),
        sop_instance_uid=uid,
        at=subject.at,
        previous=wanted.previous,
    )


def _gsps(subject: _Subject, _wanted: Wanted, uid: str) -> Dataset | None:
    return softcopy.build(subject.statement, subject.header, sop_instance_uid=uid, at=subject.at)


def _ko(subject: _Subject, _wanted: Wanted, uid: str) -> Dataset | None:
    return key_object.build(subject.statement, sop_instance_uid=uid, at=subject.at)


def _sc(subject: _Subject, _wanted: Wanted, uid: str) -> Dataset:
    return capture.secondary_capture(subject.statement, subject.picture(), sop_instance_uid=uid, at=subject.at)


def _pdf(subject: _Subject, _wanted: Wanted, uid: str) -> Dataset:
    return capture.encapsulated_pdf(subject.statement, subject.picture(), sop_instance_uid=uid, at=subject.at)


#: What makes each kind; None where there is nothing of it to show.
_BUILDERS: Mapping[Kind, Callable[[_Subject, Wanted, str], Dataset | None]] = {
    Kind.SR: _sr,
    Kind.GSPS: _gsps,
    Kind.SC: _sc,
    Kind.PDF: _pdf,
    Kind.KO: _ko,
}
_MESSAGES: Mapping[MessageFormat, Callable[[Message], bytes]] = {
    MessageFormat.ORU_R01: hl7.build,
    MessageFormat.FHIR_R4: fhir.build,
    MessageFormat.FHIR_R5: fhir.build,
}


def _checked(sop_class_uid: str) -> str:
    if sop_class_uid not in SR_CLASSES:
        raise Misconfigured(
            f"Reports cannot be written as SOP class {sop_class_uid}.", fix=f"Choose one of {', '.join(SR_CLASSES)}."
        )
    return sop_class_uid


def _local(at: dt.datetime, film: SourceFilm, zone: dt.tzinfo | None) -> dt.datetime:
    """``at`` in the time zone of the film's other dates and times."""
    if not film.zone:
        return at.astimezone(zone)
    sign = -1 if film.zone[0] == "-" else 1
    offset = dt.timedelta(hours=int(film.zone[1:3]), minutes=int(film.zone[3:]))
    return at.astimezone(dt.timezone(sign * offset))
