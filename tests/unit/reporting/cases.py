"""Films and results to report on: the smallest that say what a test is about."""

from __future__ import annotations

import datetime as dt
import io
import math
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydicom import config
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, ExplicitVRLittleEndian

from screening_node.domain.alarm import RETRACTED_BY_A_PERSON, AlarmDecision, AlarmStatus, AlarmStep, after
from screening_node.domain.result import (
    LANDMARK_NAMES,
    ROI_NAMES,
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

AT = dt.datetime(2026, 3, 4, 5, 6, 7, tzinfo=dt.UTC)
ROWS, COLUMNS = 2000, 1600

TABLE = ReferenceTable(
    name="wang2022-implied",
    version="1",
    title="Implied by the bands of Wang et al. 2022 (derived)",
    maker="GE Lunar",
    population="Taiwan, sexes pooled",
    source="derived from Wang et al. 2022, section IV.C",
    rows=tuple(
        ReferenceRow(sex="any", vertebra=vertebra, mean=mean, sd=0.107)
        for vertebra, mean in (("L1", 1.0), ("L2", 1.037), ("L3", 1.087), ("L4", 1.067))
    ),
)
THRESHOLDS = {Vertebra.L1: -2.2, Vertebra.L2: -2.1, Vertebra.L3: -2.0, Vertebra.L4: -1.9}
MODEL = ModelIdentity(
    pathway="chest_film",
    bundle="chest_film/0.1.0",
    weights_sha256="0123456789abcdef" * 4,
    configuration_sha256="fedcba9876543210" * 4,
    members=4,
    reference="wang2022-implied",
    thresholds="flex",
    limits_of_use="Trained on synthetic films only. Not for clinical use.",
)
RAISED = AlarmDecision(step=AlarmStep.OPEN, status=AlarmStatus.RAISED, reason="Below threshold.")
NOT_RAISED = AlarmDecision(
    step=AlarmStep.NONE, status=AlarmStatus.NOT_RAISED, reason="No vertebra is below its threshold."
)
NOT_EVALUATED = AlarmDecision(step=AlarmStep.NONE, status=AlarmStatus.NOT_EVALUATED, reason="The film was not judged.")
GIVEN = "A metal marker lay on the clavicle."
RETRACTED = AlarmDecision(
    step=AlarmStep.RETRACT, status=AlarmStatus.RETRACTED, reason=f"{RETRACTED_BY_A_PERSON} {GIVEN}", alarm=1
)
CORRECTED = after(AlarmStatus.RAISED, RAISED, corrected=True)


def result(t_scores: tuple[float, ...] = (-2.5, -2.61, -1.2, -0.4), *, geometry: bool = True) -> ScreeningResult:
    """A judged film with these T-scores for L1..L4."""
    findings = []
    for vertebra, t_score in zip(Vertebra, t_scores, strict=False):
        row = TABLE.row(vertebra, "F")
        assert row is not None
        threshold = THRESHOLDS[vertebra]
        findings.append(
            VertebraFinding(
                vertebra=vertebra,
                bmd=row.mean + t_score * row.sd,
                sd=0.061,
                t_score=t_score,
                threshold=threshold,
                below=t_score < threshold,
            )
        )
    return ScreeningResult(
        model=MODEL,
        refusal=None,
        findings=tuple(findings),
        category=Category.OSTEOPOROSIS,
        crossed=any(finding.below for finding in findings),
        landmarks=landmarks() if geometry else (),
        rois=rois() if geometry else (),
    )


def normal() -> ScreeningResult:
    """A judged film on which nothing lies below its threshold."""
    return replace(result((-0.3, -0.2, -0.1, 0.4)), category=Category.NORMAL)


def calibrated() -> ScreeningResult:
    """A judged film by weights whose intervals were set right on a validation cohort."""
    judged = result()
    return replace(judged, findings=tuple(replace(finding, calibrated=True) for finding in judged.findings))


def refused(code: RefusalCode) -> ScreeningResult:
    """A film refused for this reason."""
    return ScreeningResult(model=MODEL, refusal=Refusal(code=code, text=f"The film was refused ({code.name})."))


def landmarks() -> tuple[Landmark, ...]:
    return tuple(Landmark(name=name, x=100.25 + 80 * i, y=200.5 + 90 * i) for i, name in enumerate(LANDMARK_NAMES))


def rois() -> tuple[Roi, ...]:
    return tuple(
        Roi(name=name, corners=rectangle(200 + 80 * i, 300 + 90 * i, 120, 60, 0.2 * i))
        for i, name in enumerate(ROI_NAMES)
    )


def rectangle(x: float, y: float, width: float, height: float, angle: float) -> tuple[tuple[float, float], ...]:
    c, s = math.cos(angle), math.sin(angle)
    return tuple(
        (x + c * u * width / 2 - s * v * height / 2, y + s * u * width / 2 + c * v * height / 2)
        for u, v in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    )


def header(**changes: Any) -> Dataset:
    """A DX film's header without pixels; None leaves an attribute out, and so do bytes."""
    film = Dataset()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.1.1")
    film.file_meta.MediaStorageSOPInstanceUID = UID("1.2.826.0.1.3680043.10.999.3")
    values: dict[str, Any] = {
        "SpecificCharacterSet": "ISO_IR 100",
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.1",
        "SOPInstanceUID": "1.2.826.0.1.3680043.10.999.3",
        "StudyInstanceUID": "1.2.826.0.1.3680043.10.999.1",
        "SeriesInstanceUID": "1.2.826.0.1.3680043.10.999.2",
        "PatientName": "Doe^Jane",
        "PatientID": "P-1",
        "IssuerOfPatientID": "HOSPITAL",
        "PatientBirthDate": "19500102",
        "PatientSex": "F",
        "PatientAge": "076Y",
        "StudyDate": "20260304",
        "StudyTime": "101112",
        "StudyID": "S1",
        "AccessionNumber": "A1",
        "StudyDescription": "Chest PA",
        "ReferringPhysicianName": "Ref^Physician",
        "Modality": "DX",
        "Rows": ROWS,
        "Columns": COLUMNS,
        "ImagerPixelSpacing": [0.2, 0.2],
        "PatientOrientation": ["L", "F"],
        "PhotometricInterpretation": "MONOCHROME2",
    }
    for keyword, value in {**values, **changes}.items():
        if value is not None and not isinstance(value, bytes):
            setattr(film, keyword, value)
    return film


def film_file(path: Path, **changes: Any) -> Path:
    """The header of ``header`` as a Part 10 file, with ``bytes`` values to the byte (pydicom would encode anew)."""
    raw = {Tag(keyword): padded(value) for keyword, value in changes.items() if isinstance(value, bytes)}
    film = header(**changes)
    for tag, value in raw.items():
        film.add(DataElement(stand_in(tag), "SH", "x" * len(value), validation_mode=config.IGNORE))
    file = io.BytesIO()
    film.save_as(file, enforce_file_format=True)
    data = file.getvalue()
    for tag, value in raw.items():
        length = struct.pack("<H", len(value))
        placeholder = tag_bytes(stand_in(tag)) + b"SH" + length + b"x" * len(value)
        assert data.count(placeholder) == 1
        data = data.replace(placeholder, tag_bytes(tag) + dictionary_VR(tag).encode() + length + value)
    path.write_bytes(data)
    return path


def stand_in(tag: BaseTag) -> BaseTag:
    """The tag itself; for Specific Character Set, which pydicom obeys on writing, the unused one before it."""
    return Tag(0x0008, 0x0004) if tag == Tag("SpecificCharacterSet") else tag


def tag_bytes(tag: BaseTag) -> bytes:
    return struct.pack("<HH", tag.group, tag.element)


def padded(value: bytes) -> bytes:
    """Of even length, as values are on file."""
    return value + b" " * (len(value) % 2)


def raw_header(**changes: Any) -> Dataset:
    """As ``header``, but ``bytes`` values stand in it as they would after reading, valid or not."""
    film = header(**changes)
    for keyword, value in changes.items():
        if not isinstance(value, bytes):
            continue
        tag = Tag(keyword)
        film[tag] = RawDataElement(tag, dictionary_VR(tag), len(value), value, 0, False, True)
    return film
