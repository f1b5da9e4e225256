"""The same content built with highdicom's templates, an independent reading of PS3.16, has the same items."""

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from highdicom import sr
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from unit.reporting import cases, trees

from screening_node.domain.identity import MANUFACTURER, MODEL_NAME
from screening_node.reporting import codes, uids
from screening_node.reporting.language import Language
from screening_node.reporting.reporter import Reporter

FILM = ("1.2.840.10008.5.1.4.1.1.1.1", "1.2.826.0.1.3680043.10.999.3")
Said = tuple[int, str, str, str, str]


@pytest.fixture
def report(tmp_path: Path) -> Dataset:
    film = cases.film_file(tmp_path / "film.dcm")
    reporter = Reporter(cases.TABLE, software_version="0.1.0", zone=dt.UTC)
    return trees.parsed(reporter.report(film, cases.result(), cases.RAISED, cases.AT))


def concept(code: Code) -> CodedConcept:
    return CodedConcept(value=code.value, scheme_designator=code.scheme_designator, meaning=code.meaning)


def said(items: Sequence[Dataset], depth: int = 0) -> Iterator[Said]:
    """Each item as (depth, relationship, value type, concept, value); text and UIDs as they are, codes by value."""
    for item in items:
        name = item.ConceptNameCodeSequence[0].CodeValue if "ConceptNameCodeSequence" in item else ""
        value = ""
        if item.ValueType in ("CODE", "NUM", "TEXT", "UIDREF"):
            found = trees.value(item)
            value = (
                f"{float(found[0]):g} {found[1].value}"
                if item.ValueType == "NUM"
                else str(getattr(found, "value", found))
            )
        if item.ValueType == "SCOORD":
            value = f"{item.GraphicType} {[round(float(number), 3) for number in item.GraphicData]}"
        if item.ValueType == "IMAGE":
            value = str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
        yield depth, item.RelationshipType, item.ValueType, str(name), value
        yield from said(item.get("ContentSequence", ()), depth + 1)


def tracked(title: str) -> sr.TrackingIdentifier:
    return sr.TrackingIdentifier(identifier=title, uid=uids.tracking(FILM[1], title))


def site(code: Code, side: Code | None = None) -> sr.FindingSite:
    return sr.FindingSite(concept(code), laterality=None if side is None else concept(side))


def test_observer_context(report: Dataset) -> None:
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=uids.device(MODEL_NAME, "0.1.0", cases.MODEL.weights_sha256),
        name=MODEL_NAME,
        manufacturer_name=MANUFACTURER,
        model_name=MODEL_NAME,
        serial_number=cases.MODEL.weights_sha256[:16],
    )
    theirs = sr.ObserverContext(observer_type=concept(codes.DEVICE), observer_identifying_attributes=device)
    assert list(said(report.ContentSequence[1:7])) == list(said(theirs))


def test_language(report: Dataset) -> None:
    theirs = sr.LanguageOfContentItemAndDescendants(concept(codes.LANGUAGES[Language.ENGLISH]))
    assert list(said(report.ContentSequence[:1])) == list(said(theirs))


def test_image_library(report: Dataset) -> None:
    theirs = sr.ImageLibrary([cases.header()])
    assert list(said(report.ContentSequence[8:9])) == list(said(theirs))


def test_algorithm(report: Dataset) -> None:
    group = trees.groups(report)["Lumbar bone density of the patient"]
    ours = [
        item for item in said(group.ContentSequence) if item[3] in {"111000", "111001", "111002", "111003", "122405"}
    ]
    theirs = sr.AlgorithmIdentification(
        name="screening-node chest_film",
        version="0.1.0, bundle chest_film/0.1.0",
        manufacturer=MANUFACTURER,
        parameters=[
            f"Weights SHA-256 {cases.MODEL.weights_sha256}",
            f"Configuration SHA-256 {cases.MODEL.configuration_sha256}",
            "Ensemble of 4 networks",
            "Reference table wang2022-implied 1",
            "Alarm thresholds flex",
        ],
        family=concept(codes.ARTIFICIAL_INTELLIGENCE),
    )
    assert ours == list(said(theirs))


def test_vertebra(report: Dataset) -> None:
    """TID 1501 with TID 300, 310 and 311. The citation of TID 315 is not in highdicom."""
    finding = cases.result().findings[0]
    assert finding.below
    populations = [
        sr.NumContentItem(concept(name), value, concept(codes.G_PER_CM2), relationship_type="HAS PROPERTIES")
        for name, value in ((codes.POPULATION_MEAN, 1.0), (codes.POPULATION_SD, 0.107))
    ]
    properties = sr.MeasurementProperties(
        measurement_statistical_properties=sr.MeasurementStatisticalProperties(
            populations, description="Young adults: Taiwan, sexes pooled (GE Lunar)", authority=cases.TABLE.source
        )
    )
    bmd = sr.Measurement(
        concept(codes.BONE_DENSITY),
        round(finding.bmd, 3),
        concept(codes.G_PER_CM2),
        method=concept(codes.RADIOGRAPH_METHOD),
        derivation=concept(codes.ESTIMATED),
        properties=properties,
    )
    sd = sr.Measurement(
        concept(codes.BONE_DENSITY), 0.061, concept(codes.G_PER_CM2), derivation=concept(codes.STANDARD_DEVIATION)
    )
    low = sr.MeasurementProperties(normality=concept(codes.ABNORMALLY_LOW))
    t_score = sr.Measurement(concept(codes.T_SCORE), -2.5, concept(codes.T_SCORE_UNIT), properties=low)
    threshold = sr.Measurement(concept(codes.ALARM_THRESHOLD), -2.2, concept(codes.T_SCORE_UNIT))
    theirs = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracked("Bone density of L1"),
        finding_sites=[site(codes.VERTEBRAE[finding.vertebra])],
        measurements=[bmd, sd, t_score, threshold],
        qualitative_evaluations=[
            sr.QualitativeEvaluation(concept(codes.THRESHOLD_CROSSED), concept(codes.BELOW_THRESHOLD))
        ],
        source_images=[sr.SourceImageForMeasurementGroup(*FILM)],
    )
    ours = [item for item in said([trees.groups(report)["Bone density of L1"]]) if item[3] != "121422"]
    assert sorted(ours) == sorted(said(theirs))


@pytest.mark.parametrize(
    ("title", "code", "side", "purpose", "points"),
    [
        (
            "ROI: Right clavicle, medial",
            codes.CLAVICLE,
            codes.RIGHT,
            codes.OUTLINE,
            [*cases.rois()[2].corners, cases.rois()[2].corners[0]],
        ),
        (
            "Landmark: C7",
            codes.C7,
            None,
            codes.REPRESENTATIVE_POINT,
            [(cases.landmarks()[14].x, cases.landmarks()[14].y)],
        ),
    ],
)
def test_region(
    report: Dataset, title: str, code: Code, side: Code | None, purpose: Code, points: list[tuple[float, float]]
) -> None:
    region = sr.ImageRegion(
        graphic_type="POINT" if len(points) == 1 else "POLYLINE",
        graphic_data=np.array(points, np.float32) + 0.5,
        source_image=sr.SourceImageForRegion(*FILM),
    )
    theirs = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracked(title),
        referenced_region=region,
        finding_sites=[site(code, side)],
        geometric_purpose=concept(purpose),
    )
    ours = trees.groups(report)[title]
    assert ours.ContentTemplateSequence[0].TemplateIdentifier == theirs[0].ContentTemplateSequence[0].TemplateIdentifier
    assert sorted(said([ours])) == sorted(said(theirs))
