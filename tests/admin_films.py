"""A store and an archive as a site would have them after some weeks, from phantom films; all people are invented."""

from __future__ import annotations

import datetime as dt
import hashlib
import random
from dataclasses import replace
from pathlib import Path

from screening_node.domain.alarm import AlarmDecision, AlarmStatus, AlarmStep, ThresholdSet, confidence, findings
from screening_node.domain.exam import ExamKey, Patient
from screening_node.domain.histogram import Histogram
from screening_node.domain.result import (
    LANDMARK_NAMES,
    ROI_NAMES,
    BmdEstimate,
    Explanation,
    GateCheck,
    Landmark,
    ModelIdentity,
    Refusal,
    RefusalCode,
    RegionAnswer,
    Roi,
    ScreeningResult,
    Vertebra,
)
from screening_node.domain.tscore import ReferenceTable, lowest_category
from screening_node.pathways.chest_film.regions import place
from screening_node.phantom.dicom_film import write_film
from screening_node.phantom.film import LATERAL, SyntheticFilm
from screening_node.queue import queue
from screening_node.queue.retry import Dead
from screening_node.reporting.reporter import Reporter
from screening_node.store import outbox, records
from screening_node.store.archive import Archive
from screening_node.store.session import Store

THRESHOLDS = ThresholdSet(
    name="flex",
    source="Wang et al. 2022",
    by_vertebra={Vertebra.L1: -2.2, Vertebra.L2: -2.1, Vertebra.L3: -2.0, Vertebra.L4: -1.9},
)
RAISED = AlarmDecision(step=AlarmStep.OPEN, status=AlarmStatus.RAISED, reason="Below threshold.")
QUIET = AlarmDecision(step=AlarmStep.NONE, status=AlarmStatus.NOT_RAISED, reason="No vertebra is below its threshold.")
REFUSED = AlarmDecision(step=AlarmStep.NONE, status=AlarmStatus.NOT_EVALUATED, reason="The film was not judged.")
_SCANNERS = ("Mirage Ray 500", "Mirage Ray 500", "Mirage Ray 900", "Fabula Portable 2", None)
_INPUTS = (*ROI_NAMES, "whole")
_CHECKS = (
    GateCheck(name="off_film", value=0.0, most=0.13),
    GateCheck(name="ordered", value=1.0, least=1.0),
    GateCheck(name="width_ratio", value=1.04, least=0.7, most=1.6),
    GateCheck(name="spine_mm", value=262.0, least=180, most=420),
    GateCheck(name="tilt", value=2.3, most=20),
    GateCheck(name="asymmetry", value=0.041, most=0.13),
    GateCheck(name="lung_contrast", value=1.62, least=0.75),
    GateCheck(name="mirror_likeness", value=0.58, least=0.1),
    GateCheck(name="unsteadiness", value=0.0091, most=0.022),
    GateCheck(name="opaque_edge", value=0.012, most=0.065),
)
#: How a validation cohort's mean BMD might be spread.
VALIDATION = Histogram.of(0.93 + 0.012 * place for place in range(-25, 26) for _ in range(26 - abs(place)))
_FAMILIES = ("Alder", "Ash", "Aspen", "Beech", "Birch", "Cedar", "Elm", "Hazel", "Larch", "Linden", "Maple", "Rowan")
_GIVEN = ("Ada", "Clara", "Edith", "Flora", "Greta", "Ida", "Nora", "Olga", "Ruth", "Vera")


class SiteFilms:
    """Fills a store film by film, as intake and screening do. ``now`` is when the newest film comes."""

    def __init__(self, store: Store, archive: Archive, reference: ReferenceTable, folder: Path, limits: str) -> None:
        self.store, self.archive, self.reference, self.folder = store, archive, reference, folder
        self.model = ModelIdentity(
            pathway="chest_film",
            bundle="chest_film 0.2.0",
            weights_sha256="ab" * 32,
            configuration_sha256="cd" * 32,
            members=3,
            reference=f"{reference.name} {reference.version}",
            thresholds=THRESHOLDS.name,
            limits_of_use=limits,
        )
        self.random, self.chance = random.Random(4), random.Random(5)
        self.count = 0
        self.reporter = Reporter(reference, software_version="0.1.0", zone=dt.UTC)

    def receive(self, film: Path, at: dt.datetime, patient: Patient | None = None, **header: str) -> int:
        """A film as intake records it; its exam's number."""
        self.count += 1
        uid = f"1.2.826.0.1.3680043.10.1.{self.count}"
        data = film.read_bytes()
        temp = self.archive.spool()
        temp.write_bytes(data)
        instance = records.NewInstance(
            sop_instance_uid=uid,
            sop_class_uid="1.2.840.10008.5.1.4.1.1.1.1",
            transfer_syntax_uid="1.2.840.10008.1.2.1",
            study_instance_uid=f"{uid}.1",
            series_instance_uid=f"{uid}.2",
            sha256=hashlib.sha256(data).hexdigest(),
            size=len(data),
            path=self.archive.keep(temp, uid),
            calling_ae=header.get("calling_ae", self.random.choice(("XRAY1", "XRAY1", "XRAY2", "PORTABLE"))),
            received_at=at,
            exam=ExamKey(pathway="chest_film", key=uid, complete=True),
            patient=patient or self.somebody(),
            accession_number=f"A26{self.count:06d}",
            study_date=at.date(),
            modality=header.get("modality", self.random.choice(("DX", "DX", "CR"))),
            scanner=header.get("scanner", self.chance.choice(_SCANNERS)),
        )
        with self.store.begin() as tx:
            records.record_instance(tx, instance)
        with self.store.read() as tx:
            return int(tx.exec_driver_sql("SELECT max(id) FROM exams").scalar_one())

    def somebody(self) -> Patient:
        """An invented patient."""
        name = f"{self.random.choice(_FAMILIES)}^{self.random.choice(_GIVEN)}"
        return Patient(
            patient_id=f"FICTION-{1000 + self.count}",
            issuer="NOWHERE",
            name=name,
            birth_date=None,
            sex=self.random.choice("FFM"),
            age=self.random.randint(51, 86),
        )

    def commit(
        self,
        result: ScreeningResult,
        alarm: AlarmDecision,
        at: dt.datetime,
        *,
        delivered: bool = True,
        film: Path | None = None,
    ) -> None:
        """The result of the film that has waited longest, with a report to "pacs": a real one on ``film``, if given."""
        (job,) = queue.claim(self.store, "worker", 1, 60.0, now=at)
        uid, data = f"2.25.{job.id}", b"DICM report"
        if film is not None:
            made = self.reporter.report(film, result, alarm, at)
            uid, data = made.sop_instance_uid, made.data
        path = self.archive.keep_report(data, uid)
        report = outbox.Outgoing(
            destination="pacs",
            kind="SR",
            sop_class_uid="1.2.840.10008.5.1.4.1.1.88.34",
            sop_instance_uid=uid,
            path=path,
        )
        with self.store.begin() as tx:
            exam = records.exam(tx, job.exam_id)
            records.commit_result(tx, exam=exam, job_id=job.id, result=result, alarm=alarm, reports=[report], now=at)
            queue.complete(tx, job, now=at)
        if delivered:
            (owed,) = outbox.claim_due(self.store, "pacs", "sender", at, 1, 60.0)
            with self.store.begin() as tx:
                outbox.delivered(tx, owed, at + dt.timedelta(seconds=self.random.uniform(0.4, 3)))

    def judged(self, t_score: float, film: SyntheticFilm | None = None) -> ScreeningResult:
        """A result around a T-score, with the truth of a phantom film as its landmarks."""
        estimates = []
        for number, vertebra in enumerate(Vertebra):
            row = self.reference.row(vertebra, "F")
            assert row is not None
            bmd = row.mean + row.sd * (t_score + 0.25 * number * (1 if number < 3 else 0.5))
            estimates.append(BmdEstimate(vertebra=vertebra, bmd=round(bmd, 4), sd=0.062))
        found = findings(estimates, sex="F", reference=self.reference, thresholds=THRESHOLDS)
        return ScreeningResult(
            model=self.model,
            refusal=None,
            findings=found,
            category=lowest_category(each.t_score for each in found),
            crossed=any(each.below for each in found),
            landmarks=_landmarks(film),
            rois=_rois(film),
            confidence=confidence(found, sex="F", reference=self.reference),
            explanation=Explanation() if film is None else self.explanation(estimates),
        )

    def explanation(self, estimates: list[BmdEstimate]) -> Explanation:
        """What the networks might have said region by region, and the gate of a sound film."""
        weights = [self.chance.uniform(0.4, 1.0) * (2.2 if name in ("lumbar", "cervical") else 1) for name in _INPUTS]
        regions = tuple(
            RegionAnswer(
                name=name,
                bmd={each.vertebra: round(each.bmd + self.chance.gauss(0, 0.05), 4) for each in estimates},
                attention=round(0.93 * weight / sum(weights), 4),
            )
            for name, weight in zip(_INPUTS, weights, strict=True)
        )
        return Explanation(regions=regions, checks=_CHECKS)

    def refused(self, code: RefusalCode, text: str) -> ScreeningResult:
        """A refusal; a lateral film's with what the gate measured."""
        lateral = replace(_CHECKS[6], value=0.31)
        checks = (*_CHECKS[:6], lateral, *_CHECKS[7:]) if code is RefusalCode.NOT_FRONTAL else ()
        explanation = Explanation(checks=checks)
        return ScreeningResult(model=self.model, refusal=Refusal(code=code, text=text), explanation=explanation)

    def fail(self, at: dt.datetime, reason: str) -> None:
        """The film that has waited longest could not be judged."""
        (job,) = queue.claim(self.store, "worker", 1, 60.0, now=at)
        with self.store.begin() as tx:
            queue.fail(tx, job, Dead(failures=3, interruptions=0, reason=reason), now=at)


def _landmarks(film: SyntheticFilm | None) -> tuple[Landmark, ...]:
    if film is None:
        return ()
    points = zip(LANDMARK_NAMES, film.landmarks, strict=True)
    return tuple(Landmark(name=name, x=round(float(x), 1), y=round(float(y), 1)) for name, (x, y) in points)


def _rois(film: SyntheticFilm | None) -> tuple[Roi, ...]:
    return () if film is None else place(film.landmarks, None)


def fill(films: SiteFilms, now: dt.datetime, *, days: int = 30, size: int = 1000) -> int:
    """Some weeks of films; the exam of the alert that a person would open first."""
    frontal = write_film(343, films.folder / "frontal.dcm", size=size)
    write_film(2, films.folder / "lateral.dcm", kind=LATERAL, size=max(400, size // 2))
    _weeks(films, now, days)
    known = replace(films.somebody(), patient_id="FICTION-1")
    _earlier(films, now - dt.timedelta(days=days), known, frontal)
    _troubles(films, now)
    exam = _newest(films, now - dt.timedelta(minutes=4), known, frontal)
    films.receive(films.folder / "frontal.dcm", now - dt.timedelta(seconds=3))
    return exam


def fill_patient(films: SiteFilms, now: dt.datetime, *, size: int = 640) -> int:
    """One patient with some years of films; the newest one's exam."""
    frontal, known = write_film(343, films.folder / "frontal.dcm", size=size), films.somebody()
    _earlier(films, now, known, frontal)
    return _newest(films, now - dt.timedelta(minutes=4), known, frontal)


def _earlier(films: SiteFilms, end: dt.datetime, patient: Patient, frontal: SyntheticFilm) -> None:
    for months, t_score in ((44, -0.9), (27, -1.3), (7, -1.8)):
        at = end - dt.timedelta(days=30 * months)
        films.receive(films.folder / "frontal.dcm", at, patient)
        films.commit(films.judged(t_score, frontal), QUIET, at)


def _newest(films: SiteFilms, at: dt.datetime, patient: Patient, frontal: SyntheticFilm) -> int:
    """The film that raises the patient's alarm, with a real report."""
    path = films.folder / "frontal.dcm"
    exam = films.receive(path, at, patient)
    films.commit(films.judged(-2.9, frontal), RAISED, at + dt.timedelta(seconds=2), film=path)
    return exam


def _weeks(films: SiteFilms, now: dt.datetime, days: int) -> None:
    refusals = (
        (RefusalCode.NOT_FRONTAL, "The film is a lateral one; only frontal chest films are judged."),
        (RefusalCode.AGE_OUT_OF_RANGE, "The patient is 31; the model was made for 40 to 90 years."),
        (RefusalCode.NOT_FRONTAL, "The film is a lateral one; only frontal chest films are judged."),
        (RefusalCode.EXPOSURE, "Too much of the film is saturated."),
    )
    for back in range(days, 0, -1):
        for number in range(films.random.randint(2, 6)):
            at = now - dt.timedelta(days=back, minutes=30 * number)
            refusal = films.random.random() < 0.3
            films.receive(films.folder / ("lateral.dcm" if refusal else "frontal.dcm"), at)
            later = at + dt.timedelta(seconds=films.random.uniform(1, 6))
            if refusal:
                films.commit(films.refused(*films.random.choice(refusals)), REFUSED, later)
            else:
                score = films.random.gauss(-1.3, 1.0)
                result = films.judged(score)
                films.commit(result, RAISED if result.crossed else QUIET, later)


def _troubles(films: SiteFilms, now: dt.datetime) -> None:
    """One film that failed, one report that is parked, one refused film."""
    at = now - dt.timedelta(hours=2)
    films.receive(films.folder / "frontal.dcm", at)
    films.fail(at, "The GPU ran out of memory three times.")
    films.receive(films.folder / "frontal.dcm", at)
    films.commit(films.judged(-0.4), QUIET, at, delivered=False)
    (owed,) = outbox.claim_due(films.store, "pacs", "sender", at, 1, 60.0)
    with films.store.begin() as tx:
        outbox.park(tx, owed, "pacs said no: SOP class not supported (0x0122).")
    films.receive(films.folder / "lateral.dcm", at)
    refusal = films.refused(RefusalCode.NOT_FRONTAL, "The film is a lateral one; only frontal chest films are judged.")
    films.commit(refusal, REFUSED, at + dt.timedelta(seconds=1))
