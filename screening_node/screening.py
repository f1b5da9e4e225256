"""One exam, from stored bytes to committed result. START HERE.

    prepare   on a thread: the exam's files are read, checked and decoded by its pathway
    judge     on the worker's main thread, a batch at a time: the networks estimate, then for each exam
                estimate -> T-scores and category        (pathways.judgement)
                         -> the patient's alarm          (decide, with the patient's other films)
                         -> the reports that each destination wants
                         -> result, alarm, outbox and the job's end in ONE commit

The commit is fenced: it fails with LeaseLost where the job was given to another worker meanwhile. All that is
written derives from the film, the model and the job's stored time, so that doing it again changes nothing.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa

from screening_node.domain.alarm import AlarmDecision, AlarmStatus, ThresholdSet, after, decide
from screening_node.domain.exam import ExamFiles
from screening_node.domain.result import Estimate, Refusal, ScreeningResult
from screening_node.domain.tscore import ReferenceTable
from screening_node.errors import Misconfigured, StoreUnavailable
from screening_node.pathways.base import Pathway
from screening_node.pathways.judgement import answers_of, conclude
from screening_node.queue import queue
from screening_node.queue.job import Job
from screening_node.reporting.kinds import Kind, ObjectSet, SopReference, Wanted
from screening_node.reporting.message import MessageKind, MessageSet, WantedMessage
from screening_node.reporting.picture import Picture
from screening_node.reporting.reporter import Report
from screening_node.store import alarms, records, retractions
from screening_node.store.archive import Archive
from screening_node.store.outbox import Outgoing
from screening_node.store.records import Exam
from screening_node.store.session import Store

log = logging.getLogger(__name__)

#: How often a decision is taken anew because another film of the patient was committed in between.
_DECISIONS = 5


class Reporter(Protocol):
    """What turns a result into DICOM objects and messages (``reporting/reporter.py``)."""

    def reports(
        self,
        source_path: Path,
        result: ScreeningResult,
        alarm: AlarmDecision,
        at: dt.datetime,
        revision: int,
        wanted: Iterable[Wanted | WantedMessage],
        picture: Callable[[], Picture | None] = lambda: None,
    ) -> Mapping[Wanted | WantedMessage, Report]:
        """The objects about the film at ``source_path``; the same arguments give the same bytes.

        What has nothing to show of this result, such as a key object without an alarm, is left out. ``picture`` is
        asked where a page is to be drawn: the decoded film, so that it is not decoded again.
        """


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """An exam whose files are decoded, or already refused."""

    exam: Exam
    work: Any


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a result means for the patient, and which revision of the exam's result it is or would be.

    ``at`` is the time that the reports state: that of the job which first gave this result. ``previous`` is, by kind,
    each destination's Structured Report or message on the revision before, ``owed`` the (destination, kind) pairs of
    this one that are delivered or owed already.
    """

    alarm: AlarmDecision
    revision: int
    at: dt.datetime
    previous: Mapping[str, Mapping[str, SopReference]] = field(default_factory=dict)
    owed: frozenset[tuple[str, str]] = frozenset()


class Screening:
    """Judges exams for the worker: ``prepare`` and ``judge`` are what ``queue.worker.Worker`` wants."""

    def __init__(
        self,
        *,
        pathways: Mapping[str, Pathway[Any]],
        reference: ReferenceTable,
        thresholds: ThresholdSet,
        store: Store,
        archive: Archive,
        reporter: Reporter,
        destinations: Mapping[str, ObjectSet | MessageSet],
        report_refusals: bool,
        window_months: int,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        """``destinations``: by name, the objects that each gets. ``window_months``: see ``domain.alarm``."""
        self._pathways = pathways
        self._reference = reference
        self._thresholds = thresholds
        self._store = store
        self._archive = archive
        self._reporter = reporter
        self._destinations = destinations
        self._report_refusals = report_refusals
        self._window_months = window_months
        self._clock = clock

    def prepare(self, job: Job) -> Prepared:
        """Read and decode a job's exam. Raises what stops it; a refusal is no error."""
        with self._store.read() as tx:
            exam = records.exam(tx, job.exam_id)
        files = tuple(self._archive.existing(path) for path in exam.paths)
        work = self._pathway(exam).prepare(ExamFiles(files=files, requested_at=job.requested_at))
        return Prepared(exam=exam, work=work)

    def judge(self, batch: Sequence[tuple[Job, Prepared]]) -> list[Exception | None]:
        """Estimate, conclude and commit; for each job an error, or None once it is settled."""
        answers = self._answers([prepared for _, prepared in batch])
        return [
            answer if isinstance(answer, Exception) else self._settle(job, prepared, answer)
            for (job, prepared), answer in zip(batch, answers, strict=True)
        ]

    def _answers(self, batch: Sequence[Prepared]) -> list[Estimate | Refusal | Exception]:
        """One answer for each exam, in order; the exams of one pathway go through its networks together."""
        answers: dict[int, Estimate | Refusal | Exception] = {}
        for name in {prepared.exam.pathway for prepared in batch}:
            mine = [place for place, prepared in enumerate(batch) if prepared.exam.pathway == name]
            given = answers_of(self._pathways[name], [batch[place].work for place in mine])
            answers |= dict(zip(mine, given, strict=True))
        return [answers[place] for place in range(len(batch))]

    def _settle(self, job: Job, prepared: Prepared, answer: Estimate | Refusal) -> Exception | None:
        exam = prepared.exam
        try:
            result = conclude(
                self._pathway(exam),
                answer,
                sex=exam.patient.sex,
                reference=self._reference,
                thresholds=self._thresholds,
            )
            self._commit(job, prepared, result)
        except Exception as error:  # one exam's failure is not its neighbour's
            return error
        return None

    def _commit(self, job: Job, prepared: Prepared, result: ScreeningResult) -> None:
        """Report and commit. What the report says of the alarm is still true when it is committed."""
        exam = prepared.exam
        for _ in range(_DECISIONS):
            with self._store.read() as tx:
                verdict = self._verdict(tx, job, exam, result)
            reports = self._reports(prepared, result, verdict)
            with self._store.begin() as tx:
                alarms.lock_patient(tx, exam.patient_key)
                if records.exam(tx, exam.id, lock=True).paths != exam.paths:
                    queue.release(tx, job, now=self._clock())  # it grew meanwhile: to be judged again, as a whole
                    return
                if self._verdict(tx, job, exam, result) != verdict:
                    continue
                self._write(tx, job, exam, result, verdict, reports)
            _log(exam, result, verdict)
            return
        raise StoreUnavailable("Other films of the same patient were committed all the while.")

    def _verdict(self, tx: sa.Connection, job: Job, exam: Exam, result: ScreeningResult) -> Verdict:
        alarm = decide(
            crossed=result.crossed,
            study_date=exam.study_date,
            known=alarms.known_alarms(tx, exam.patient_key),
            facts=alarms.facts_of(tx, exam.patient_key),
            window_months=self._window_months,
            retraction=retractions.of_film(tx, exam.id, exam.patient_key),
        )
        current = records.current_result(tx, exam.id)
        if current is None:
            return Verdict(alarm=alarm, revision=1, at=job.requested_at)
        if not current.says(result, alarm):
            previous = _reports_of(tx, exam, current.revision)
            changed = after(current.alarm.status, alarm, corrected=current.outdated)
            return Verdict(alarm=changed, revision=current.revision + 1, at=job.requested_at, previous=previous)
        return Verdict(
            alarm=current.alarm,
            revision=current.revision,
            at=current.requested_at,
            previous=_reports_of(tx, exam, current.revision - 1),
            owed=records.owed(tx, current.id),
        )

    def _reports(self, prepared: Prepared, result: ScreeningResult, verdict: Verdict) -> list[Outgoing]:
        """Build the reports, each once, and keep them in the archive, before anything says that they exist."""
        orders = self._orders(verdict) if self._is_reported(result) else []
        if not orders:
            return []
        source = self._archive.existing(prepared.exam.paths[0])
        reports = self._reporter.reports(
            source,
            result,
            verdict.alarm,
            verdict.at,
            verdict.revision,
            wanted=dict.fromkeys(order for _, order in orders),
            picture=lambda: self._picture(prepared),
        )
        paths = {
            order: self._archive.keep_report(report.data, report.sop_instance_uid, suffix=report.suffix)
            for order, report in reports.items()
        }
        return [_outgoing(name, reports[order], paths[order]) for name, order in orders if order in reports]

    def _picture(self, prepared: Prepared) -> Picture | None:
        """The film as it was decoded; None where it was refused before that."""
        if isinstance(prepared.work, Refusal):
            return None
        return self._pathway(prepared.exam).picture(prepared.work)

    def _orders(self, verdict: Verdict) -> list[tuple[str, Wanted | WantedMessage]]:
        """What is still to be made, and for which destination."""
        return [
            (name, wanted)
            for name, objects in self._destinations.items()
            for wanted in objects.wanted(_predecessor(verdict, name, objects.main_kind))
            if (name, wanted.kind) not in verdict.owed
        ]

    def _is_reported(self, result: ScreeningResult) -> bool:
        if result.refusal is None:
            return True
        return self._report_refusals and result.refusal.code.concerns_chest_films

    def _write(
        self,
        tx: sa.Connection,
        job: Job,
        exam: Exam,
        result: ScreeningResult,
        verdict: Verdict,
        reports: Sequence[Outgoing],
    ) -> None:
        """Everything that the judgement changes, fenced: LeaseLost undoes it all."""
        now = self._clock()
        queue.complete(tx, job, now=now)
        records.commit_result(
            tx, exam=exam, job_id=job.id, result=result, alarm=verdict.alarm, reports=reports, now=now
        )

    def _pathway(self, exam: Exam) -> Pathway[Any]:
        try:
            return self._pathways[exam.pathway]
        except KeyError:
            raise Misconfigured(
                f"This node has no pathway {exam.pathway}.", fix=f"Add a section [pathways.{exam.pathway}]."
            ) from None


def _log(exam: Exam, result: ScreeningResult, verdict: Verdict) -> None:
    lowest = result.lowest
    if result.refusal is not None:
        log.info("Exam %d is refused: %s.", exam.id, result.refusal.code)
    elif lowest is not None:
        said = "ALARM" if verdict.alarm.status is AlarmStatus.RAISED else "no alarm"
        text = "Exam %d: %s, lowest T-score %.1f at %s; %s: %s"
        log.info(text, exam.id, result.category, lowest.t_score, lowest.vertebra, said, verdict.alarm.reason)


def _outgoing(destination: str, report: Report, path: str) -> Outgoing:
    return Outgoing(
        destination=destination,
        kind=report.kind,
        sop_class_uid=report.sop_class_uid,
        sop_instance_uid=report.sop_instance_uid,
        path=path,
    )


def _predecessor(verdict: Verdict, destination: str, kind: str) -> SopReference | None:
    """What the next report names as replaced: in PACS any report of the study will do, but not for a message."""
    of_kind = verdict.previous.get(kind, {})
    some = next(iter(of_kind.values()), None) if kind == Kind.SR else None
    return of_kind.get(destination, some)


def _reports_of(tx: sa.Connection, exam: Exam, revision: int) -> Mapping[str, Mapping[str, SopReference]]:
    """By kind and destination, the Structured Report or message on a revision of an exam's result."""
    found = {kind: records.reports_of(tx, exam.id, revision, kind) for kind in (Kind.SR, *MessageKind)}
    return {
        kind: {name: SopReference(sop_class_uid=uids[0], sop_instance_uid=uids[1]) for name, uids in of_kind.items()}
        for kind, of_kind in found.items()
    }
