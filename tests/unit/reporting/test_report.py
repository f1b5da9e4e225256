import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import UID
from unit.reporting import cases, trees
from unit.reporting.companions import companion
from unit.reporting.messages import made
from unit.reporting.test_codes import every_code

from screening_node.domain.alarm import AlarmDecision, AlarmStatus, AlarmStep
from screening_node.domain.identity import MANUFACTURER, MODEL_NAME
from screening_node.domain.result import RefusalCode, Roi, ScreeningResult, Vertebra
from screening_node.domain.tscore import ReferenceTable
from screening_node.errors import Misconfigured, UnreadableObject
from screening_node.imaging.header import is_own_object
from screening_node.reporting import anatomy, codes, document, uids
from screening_node.reporting.kinds import Kind
from screening_node.reporting.language import Language
from screening_node.reporting.reporter import Report, Reporter, SopReference

PATIENT_GROUP = "Lumbar bone density of the patient"
FILM = ("1.2.840.10008.5.1.4.1.1.1.1", "1.2.826.0.1.3680043.10.999.3")


def reporter(table: ReferenceTable = cases.TABLE, **settings: Any) -> Reporter:
    return Reporter(table, **{"software_version": "0.1.0", "zone": dt.UTC, **settings})


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return cases.film_file(tmp_path / "film.dcm")


@pytest.fixture
def alarm_report(film: Path) -> Dataset:
    return trees.parsed(reporter().report(film, cases.result(), cases.RAISED, cases.AT))


# The document


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


# The tree


def test_the_root_follows_tid_1500(alarm_report: Dataset) -> None:
    assert alarm_report.ValueType == "CONTAINER"
    assert trees.same(alarm_report.ConceptNameCodeSequence[0], codes.IMAGING_MEASUREMENT_REPORT)
    assert alarm_report.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    assert alarm_report.ContentTemplateSequence[0].MappingResource == "DCMR"
    said = [
        (item.RelationshipType, trees.code_of(item.ConceptNameCodeSequence[0])) for item in alarm_report.ContentSequence
    ]
    assert said == [
        ("HAS CONCEPT MOD", codes.LANGUAGE),
        ("HAS OBS CONTEXT", codes.OBSERVER_TYPE),
        ("HAS OBS CONTEXT", codes.DEVICE_UID),
        ("HAS OBS CONTEXT", codes.DEVICE_NAME),
        ("HAS OBS CONTEXT", codes.DEVICE_MANUFACTURER),
        ("HAS OBS CONTEXT", codes.DEVICE_MODEL),
        ("HAS OBS CONTEXT", codes.DEVICE_SERIAL),
        ("HAS CONCEPT MOD", codes.PROCEDURE_REPORTED),
        ("CONTAINS", codes.IMAGE_LIBRARY),
        ("CONTAINS", codes.IMAGING_MEASUREMENTS),
    ]
    assert trees.value(trees.child(alarm_report, codes.LANGUAGE)) == codes.LANGUAGES[Language.ENGLISH]
    assert trees.value(trees.child(alarm_report, codes.OBSERVER_TYPE)) == codes.DEVICE
    assert trees.value(trees.child(alarm_report, codes.PROCEDURE_REPORTED)) == codes.CHEST_RADIOGRAPHY


def test_the_image_library_describes_the_film(alarm_report: Dataset) -> None:
    library = trees.child(alarm_report, codes.IMAGE_LIBRARY)
    image = trees.child(trees.child(library, codes.IMAGE_LIBRARY_GROUP), codes.SOURCE)
    assert image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == FILM[1]
    said = {trees.code_of(item.ConceptNameCodeSequence[0]): trees.value(item) for item in image.ContentSequence}
    assert said == {
        codes.MODALITY: codes.MODALITIES["DX"],
        codes.PIXEL_DATA_ROWS: ("2000", codes.PIXELS),
        codes.PIXEL_DATA_COLUMNS: ("1600", codes.PIXELS),
        codes.ORIENTATION_ROW: "L",
        codes.ORIENTATION_COLUMN: "F",
        codes.HORIZONTAL_SPACING: ("0.2", codes.MILLIMETER),
        codes.VERTICAL_SPACING: ("0.2", codes.MILLIMETER),
    }


def test_rows_and_columns_of_the_spacing_are_not_swapped(tmp_path: Path) -> None:
    film = cases.film_file(tmp_path / "film.dcm", ImagerPixelSpacing=[0.1, 0.3])
    read = trees.parsed(reporter().report(film, cases.normal(), cases.NOT_RAISED, cases.AT))
    image = trees.child(trees.child(trees.child(read, codes.IMAGE_LIBRARY), codes.IMAGE_LIBRARY_GROUP), codes.SOURCE)
    assert trees.value(trees.child(image, codes.VERTICAL_SPACING))[0] == "0.1"
    assert trees.value(trees.child(image, codes.HORIZONTAL_SPACING))[0] == "0.3"


def test_an_alarm_is_said_in_every_way(alarm_report: Dataset) -> None:
    group = trees.groups(alarm_report)[PATIENT_GROUP]
    assert group.ContentTemplateSequence[0].TemplateIdentifier == "1501"
    for name, value in {
        codes.FINDING: codes.BONE_DENSITY_LOW,
        codes.FINDING_SITE: codes.LUMBAR_SPINE,
        codes.SUMMARY: codes.SUCCEEDED_WITH_FINDINGS,
        codes.QUALITY_ASSESSMENT: codes.QUALITY_USABLE,
        codes.BONE_DENSITY_ALARM: codes.ALARM_VALUES[AlarmStatus.RAISED],
        codes.RECOMMENDED_FOLLOW_UP: codes.DXA,
        codes.ALGORITHM_NAME: "screening-node chest_film",
        codes.ALGORITHM_VERSION: "0.1.0, bundle chest_film/0.1.0",
        codes.ALGORITHM_MANUFACTURER: MANUFACTURER,
        codes.ALGORITHM_FAMILY: codes.ARTIFICIAL_INTELLIGENCE,
    }.items():
        assert trees.value(trees.child(group, name)) == value, name.meaning
    parameters = [trees.value(item) for item in trees.children(group, codes.ALGORITHM_PARAMETERS)]
    assert parameters == [
        f"Weights SHA-256 {cases.MODEL.weights_sha256}",
        f"Configuration SHA-256 {cases.MODEL.configuration_sha256}",
        "Ensemble of 4 networks",
        "Reference table wang2022-implied 1",
        "Alarm thresholds flex",
    ]
    assert "BONE DENSITY ALARM RAISED" in trees.value(trees.child(group, codes.COMMENT))
    source = trees.child(group, codes.SOURCE_OF_MEASUREMENT)
    assert source.ValueType == "IMAGE"
    assert source.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == FILM[1]
    assert not trees.children(group, codes.QUALITY_FINDING)


def test_a_film_without_alarm_has_no_finding_and_no_follow_up(film: Path) -> None:
    read = trees.parsed(reporter().report(film, cases.normal(), cases.NOT_RAISED, cases.AT))
    group = trees.groups(read)[PATIENT_GROUP]
    assert trees.value(trees.child(group, codes.SUMMARY)) == codes.SUCCEEDED_WITHOUT_FINDINGS
    assert trees.value(trees.child(group, codes.BONE_DENSITY_ALARM)) == codes.ALARM_VALUES[AlarmStatus.NOT_RAISED]
    assert not trees.children(group, codes.FINDING)
    assert not trees.children(group, codes.RECOMMENDED_FOLLOW_UP)
    assert not [item for item in trees.walk(read) if trees.children(item, codes.NORMALITY)]


def test_a_suppressed_alarm_has_findings_but_no_alarm(film: Path) -> None:
    suppressed = AlarmDecision(step=AlarmStep.SUPPRESS, status=AlarmStatus.NOT_RAISED, reason="Known diagnosis.")
    read = trees.parsed(reporter().report(film, cases.result(), suppressed, cases.AT))
    group = trees.groups(read)[PATIENT_GROUP]
    assert trees.value(trees.child(group, codes.SUMMARY)) == codes.SUCCEEDED_WITH_FINDINGS
    assert trees.value(trees.child(group, codes.BONE_DENSITY_ALARM)) == codes.ALARM_VALUES[AlarmStatus.NOT_RAISED]
    assert not trees.children(group, codes.FINDING)


@pytest.mark.parametrize("finding", cases.result().findings, ids=lambda finding: finding.vertebra.value)
def test_a_vertebra_is_said_to_the_number(alarm_report: Dataset, finding: Any) -> None:
    group = trees.groups(alarm_report)[f"Bone density of {finding.vertebra.value}"]
    assert trees.value(trees.child(group, codes.FINDING_SITE)) == codes.VERTEBRAE[finding.vertebra]
    bmd, sd = trees.children(group, codes.BONE_DENSITY)
    assert trees.value(bmd) == (f"{finding.bmd:.3f}", codes.G_PER_CM2)
    assert trees.value(trees.child(bmd, codes.DERIVATION)) == codes.ESTIMATED
    assert trees.value(trees.child(bmd, codes.MEASUREMENT_METHOD)) == codes.RADIOGRAPH_METHOD
    row = cases.TABLE.row(finding.vertebra, "F")
    assert row is not None
    assert trees.value(trees.child(bmd, codes.POPULATION_MEAN)) == (f"{row.mean:.3f}", codes.G_PER_CM2)
    assert trees.value(trees.child(bmd, codes.POPULATION_SD)) == ("0.107", codes.G_PER_CM2)
    assert trees.value(trees.child(bmd, codes.POPULATION_DESCRIPTION)) == (
        "Young adults: Taiwan, sexes pooled (GE Lunar)"
    )
    assert trees.value(trees.child(bmd, codes.REFERENCE_AUTHORITY)) == cases.TABLE.source
    assert trees.value(sd) == ("0.061", codes.G_PER_CM2)
    assert trees.value(trees.child(sd, codes.DERIVATION)) == codes.STANDARD_DEVIATION
    t_score = trees.child(group, codes.T_SCORE)
    assert trees.value(t_score) == (f"{finding.t_score:.2f}", codes.T_SCORE_UNIT)
    assert trees.value(trees.child(t_score, codes.TABLE_CITATION)) == cases.TABLE.citation
    assert [trees.value(item) for item in trees.children(t_score, codes.NORMALITY)] == (
        [codes.ABNORMALLY_LOW] if finding.below else []
    )
    threshold = trees.value(trees.child(group, codes.ALARM_THRESHOLD))
    assert threshold == (f"{finding.threshold:.2f}", codes.T_SCORE_UNIT)
    assert trees.value(trees.child(group, codes.THRESHOLD_CROSSED)) == (
        codes.BELOW_THRESHOLD if finding.below else codes.NOT_BELOW_THRESHOLD
    )


def test_the_population_is_that_of_the_patients_sex(tmp_path: Path) -> None:
    rows = tuple(replace(row, sex=sex, sd=sd) for row in cases.TABLE.rows for sex, sd in (("F", 0.1), ("M", 0.2)))
    by_sex = reporter(replace(cases.TABLE, rows=rows))
    for sex, sds in (("F", {"0.100"}), ("M", {"0.200"}), ("O", set())):
        film = cases.film_file(tmp_path / f"{sex}.dcm", PatientSex=sex)
        read = trees.parsed(by_sex.report(film, cases.normal(), cases.NOT_RAISED, cases.AT))
        found = {trees.value(item)[0] for bmd in trees.walk(read) for item in trees.children(bmd, codes.POPULATION_SD)}
        assert found == sds


def test_a_model_of_some_vertebrae_reports_those(film: Path) -> None:
    some = replace(cases.normal(), findings=cases.normal().findings[1:2])
    read = trees.parsed(reporter().report(film, some, cases.NOT_RAISED, cases.AT))
    assert [title for title in trees.groups(read) if title.startswith("Bone density of")] == ["Bone density of L2"]


def test_an_estimate_that_is_no_number_is_a_failed_measurement(film: Path) -> None:
    broken = replace(cases.normal().findings[0], bmd=float("nan"), t_score=float("inf"))
    failed = replace(cases.normal(), findings=(broken,), crossed=False)
    group = trees.groups(trees.parsed(reporter().report(film, failed, cases.NOT_RAISED, cases.AT)))[
        "Bone density of L1"
    ]
    for item in (trees.children(group, codes.BONE_DENSITY)[0], trees.child(group, codes.T_SCORE)):
        assert trees.value(item) is None
        assert trees.same(item.NumericValueQualifierCodeSequence[0], codes.MEASUREMENT_FAILURE)


def test_rois_are_closed_outlines_with_the_corner_of_the_film_as_origin(alarm_report: Dataset) -> None:
    groups = trees.groups(alarm_report)
    for roi in cases.rois():
        place = anatomy.ROIS[roi.name]
        group = groups[f"ROI: {place.title}"]
        assert group.ContentTemplateSequence[0].TemplateIdentifier == "1410"
        region = trees.child(group, codes.IMAGE_REGION)
        assert region.GraphicType == "POLYLINE"
        data = list(region.GraphicData)
        expected = [value + 0.5 for corner in (*roi.corners, roi.corners[0]) for value in corner]
        assert data == pytest.approx(expected, abs=1e-3)
        assert data[:2] == data[-2:]
        check_place(group, place, codes.OUTLINE)
        selected = region.ContentSequence[0]
        assert (selected.RelationshipType, selected.ValueType) == ("SELECTED FROM", "IMAGE")
        assert selected.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == FILM[1]


def test_landmarks_are_points(alarm_report: Dataset) -> None:
    groups = trees.groups(alarm_report)
    for landmark in cases.landmarks():
        place = anatomy.LANDMARKS[landmark.name]
        group = groups[f"Landmark: {place.title}"]
        region = trees.child(group, codes.IMAGE_REGION)
        assert region.GraphicType == "POINT"
        assert list(region.GraphicData) == [landmark.x + 0.5, landmark.y + 0.5]
        check_place(group, place, codes.REPRESENTATIVE_POINT)


def check_place(group: Dataset, place: anatomy.Place, purpose: Code) -> None:
    site = trees.child(group, codes.FINDING_SITE)
    assert trees.value(site) == place.site
    sides = [trees.value(item) for item in trees.children(site, codes.LATERALITY)]
    assert sides == ([] if place.side is None else [place.side])
    assert trees.value(trees.child(group, codes.GEOMETRIC_PURPOSE)) == purpose
    assert trees.child(group, codes.GEOMETRIC_PURPOSE).RelationshipType == "CONTAINS"


def test_no_coordinate_lies_off_the_film(film: Path) -> None:
    shifted = replace(
        cases.result(),
        rois=(
            Roi(name="cervical", corners=((-10.0, 5.0), (30.0, 5.0), (30.0, 40.0), (-10.0, 40.0))),
            Roi(name="lumbar", corners=((-90.0, 5.0), (-50.0, 5.0), (-50.0, 40.0), (-90.0, 40.0))),
        ),
        landmarks=(
            replace(cases.landmarks()[0], x=-0.5, y=1999.5),
            replace(cases.landmarks()[1], x=1600.0, y=10.0),
        ),
    )
    read = trees.parsed(reporter().report(film, shifted, cases.RAISED, cases.AT))
    regions = {
        title: list(trees.child(group, codes.IMAGE_REGION).GraphicData)
        for title, group in trees.groups(read).items()
        if trees.children(group, codes.IMAGE_REGION)
    }
    assert regions == {
        "ROI: Cervical spine": [0.0, 5.5, 30.5, 5.5, 30.5, 40.5, 0.0, 40.5, 0.0, 5.5],
        "Landmark: Left clavicle, medial": [0.0, 2000.0],
    }


# Refusals


@pytest.mark.parametrize("code", RefusalCode)
def test_a_refused_film_has_the_patient_group_alone_and_its_reason(film: Path, code: RefusalCode) -> None:
    read = trees.parsed(reporter().report(film, cases.refused(code), cases.NOT_EVALUATED, cases.AT))
    groups = trees.groups(read)
    assert list(groups) == [PATIENT_GROUP]
    group = groups[PATIENT_GROUP]
    assert trees.value(trees.child(group, codes.QUALITY_FINDING)) == codes.REFUSALS[code]
    assert trees.value(trees.child(group, codes.SUMMARY)) == codes.NONE_SUCCEEDED
    assert trees.value(trees.child(group, codes.BONE_DENSITY_ALARM)) == codes.ALARM_VALUES[AlarmStatus.NOT_EVALUATED]
    said = trees.value(trees.child(group, codes.COMMENT))
    assert f"The film was refused ({code.name})." in said
    assert not trees.children(group, codes.FINDING)
    assert [trees.value(item) for item in trees.children(group, codes.QUALITY_ASSESSMENT)] in (
        [],
        [codes.QUALITY_UNUSABLE],
    )


def test_only_a_bad_picture_is_called_unusable(film: Path) -> None:
    for code, expected in ((RefusalCode.EXPOSURE, 1), (RefusalCode.AGE_UNKNOWN, 0), (RefusalCode.NOT_FRONTAL, 0)):
        read = trees.parsed(reporter().report(film, cases.refused(code), cases.NOT_EVALUATED, cases.AT))
        group = trees.groups(read)[PATIENT_GROUP]
        assert len(trees.children(group, codes.QUALITY_ASSESSMENT)) == expected


def test_what_is_no_chest_film_is_not_called_one(film: Path) -> None:
    for code, procedure in ((RefusalCode.NOT_CHEST, codes.IMAGING), (RefusalCode.NOT_FRONTAL, codes.CHEST_RADIOGRAPHY)):
        read = trees.parsed(reporter().report(film, cases.refused(code), cases.NOT_EVALUATED, cases.AT))
        assert trees.value(trees.child(read, codes.PROCEDURE_REPORTED)) == procedure


@pytest.mark.parametrize(
    "changes",
    [
        {"SOPClassUID": document.ENHANCED_SR, "Rows": None, "Columns": None},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.481.2"},  # RT Dose: rows and columns, but no image
        {"SOPClassUID": "1.2.3.4"},
    ],
)
@pytest.mark.parametrize("outcome", [cases.refused(RefusalCode.NOT_A_RADIOGRAPH), cases.result()])
def test_what_is_no_image_is_referenced_as_a_composite(
    tmp_path: Path, changes: dict[str, Any], outcome: ScreeningResult
) -> None:
    film = cases.film_file(tmp_path / "object.dcm", **changes)
    read = trees.parsed(reporter().report(film, outcome, cases.NOT_EVALUATED, cases.AT))
    assert {item.ValueType for item in trees.walk(read)} >= {"COMPOSITE"}
    assert not {item.ValueType for item in trees.walk(read)} & {"IMAGE", "SCOORD"}


# Every code, once around


def test_every_code_survives_the_round_trip(tmp_path: Path) -> None:
    """What is written of each code is what is read; and no code is in the list without being used."""
    found: set[tuple[str, str, str]] = set()
    for modality in codes.MODALITIES:
        film = cases.film_file(tmp_path / f"{modality}.dcm", Modality=modality)
        found |= trees.all_codes(trees.parsed(reporter().report(film, cases.result(), cases.RAISED, cases.AT)))
    outcomes: list[tuple[ScreeningResult, AlarmDecision]] = [(cases.normal(), cases.NOT_RAISED)]
    outcomes += [(cases.refused(code), cases.NOT_EVALUATED) for code in RefusalCode]
    broken = replace(cases.normal().findings[0], bmd=float("nan"))
    outcomes.append((replace(cases.normal(), findings=(broken,)), cases.NOT_RAISED))
    for result, alarm in outcomes:
        found |= trees.all_codes(trees.parsed(reporter().report(film, result, alarm, cases.AT)))
    for language in Language:
        key_object = companion(Kind.KO, tmp_path, cases.result(), language=language)
        assert key_object is not None
        found |= trees.all_codes(trees.parsed(key_object))
    expected = {(code.value, code.scheme_designator, code.meaning) for code in every_code()}
    of_messages = expected - found
    assert {value for value, _, _ in of_messages} == {"SERVICE", "LOWEST-T", "LIMITS", "REPLACES", "18748-4"}
    sent = made(tmp_path, cases.result(), revision=2, previous="1.2.3").data.decode("utf-8")
    assert all(f"{value}^{meaning}^" in sent for value, _, meaning in of_messages)
    assert found <= expected


# Bad headers


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


# Repeating


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
