"""The report's content tree (TID 1500): what is said, to the number and to the code."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from unit.reporting import cases, trees
from unit.reporting.companions import companion
from unit.reporting.messages import made
from unit.reporting.reports import FILM, PATIENT_GROUP, reporter
from unit.reporting.test_codes import every_code

from screening_node.domain.alarm import AlarmDecision, AlarmStatus, AlarmStep
from screening_node.domain.identity import MANUFACTURER
from screening_node.domain.result import RefusalCode, Roi, ScreeningResult
from screening_node.reporting import anatomy, codes
from screening_node.reporting.kinds import Kind
from screening_node.reporting.language import Language


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


def test_every_code_survives_the_round_trip(tmp_path: Path) -> None:
    """What is written of each code is what is read; and no code is in the list without being used."""
    found: set[tuple[str, str, str]] = set()
    for modality in codes.MODALITIES:
        film = cases.film_file(tmp_path / f"{modality}.dcm", Modality=modality)
        found |= trees.all_codes(trees.parsed(reporter().report(film, cases.result(), cases.RAISED, cases.AT)))
    outcomes: list[tuple[ScreeningResult, AlarmDecision]] = [
        (cases.normal(), cases.NOT_RAISED),
        (cases.calibrated(), cases.RETRACTED),
    ]
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
