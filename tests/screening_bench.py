"""A screening on a bench: a pathway and a reporter that do as the test says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import sqlalchemy as sa
from builders import a_patient, an_instance
from scripted import REFERENCE, THRESHOLDS, ScriptedPathway, WritingReporter

from screening_node.domain.exam import ExamKey
from screening_node.queue import queue
from screening_node.queue.job import Job
from screening_node.queue.lease import utc_now
from screening_node.reporting.kinds import ObjectSet
from screening_node.screening import Screening
from screening_node.store import records
from screening_node.store import tables as t
from screening_node.store.archive import Archive
from screening_node.store.session import Store

both = pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)


class Bench:
    """A screening with its store and archive, and films to put in."""

    def __init__(self, store: Store, archive: Archive) -> None:
        self.store = store
        self.archive = archive
        self.pathway = ScriptedPathway()
        self.reporter = WritingReporter()
        self.films = 0

    def screening(self, **changes: Any) -> Screening:
        arguments: dict[str, Any] = {
            "pathways": {"chest_film": self.pathway},
            "reference": REFERENCE,
            "thresholds": THRESHOLDS,
            "store": self.store,
            "archive": self.archive,
            "reporter": self.reporter,
            "destinations": {"pacs": ObjectSet(), "other": ObjectSet()},
            "report_refusals": True,
            "window_months": 12,
        }
        return Screening(**{**arguments, **changes})

    def film(self, says: object, **changes: Any) -> int:
        """A film comes in; the number of its exam."""
        self.films += 1
        uid = f"1.2.{self.films}"
        temp = self.archive.spool()
        temp.write_bytes(str(says).encode())
        patient = changes.pop("patient", a_patient(patient_id=f"P{self.films}"))
        path = self.archive.keep(temp, uid)
        with self.store.begin() as tx:
            records.record_instance(tx, an_instance(uid, path=path, patient=patient, **changes))
            key = changes.get("exam", ExamKey(pathway="chest_film", key=uid, complete=True)).key
            return int(tx.execute(sa.select(t.exams.c.id).where(t.exams.c.key == key)).scalar_one())

    def claim(self) -> list[Job]:
        return queue.claim(self.store, "me", 10, 60.0, now=utc_now())

    def run(self, screening: Screening | None = None) -> list[Exception | None]:
        """Claim all that is due, and judge it as one batch."""
        screening = screening or self.screening()
        return screening.judge([(job, screening.prepare(job)) for job in self.claim()])

    def rows(self, table: sa.Table, **where: object) -> Sequence[Any]:
        statement = sa.select(table).order_by(*table.primary_key.columns)
        for name, value in where.items():
            statement = statement.where(table.c[name] == value)
        with self.store.read() as tx:
            return tx.execute(statement).all()

    def result(self, exam_id: int) -> Any:
        (row,) = self.rows(t.results, exam_id=exam_id, current=True)
        return row


def rescreen(bench: Bench, exam: int, screening: Screening | None = None) -> None:
    with bench.store.begin() as tx:
        queue.retry_exam(tx, exam, now=utc_now())
    assert bench.run(screening) == [None]
