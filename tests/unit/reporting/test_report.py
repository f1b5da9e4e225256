"""The report as a document: whose it is, what it is worth, and what becomes of bad headers."""

import datetime as dt
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from unit.reporting import cases, trees
from unit.reporting.reports import FILM, PATIENT_GROUP, reporter

from screening_node.domain.identity import MANUFACTURER, MODEL_NAME
from screening_node.errors import UnreadableObject
from screening_node.imaging.header import is_own_object
from screening_node.reporting import codes, uids


def test_the_report_is_in_the_films_study_and_about_its_patient(film: Path, alarm_report: Dataset) -> None:
    for keyword, value in {
        "StudyInstanceUID": "1.2.826.0.1.3680043.10.999.1",
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
        "SpecificCharacterSet": "ISO_IR 192",
    }.items():
        assert str(alarm_report[keyword].value) == value
    evidence = alarm_report.CurrentRequestedProcedureEvidenceSequence[0]
    assert evidence.StudyInstanceUID == "1.2.826.0.1.3680043.10.999.1"
    assert evidence.ReferencedSeriesSequence[0].SeriesInstanceUID == "1.2.826.0.1.3680043.10.999.2"
    sop = evidence.ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert (sop.ReferencedSOPClassUID, sop.ReferencedSOPInstanceUID) == FILM


def test_the_report_says_what_it_is_worth(alarm_report: Dataset) -> None:
    assert alarm_report.SeriesNumber == 9001
    assert "RESEARCH" in alarm_report.SeriesDescription
    assert "NOT FOR DIAGNOSTIC USE" in alarm_report.SeriesDescription
    assert alarm_report.CompletionFlag == "COMPLETE"
    assert alarm_report.PreliminaryFlag == "PRELIMINARY"
    assert alarm_report.VerificationFlag == "UNVERIFIED"
    assert alarm_report.ContentQualification == "RESEARCH"
    assert "PredecessorDocumentsSequence" not in alarm_report


def test_the_report_says_who_made_it(alarm_report: Dataset) -> None:
    device = uids.device(MODEL_NAME, "0.1.0", cases.MODEL.weights_sha256)
    item = alarm_report.ContributingEquipmentSequence[0]
    assert trees.same(item.PurposeOfReferenceCodeSequence[0], codes.PROCESSING_EQUIPMENT)
    for equipment in (alarm_report, item):
        assert (equipment.Manufacturer, equipment.ManufacturerModelName) == (MANUFACTURER, MODEL_NAME)
        assert list(equipment.SoftwareVersions) == ["0.1.0", "chest_film/0.1.0"]
        assert equipment.DeviceUID == device
        assert equipment.DeviceSerialNumber == "0123456789abcdef"
    assert item.ContributionDateTime == "20260304050607"
    assert trees.value(trees.child(alarm_report, codes.DEVICE_UID)) == device
    assert is_own_object(alarm_report)


def test_the_private_scheme_is_identified(alarm_report: Dataset) -> None:
    scheme = alarm_report.CodingSchemeIdentificationSequence[0]
    assert scheme.CodingSchemeDesignator == codes.PRIVATE_DESIGNATOR
    assert scheme.CodingSchemeUID == uids.CODING_SCHEME_UID


def test_times_are_the_jobs_in_the_films_time_zone(tmp_path: Path) -> None:
    film = cases.film_file(tmp_path / "film.dcm", TimezoneOffsetFromUTC="-0330")
    read = trees.parsed(reporter().report(film, cases.normal(), cases.NOT_RAISED, cases.AT))
    assert read.TimezoneOffsetFromUTC == "-0330"
    assert (read.ContentDate, read.ContentTime) == ("20260304", "013607")
    assert (read.InstanceCreationDate, read.InstanceCreationTime) == ("20260304", "013607")
    assert read.ContributingEquipmentSequence[0].ContributionDateTime == "20260304013607"


def test_without_a_time_zone_in_the_film_times_are_the_sites(film: Path) -> None:
    tokyo = reporter(zone=dt.timezone(dt.timedelta(hours=9)))
    read = trees.parsed(tokyo.report(film, cases.normal(), cases.NOT_RAISED, cases.AT))
    assert (read.ContentDate, read.ContentTime) == ("20260304", "140607")
    assert "TimezoneOffsetFromUTC" not in read


def test_a_bare_header_gives_a_report_that_says_what_was_missing(tmp_path: Path) -> None:
    missing = dict.fromkeys(
        [
            *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "PatientAge"),
            *("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "StudyDescription", "ReferringPhysicianName"),
            *("ImagerPixelSpacing", "PatientOrientation", "Modality", "Rows", "Columns", "SpecificCharacterSet"),
        ]
    )
    film = cases.film_file(tmp_path / "bare.dcm", **missing)
    read = trees.parsed(reporter().report(film, cases.result(), cases.RAISED, cases.AT))
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyID"):
        assert str(read[keyword].value or "") == ""
    for keyword in ("IssuerOfPatientID", "PatientAge", "StudyDescription", "TimezoneOffsetFromUTC"):
        assert keyword not in read
    said = trees.value(trees.child(trees.groups(read)[PATIENT_GROUP], codes.COMMENT))
    assert "- Patient ID is missing." in said


@pytest.mark.parametrize(
    ("charset", "raw", "name"),
    [
        (b"GB18030", "Wang^XiaoDong=王^小东".encode("gb18030"), "Wang^XiaoDong=王^小东"),
        (b"\\ISO 2022 IR 58", b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab", "Zhang^XiaoDong=张^小东"),
        (b"ISO_IR 13", "山田^太郎".encode("shift_jis"), "山田^太郎"),
        (b"ISO_IR 100", "Buc^Jérôme".encode("latin-1"), "Buc^Jérôme"),
        (b"\\ISO 2022 IR 149", b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7", "Hong^Gildong=洪^吉洞"),
    ],
)
def test_names_of_every_script_arrive(tmp_path: Path, charset: bytes, raw: bytes, name: str) -> None:
    film = cases.film_file(tmp_path / "film.dcm", SpecificCharacterSet=charset, PatientName=raw)
    read = trees.parsed(reporter().report(film, cases.normal(), cases.NOT_RAISED, cases.AT))
    assert str(read.PatientName) == name
    assert read.SpecificCharacterSet == "ISO_IR 192"


def test_a_uid_with_leading_zeros_stays_as_the_archive_knows_it(tmp_path: Path) -> None:
    film = cases.film_file(tmp_path / "film.dcm", StudyInstanceUID=b"1.02.3", SeriesInstanceUID=b"1.02.4")
    data = reporter().report(film, cases.normal(), cases.NOT_RAISED, cases.AT).data
    assert data.count(b"1.02.3") == 2
    assert data.count(b"1.02.4") == 1


def test_a_film_that_is_gone_or_broken_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "cut.dcm").write_bytes(cases.film_file(tmp_path / "film.dcm").read_bytes()[:200])
    for name in ("cut.dcm", "gone.dcm"):
        with pytest.raises(UnreadableObject):
            reporter().report(tmp_path / name, cases.normal(), cases.NOT_RAISED, cases.AT)
