"""Reports sent as the node sends them, stored by real archives, and read back equal."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from integration import peers
from integration.report_cases import CASES, report_of
from pydicom import dcmread
from unit.reporting import cases, trees

from screening_node.delivery.destination import Destination, Timeouts
from screening_node.delivery.sender import Connection, StoredObject, inspect
from screening_node.domain.alarm import HEADER_CORRECTED
from screening_node.domain.result import RefusalCode
from screening_node.reporting import codes, document
from screening_node.reporting.reporter import Report


@pytest.fixture
def sent(tmp_path: Path) -> Callable[[str, int], list[Report]]:
    """Sends one report of each case to a destination, each on a film of its own."""

    def send(ae_title: str, port: int) -> list[Report]:
        reports, objects = [], []
        for number, case in enumerate(CASES.values(), start=1):
            uid = f"1.2.826.0.1.3680043.10.999.{port}.{number}"
            report = report_of(replace(case, header=case.header | {"SOPInstanceUID": uid}), tmp_path)
            reports.append(report)
            objects.append(saved(report, tmp_path / f"{number}.dcm"))
        store(objects, ae_title, port)
        return reports

    return send


def saved(report: Report, path: Path) -> StoredObject:
    path.write_bytes(report.data)
    return inspect(path)


def store(objects: list[StoredObject], ae_title: str, port: int) -> None:
    destination = Destination(name="pacs", ae_title=ae_title, host="127.0.0.1", port=port)
    connection = Connection(destination, "NODE", Timeouts())
    connection.open_for(objects)
    try:
        for one in objects:
            connection.store(one)
    finally:
        connection.close()


def test_orthanc_gives_back_every_report_as_it_was_sent(
    sent: Callable[[str, int], list[Report]], orthanc: peers.Orthanc
) -> None:
    for report in sent(orthanc.ae_title, orthanc.port):
        back = dcmread(io.BytesIO(orthanc.file_of(report.sop_instance_uid)))
        assert back == trees.parsed(report)


def test_storescp_keeps_every_report_as_it_was_sent(
    sent: Callable[[str, int], list[Report]], storescp: peers.StoreScp
) -> None:
    reports = {report.sop_instance_uid: report for report in sent(storescp.ae_title, storescp.port)}
    kept = [dcmread(path) for path in storescp.files()]
    assert len(kept) == len(reports)
    for back in kept:
        assert back == trees.parsed(reports[str(back.SOPInstanceUID)])


def test_a_report_stands_in_the_study_of_its_film(tmp_path: Path, orthanc: peers.Orthanc) -> None:
    study = f"1.2.826.0.1.3680043.10.999.{orthanc.port}"
    case = replace(CASES["alarm"], header={"StudyInstanceUID": study, "PatientName": "Doe^Jane"})
    report = report_of(case, tmp_path)
    for _ in range(2):  # sent twice, there once
        store([saved(report, tmp_path / "report.dcm")], orthanc.ae_title, orthanc.port)
    found = [one for one in orthanc.get("/studies?expand") if one["MainDicomTags"]["StudyInstanceUID"] == study]
    assert len(found) == 1
    assert found[0]["PatientMainDicomTags"]["PatientName"] == "Doe^Jane"
    (series,) = (orthanc.get(f"/series/{uid}") for uid in found[0]["Series"])
    assert series["MainDicomTags"]["Modality"] == "SR"
    assert series["MainDicomTags"]["SeriesDescription"] == document.SERIES_DESCRIPTION
    assert len(series["Instances"]) == 1


def test_a_revision_comes_beside_the_first_report_and_names_it(tmp_path: Path, orthanc: peers.Orthanc) -> None:
    uid = f"1.2.826.0.1.3680043.10.998.{orthanc.port}"
    first = report_of(
        replace(
            CASES["alarm"],
            header={"SOPInstanceUID": uid},
            result=cases.refused(RefusalCode.EXPOSURE),
            alarm=cases.NOT_EVALUATED,
        ),
        tmp_path,
    )
    second = report_of(replace(CASES["revised"], header={"SOPInstanceUID": uid}), tmp_path)
    objects = [saved(first, tmp_path / "1.dcm"), saved(second, tmp_path / "2.dcm")]
    store(objects, orthanc.ae_title, orthanc.port)
    old, new = (dcmread(io.BytesIO(orthanc.file_of(report.sop_instance_uid))) for report in (first, second))
    assert old.SeriesInstanceUID == new.SeriesInstanceUID
    assert old.SOPInstanceUID != new.SOPInstanceUID
    assert new.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].SeriesInstanceUID == old.SeriesInstanceUID
    patient = trees.groups(new)["Lumbar bone density of the patient"]
    assert trees.value(trees.child(patient, codes.FINDING)) == codes.BONE_DENSITY_LOW


@pytest.mark.parametrize("name", ["retracted", "header corrected"])
def test_a_report_that_was_wrong_is_followed_by_one_that_says_so(
    name: str, tmp_path: Path, orthanc: peers.Orthanc
) -> None:
    uid = f"1.2.826.0.1.3680043.10.996.{orthanc.port}.{len(name)}"
    wrong = report_of(replace(CASES["alarm"], header={"SOPInstanceUID": uid, "PatientName": "Wrong^Name"}), tmp_path)
    header = {"SOPInstanceUID": uid, "PatientName": "Right^Name"}
    right = report_of(replace(CASES[name], header=header), tmp_path, before=wrong.sop_instance_uid)
    store([saved(wrong, tmp_path / "1.dcm"), saved(right, tmp_path / "2.dcm")], orthanc.ae_title, orthanc.port)
    new = dcmread(io.BytesIO(orthanc.file_of(right.sop_instance_uid)))
    (series,) = new.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
    assert [item.ReferencedSOPInstanceUID for item in series.ReferencedSOPSequence] == [wrong.sop_instance_uid]
    assert str(new.PatientName) == "Right^Name"
    patient = trees.groups(new)["Lumbar bone density of the patient"]
    said = trees.value(trees.child(patient, codes.COMMENT))
    if name == "retracted":
        assert trees.value(trees.child(patient, codes.BONE_DENSITY_ALARM)).value == "ALARM-RETRACTED"
        assert "BONE DENSITY ALARM RETRACTED." in said
        assert cases.GIVEN in said
    else:
        assert HEADER_CORRECTED in said
