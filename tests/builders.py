"""Rows and results to test with, each valid unless a test changes it."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any

from screening_node.domain.alarm import AlarmDecision, AlarmStatus, AlarmStep
from screening_node.domain.exam import ExamKey, Patient
from screening_node.domain.result import (
    Category,
    Landmark,
    ModelIdentity,
    Refusal,
    RefusalCode,
    Roi,
    ScreeningResult,
    Vertebra,
    VertebraFinding,
)
from screening_node.domain.tscore import ReferenceRow, ReferenceTable
from screening_node.store.outbox import Outgoing
from screening_node.store.records import NewInstance

NOW = dt.datetime(2026, 3, 1, 12, 0, tzinfo=dt.UTC)

IDENTITY = ModelIdentity(
    pathway="chest_film",
    bundle="test-1",
    weights_sha256="ab" * 32,
    configuration_sha256="cd" * 32,
    members=2,
    reference="table 1",
    thresholds="set 1",
    limits_of_use="Not for clinical use.",
)


def a_reference(*rows: tuple[str, str, float, float], **changes: Any) -> ReferenceTable:
    """A table of (sex, vertebra, mean, SD); without rows one for everybody: T = (BMD - 1) / 0.1."""
    told = {"name": "test", "version": "1", "title": "Test", "maker": "m", "population": "p", "source": "s"}
    given = rows or (("any", "any", 1.0, 0.1),)
    return ReferenceTable(
        rows=tuple(ReferenceRow(sex=sex, vertebra=vertebra, mean=mean, sd=sd) for sex, vertebra, mean, sd in given),
        **{**told, **changes},
    )


def a_patient(**changes: Any) -> Patient:
    fields: dict[str, Any] = {
        "patient_id": "P1",
        "issuer": None,
        "name": "Nobody^Real",
        "birth_date": dt.date(1950, 5, 5),
        "sex": "F",
        "age": 75,
    }
    return Patient(**{**fields, **changes})


def an_instance(uid: str = "1.2.3", content: bytes = b"film", **changes: Any) -> NewInstance:
    fields: dict[str, Any] = {
        "sop_instance_uid": uid,
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.1.1",
        "transfer_syntax_uid": "1.2.840.10008.1.2.1",
        "study_instance_uid": f"{uid}.1",
        "series_instance_uid": f"{uid}.2",
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "path": f"objects/{uid}.dcm",
        "calling_ae": "MODALITY",
        "received_at": NOW,
        "exam": ExamKey(pathway="chest_film", key=uid, complete=True),
        "patient": a_patient(),
        "accession_number": "A1",
        "study_date": dt.date(2026, 3, 1),
        "modality": "DX",
    }
    return NewInstance(**{**fields, **changes})


def a_result(t_score: float = -3.0, threshold: float = -2.0) -> ScreeningResult:
    findings = tuple(
        VertebraFinding(
            vertebra=vertebra,
            bmd=0.7,
            sd=0.05,
            t_score=t_score + 0.1 * number,
            threshold=threshold,
            below=t_score + 0.1 * number < threshold,
        )
        for number, vertebra in enumerate(Vertebra)
    )
    return ScreeningResult(
        model=IDENTITY,
        refusal=None,
        findings=findings,
        category=Category.OSTEOPOROSIS if t_score <= -2.5 else Category.OSTEOPENIA,
        crossed=any(finding.below for finding in findings),
        landmarks=(Landmark(name="c7", x=1.5, y=2.25),),
        rois=(Roi(name="cervical", corners=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))),),
    )


def a_refusal(code: RefusalCode = RefusalCode.NOT_FRONTAL) -> ScreeningResult:
    return ScreeningResult(model=IDENTITY, refusal=Refusal(code=code, text="A lateral film."))


OPEN = AlarmDecision(step=AlarmStep.OPEN, status=AlarmStatus.RAISED, reason="Below threshold.")
NONE = AlarmDecision(step=AlarmStep.NONE, status=AlarmStatus.NOT_RAISED, reason="No vertebra is below.")


def an_outgoing(destination: str = "pacs", uid: str = "2.25.1", path: str | None = None) -> Outgoing:
    return Outgoing(
        destination=destination,
        kind="SR",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.88.33",
        sop_instance_uid=uid,
        path=path or f"reports/{uid}.dcm",
    )
