"""Reports made again: what keeps its UID and what gets another, and what a revision names."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.uid import UID
from unit.reporting import cases, trees
from unit.reporting.reports import PATIENT_GROUP, reporter

from screening_node.domain.result import RefusalCode, Vertebra
from screening_node.errors import Misconfigured
from screening_node.reporting import codes, document
from screening_node.reporting.reporter import Report, SopReference


def test_a_rerun_is_byte_identical(film: Path) -> None:
    first, second = (reporter().report(film, cases.result(), cases.RAISED, cases.AT) for _ in range(2))
    assert first == second


def test_the_uid_does_not_hang_on_the_clock(film: Path) -> None:
    later = cases.AT + dt.timedelta(days=1)
    one = reporter().report(film, cases.result(), cases.RAISED, cases.AT)
    other = reporter().report(film, cases.result(), cases.RAISED, later)
    assert one.sop_instance_uid == other.sop_instance_uid
    assert one.data != other.data


def test_whatever_else_is_said_has_another_uid(film: Path, tmp_path: Path) -> None:
    result, alarm, at = cases.result(), cases.RAISED, cases.AT
    other_film = cases.film_file(tmp_path / "other.dcm", SOPInstanceUID="1.2.826.0.1.3680043.10.999.4")
    before = SopReference(sop_class_uid=document.COMPREHENSIVE_3D_SR, sop_instance_uid="1.2.3")
    reports: list[Report] = [
        reporter().report(film, result, alarm, at),
        reporter().report(other_film, result, alarm, at),
        reporter().report(film, cases.normal(), cases.NOT_RAISED, at),
        reporter().report(film, result, replace(alarm, reason="The patient's alarm within the window stands."), at),
        reporter().report(film, result, alarm, at, 2),
        reporter().report(film, result, alarm, at, 2, before),
        reporter().report(film, replace(result, model=replace(cases.MODEL, weights_sha256="a" * 64)), alarm, at),
        reporter().report(film, replace(result, model=replace(cases.MODEL, configuration_sha256="a" * 64)), alarm, at),
        reporter(software_version="0.2.0").report(film, result, alarm, at),
        reporter(replace(cases.TABLE, version="2")).report(film, result, alarm, at),
        *(reporter(sop_class_uid=uid).report(film, result, alarm, at) for uid in document.SR_CLASSES[1:]),
        *(reporter().report(film, cases.refused(code), cases.NOT_EVALUATED, at) for code in RefusalCode),
    ]
    assert len({report.sop_instance_uid for report in reports}) == len(reports)
    for report in reports:
        read = trees.parsed(report)
        assert read.SOPInstanceUID == read.file_meta.MediaStorageSOPInstanceUID == report.sop_instance_uid
        assert read.SOPClassUID == read.file_meta.MediaStorageSOPClassUID == report.sop_class_uid
        assert UID(report.sop_instance_uid).is_valid
    series = {trees.parsed(report).SeriesInstanceUID for report in reports}
    assert len(series) == 1


def test_tracking_uids_are_distinct_and_stay(film: Path) -> None:
    first = trees.groups(trees.parsed(reporter().report(film, cases.result(), cases.RAISED, cases.AT)))
    second = trees.groups(trees.parsed(reporter().report(film, cases.normal(), cases.NOT_RAISED, cases.AT, 2)))
    tracked = {title: trees.value(trees.child(group, codes.TRACKING_UID)) for title, group in first.items()}
    assert len(set(tracked.values())) == len(first) == 1 + len(Vertebra) + 14 + 16
    assert tracked == {title: trees.value(trees.child(group, codes.TRACKING_UID)) for title, group in second.items()}


def test_a_revision_names_its_predecessor(film: Path) -> None:
    first = reporter().report(film, cases.normal(), cases.NOT_RAISED, cases.AT)
    before = SopReference(sop_class_uid=first.sop_class_uid, sop_instance_uid=first.sop_instance_uid)
    read = trees.parsed(reporter().report(film, cases.result(), cases.RAISED, cases.AT, 2, before))
    study = read.PredecessorDocumentsSequence[0]
    series = study.ReferencedSeriesSequence[0]
    assert study.StudyInstanceUID == read.StudyInstanceUID
    assert series.SeriesInstanceUID == trees.parsed(first).SeriesInstanceUID
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == first.sop_instance_uid
    assert read.InstanceNumber == 2
    assert "Revision 2" in trees.value(trees.child(trees.groups(read)[PATIENT_GROUP], codes.COMMENT))


def test_a_class_that_is_no_sr_is_refused() -> None:
    with pytest.raises(Misconfigured, match=r"1\.2\.840\.10008\.5\.1\.4\.1\.1\.88\.34"):
        reporter(sop_class_uid="1.2.840.10008.5.1.4.1.1.88.11")
