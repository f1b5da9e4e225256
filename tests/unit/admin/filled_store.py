"""A store as the node fills it: two patients, one alarm, one refusal, one parked delivery, one failed job."""

from __future__ import annotations

import datetime as dt

from screening_node.domain.alarm import AlarmDecision, AlarmStatus, AlarmStep
from screening_node.domain.exam import ExamKey, Patient
from screening_node.domain.result import (
    Category,
    ModelIdentity,
    Refusal,
    RefusalCode,
    ScreeningResult,
    Vertebra,
    VertebraFinding,
)
from screening_node.queue import queue
from screening_node.queue.retry import Dead
from screening_node.store import outbox, records
from screening_node.store.session import Store

NOW = dt.datetime(2026, 3, 1, 12, 0, tzinfo=dt.UTC)
MODEL = ModelIdentity(
    pathway="chest_film",
    bundle="0.1.0",
    weights_sha256="0" * 64,
    configuration_sha256="1" * 64,
    members=1,
    reference="table 1",
    thresholds="flex",
    limits_of_use="Phantom-trained: not for clinical use.",
)


def receive(store: Store, uid: str, patient_id: str, *, issuer: str | None = None, name: str = "Doe^Jane") -> int:
    """One film as intake records it; its exam's number."""
    instance = records.NewInstance(
        sop_instance_uid=uid,
        sop_class_uid="1.2.840.10008.5.1.4.1.1.1.1",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        study_instance_uid=f"{uid}.1",
        series_instance_uid=f"{uid}.2",
        sha256="a" * 64,
        size=10,
        path=f"objects/{uid}",
        calling_ae="XRAY",
        received_at=NOW,
        exam=ExamKey(pathway="chest_film", key=uid, complete=True),
        patient=Patient(patient_id=patient_id, issuer=issuer, name=name, birth_date=None, sex="F", age=60),
        accession_number="A1",
        study_date=dt.date(2026, 2, 28),
        modality="DX",
    )
    with store.begin() as tx:
        assert records.record_instance(tx, instance) is records.Recorded.STORED
    with store.read() as tx:
        return int(tx.exec_driver_sql("SELECT max(id) FROM exams").scalar_one())


def judge(store: Store, exam_id: int, result: ScreeningResult, alarm: AlarmDecision) -> None:
    """Commit a result with one report owed to "pacs", as screening does."""
    (job,) = queue.claim(store, "worker", 1, 60.0, now=NOW)
    assert job.exam_id == exam_id
    report = outbox.Outgoing(
        destination="pacs",
        kind="SR",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.88.34",
        sop_instance_uid=f"2.25.{exam_id}",
        path=f"reports/{exam_id}",
    )
    with store.begin() as tx:
        exam = records.exam(tx, exam_id)
        records.commit_result(tx, exam=exam, job_id=job.id, result=result, alarm=alarm, reports=[report], now=NOW)
        queue.complete(tx, job, now=NOW)


CROSSING = ScreeningResult(
    model=MODEL,
    refusal=None,
    findings=(
        VertebraFinding(vertebra=Vertebra.L1, bmd=0.7, sd=0.05, t_score=-2.8, threshold=-2.2, below=True),
        VertebraFinding(vertebra=Vertebra.L2, bmd=0.9, sd=0.05, t_score=-1.3, threshold=-2.1, below=False),
    ),
    category=Category.OSTEOPOROSIS,
    crossed=True,
)
REFUSED = ScreeningResult(model=MODEL, refusal=Refusal(code=RefusalCode.NOT_FRONTAL, text="The film is a lateral one."))
RAISED = AlarmDecision(step=AlarmStep.OPEN, status=AlarmStatus.RAISED, reason="Below threshold.")
NOT_EVALUATED = AlarmDecision(step=AlarmStep.NONE, status=AlarmStatus.NOT_EVALUATED, reason="The film was not judged.")


def fill(store: Store) -> None:
    """Bring the store to the state that the first line of this file tells."""
    judge(store, receive(store, "1.1", "P1", name="=HYPERLINK(1)"), CROSSING, RAISED)
    judge(store, receive(store, "1.2", "P2", name="Doe\x1b[31m^Jane"), REFUSED, NOT_EVALUATED)
    receive(store, "1.3", "P3")
    (job,) = queue.claim(store, "worker", 1, 60.0, now=NOW)
    with store.begin() as tx:
        queue.fail(tx, job, Dead(failures=3, interruptions=0, reason="It broke three times."), now=NOW)
    (delivery, _) = outbox.claim_due(store, "pacs", "sender", NOW, 2, 60.0)
    with store.begin() as tx:
        outbox.park(tx, delivery, "SOP class refused")
