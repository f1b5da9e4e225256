"""A pathway and a reporter that do as a test says, quickly: the same film and words give the same answer."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from builders import IDENTITY

from screening_node.domain.alarm import AlarmDecision, ThresholdSet
from screening_node.domain.exam import ExamFiles
from screening_node.domain.result import (
    BmdEstimate,
    Estimate,
    Landmark,
    ModelIdentity,
    Refusal,
    RefusalCode,
    ScreeningResult,
    Vertebra,
)
from screening_node.domain.tscore import ReferenceRow, ReferenceTable
from screening_node.reporting.kinds import Kind, SopReference, Wanted
from screening_node.reporting.picture import Picture
from screening_node.reporting.reporter import Report

REFERENCE = ReferenceTable(
    name="table",
    version="1",
    title="A table",
    maker="any",
    population="any",
    source="test",
    rows=(
        ReferenceRow(sex="F", vertebra="any", mean=1.0, sd=0.1),
        ReferenceRow(sex="M", vertebra="any", mean=1.1, sd=0.1),
    ),
)
THRESHOLDS = ThresholdSet(name="set", source="test", by_vertebra=dict.fromkeys(Vertebra, -2.0))
HEALTHY, THIN = 1.05, 0.7


class ScriptedPathway:
    """Answers with what the film's bytes say: a BMD, a refusal, or a failure."""

    name = "chest_film"

    def __init__(self, identity: ModelIdentity = IDENTITY) -> None:
        self.identity = identity
        self.batches: list[int] = []

    def prepare(self, exam: ExamFiles) -> str | Refusal:
        says = exam.files[-1].read_bytes()[-16:].strip().decode("ascii", "replace")
        if says == "refuse":
            return Refusal(code=RefusalCode.NOT_FRONTAL, text="A lateral film.")
        if says == "own":
            return Refusal(code=RefusalCode.OWN_OBJECT, text="Our own report.")
        return says

    def picture(self, work: str) -> Picture:
        return np.full((2, 2), len(work), dtype=np.uint8)

    def judge(self, batch: Sequence[str]) -> list[Estimate | Refusal]:
        self.batches.append(len(batch))
        if "poison" in batch:
            name = "Nobody^Real"
            raise ValueError(name)
        if "short" in batch:
            return []
        return [self._answer(says) for says in batch]

    def _answer(self, says: str) -> Estimate | Refusal:
        if says == "hardware":
            point = Landmark(name="c7", x=1.0, y=2.0)
            return Refusal(code=RefusalCode.HARDWARE, text="Metal.", landmarks=(point,))
        if says == "nothing":
            return Estimate(bmd=())
        vertebrae = (Vertebra.L2, Vertebra.L1)
        return Estimate(bmd=tuple(BmdEstimate(vertebra=one, bmd=float(says), sd=0.05) for one in vertebrae))


class WritingReporter:
    """A report is a text of all that it was told; its UID is derived from it, less the time.

    As the real one, it makes key objects of alarms only.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[AlarmDecision, dt.datetime, int, SopReference | None]] = []
        self.asked: list[Wanted] = []
        self.picture: Picture | None = None
        self.hook: Callable[[], None] = lambda: None

    def reports(
        self,
        source_path: Path,
        result: ScreeningResult,
        alarm: AlarmDecision,
        at: dt.datetime,
        revision: int,
        wanted: Iterable[Wanted],
        picture: Callable[[], Picture | None] = lambda: None,
    ) -> Mapping[Wanted, Report]:
        asked = list(wanted)
        self.calls.append((alarm, at, revision, asked[0].previous))
        self.asked = asked
        self.picture = picture()
        said = [source_path.name, result.sha256, alarm.status, alarm.reason, revision]
        self.hook()
        return {each: self._report(each, said, at) for each in asked if each.kind is not Kind.KO or result.crossed}

    @staticmethod
    def _report(wanted: Wanted, about: list[object], at: dt.datetime) -> Report:
        said = json.dumps([*about, wanted.kind, wanted.sop_class_uid, str(wanted.previous)])
        uid = f"2.25.{int(hashlib.sha256(said.encode()).hexdigest()[:30], 16)}"
        return Report(
            kind=wanted.kind, sop_class_uid=wanted.sop_class_uid, sop_instance_uid=uid, data=f"{said}{at}".encode()
        )
