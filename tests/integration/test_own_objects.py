"""What the node left in PACS comes back to it (a PACS forwards whole studies): stored, refused, never reported."""

from pathlib import Path

import sqlalchemy as sa
from integration.nodes import RunningIntake
from integration.test_reports_in_pacs import saved, store
from scripted import REFERENCE, THRESHOLDS, ScriptedPathway, WritingReporter
from unit.reporting import cases
from unit.reporting.companions import REPORTER

from screening_node.domain.exam import ExamFiles
from screening_node.domain.result import Refusal, RefusalCode
from screening_node.imaging.pixels import read
from screening_node.pathways.chest_film.admission import AdmissionRules, admit
from screening_node.queue import queue
from screening_node.queue.lease import utc_now
from screening_node.reporting.kinds import SR_CLASSES, Kind, ObjectSet
from screening_node.screening import Screening
from screening_node.store import tables as t
from screening_node.store.archive import Archive
from screening_node.store.session import Store


class AdmittingPathway(ScriptedPathway):
    """The chest film's real admission, and nothing after it."""

    def prepare(self, exam: ExamFiles) -> str | Refusal:
        return admit(read(exam.files[0]), AdmissionRules(reference=REFERENCE)) or "0.7"


def test_every_kind_of_own_object_is_refused_and_reported_to_nobody(
    intake: RunningIntake, archive: Archive, tmp_path: Path
) -> None:
    film = cases.film_file(tmp_path / "film.dcm")
    sets = [ObjectSet(kinds=tuple(Kind)), *(ObjectSet(sr_class=sr_class) for sr_class in SR_CLASSES[1:])]
    wanted = [each for objects in sets for each in objects.wanted(None)]
    made = REPORTER.reports(film, cases.result(), cases.RAISED, cases.AT, 1, wanted)
    assert len(made) == len(wanted) == 7
    files = [saved(report, tmp_path / f"{number}.dcm") for number, report in enumerate(made.values())]
    store(files, intake.ae_title, intake.port)
    outcomes = judged(intake.store, archive)
    assert outcomes == [RefusalCode.OWN_OBJECT] * len(wanted)
    with intake.store.read() as tx:
        assert tx.execute(sa.select(sa.func.count()).select_from(t.outbox)).scalar_one() == 0


def judged(at: Store, archive: Archive) -> list[str]:
    """Judge all that came in; the refusal of each."""
    screening = Screening(
        pathways={"chest_film": AdmittingPathway()},
        reference=REFERENCE,
        thresholds=THRESHOLDS,
        store=at,
        archive=archive,
        reporter=WritingReporter(),
        destinations={"pacs": ObjectSet(kinds=tuple(Kind))},
        report_refusals=True,
        window_months=12,
    )
    jobs = queue.claim(at, "me", 20, 60.0, now=utc_now())
    assert screening.judge([(job, screening.prepare(job)) for job in jobs]) == [None] * len(jobs)
    with at.read() as tx:
        return list(tx.execute(sa.select(t.results.c.refusal_code).order_by(t.results.c.id)).scalars())
