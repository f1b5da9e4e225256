"""Files judged without a store, as the node would judge them."""

from __future__ import annotations

import logging
from pathlib import Path

import pydicom
import pytest
from builders import NOW
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from screening_bench import Bench
from scripted import REFERENCE, THIN, THRESHOLDS, ScriptedPathway

from screening_node.domain.alarm import AlarmStatus
from screening_node.domain.result import Category
from screening_node.errors import Permanent, UnreadableObject
from screening_node.pathways.files import judge_files
from screening_node.store import records


def dicom(folder: Path, name: str, says: str, **header: object) -> Path:
    """A Part 10 file whose last bytes are what the scripted pathway reads."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = "1.2.3"
    dataset.PatientSex = "F"
    dataset.StudyDate = "20260301"
    for keyword, value in header.items():
        setattr(dataset, keyword, value)
    dataset.add_new(0xFFFCFFFC, "OB", says.ljust(16).encode())
    pydicom.dcmwrite(folder / name, dataset, enforce_file_format=True)
    return folder / name


def test_files_are_judged_as_the_node_would(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "damaged.dcm").write_bytes(b"no DICOM")
    (tmp_path / "empty.dcm").write_bytes(b"")
    files = [
        dicom(tmp_path, "thin.dcm", str(THIN)),
        dicom(tmp_path, "man.dcm", "1.0", PatientSex="M"),
        tmp_path / "damaged.dcm",
        tmp_path / "empty.dcm",
        tmp_path / "missing.dcm",
        tmp_path,
        dicom(tmp_path, "poison.dcm", "poison"),
        dicom(tmp_path, "lateral.dcm", "refuse"),
    ]
    with caplog.at_level(logging.ERROR):
        thin, man, *broken, poison, lateral = judge_files(
            files, pathway=ScriptedPathway(), reference=REFERENCE, thresholds=THRESHOLDS, at=NOW
        )
    assert thin.result is not None
    assert thin.alarm is not None
    assert (thin.result.category, thin.alarm.status) == (Category.OSTEOPOROSIS, AlarmStatus.RAISED)
    assert man.result is not None
    assert man.result.findings[0].t_score == pytest.approx(-1.0)
    assert {type(one.error) for one in broken} == {UnreadableObject}
    assert [one.result for one in broken] == [None] * 4
    assert isinstance(poison.error, Permanent)
    assert "ValueError" in str(poison.error)
    assert "Nobody" not in str(poison.error) + caplog.text
    assert lateral.result is not None
    assert lateral.result.refusal is not None
    assert lateral.error is None
    assert lateral.alarm is not None
    assert lateral.alarm.status is AlarmStatus.NOT_EVALUATED


def test_node_and_command_line_say_the_same(bench: Bench, tmp_path: Path) -> None:
    exam = bench.film(THIN)
    bench.run()
    (judged,) = judge_files(
        [dicom(tmp_path, "thin.dcm", str(THIN))],
        pathway=bench.pathway,
        reference=REFERENCE,
        thresholds=THRESHOLDS,
        at=NOW,
    )
    with bench.store.read() as tx:
        current = records.current_result(tx, exam)
    assert current is not None
    assert judged.result is not None
    assert current.result.sha256 == judged.result.sha256
