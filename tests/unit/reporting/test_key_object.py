"""The key object: the film of an alarm, and of nothing else."""

import io
from pathlib import Path

from pydicom import dcmread
from unit.reporting import cases
from unit.reporting.companions import companion

from screening_node.domain.result import RefusalCode
from screening_node.reporting import codes
from screening_node.reporting.kinds import Kind


def test_an_alarm_marks_the_film(tmp_path: Path) -> None:
    report = companion(Kind.KO, tmp_path, cases.result())
    assert report is not None
    read = dcmread(io.BytesIO(report.data))
    (title,) = read.ConceptNameCodeSequence
    assert (title.CodeValue, title.CodingSchemeDesignator) == (codes.OF_INTEREST.value, "DCM")
    *_, said, image = read.ContentSequence
    assert image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == cases.header().SOPInstanceUID
    assert "ConceptNameCodeSequence" not in image
    assert "lowest T-score -2.61 (L2); DXA suggested. Research use." in said.TextValue
    (evidence,) = read.CurrentRequestedProcedureEvidenceSequence
    (series,) = evidence.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == cases.header().SeriesInstanceUID


def test_no_alarm_marks_nothing(tmp_path: Path) -> None:
    assert companion(Kind.KO, tmp_path, cases.normal()) is None
    assert companion(Kind.KO, tmp_path, cases.result(), alarm=cases.NOT_RAISED) is None
    assert companion(Kind.KO, tmp_path, cases.refused(RefusalCode.EXPOSURE)) is None
    assert companion(Kind.KO, tmp_path, cases.result(), SeriesInstanceUID=None) is None
