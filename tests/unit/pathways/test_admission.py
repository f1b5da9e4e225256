from __future__ import annotations

from dataclasses import replace
from typing import Any

import factory
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from screening_node.domain.identity import MANUFACTURER
from screening_node.domain.result import RefusalCode
from screening_node.imaging.quiet import quietly
from screening_node.pathways.chest_film.admission import AdmissionRules, admit

from .networks_for_tests import REFERENCE, WOMEN

RULES = AdmissionRules(reference=REFERENCE)


def film(**overrides: Any) -> Dataset:
    with quietly():
        return factory.make_dx(rows=16, columns=16, **overrides)


def code(value: str, meaning: str) -> Sequence:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return Sequence([item])


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"ViewPosition": ""},
        {"ViewPosition": None, "PatientOrientation": None},
        {"ViewPosition": "AP"},
        {"ViewPosition": "CHEST"},
        {"BodyPartExamined": ""},
        {"BodyPartExamined": None, "AnatomicRegionSequence": code("51185008", "Chest")},
        {"BodyPartExamined": "RIBCAGE"},
        {"BodyPartExamined": "THORAX"},
        {"BodyPartExamined": "CHEST PA"},
        {"SOPClassUID": factory.CR, "Modality": "CR"},
        {"SOPClassUID": factory.DX_PROCESSING},
        {"BurnedInAnnotation": None},
        {"PatientID": None, "PatientName": None},
        {"PatientSex": ""},
        {"PatientBirthDate": None, "PatientAge": "040Y"},
        {"Manufacturer": MANUFACTURER},
    ],
)
def test_frontal_chest_films_are_admitted(overrides: dict[str, Any]) -> None:
    assert admit(film(**overrides), RULES) is None


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"Modality": "CT"}, RefusalCode.NOT_A_RADIOGRAPH),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "Modality": "CT"}, RefusalCode.NOT_A_RADIOGRAPH),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.33", "Modality": "SR"}, RefusalCode.NOT_A_RADIOGRAPH),
        ({"SOPClassUID": "1.2.3.4", "Modality": None}, RefusalCode.NOT_A_RADIOGRAPH),
        (
            {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.33", "Modality": "SR", "Manufacturer": MANUFACTURER},
            RefusalCode.OWN_OBJECT,
        ),
        ({"SOPClassUID": factory.SECONDARY_CAPTURE}, RefusalCode.SECONDARY_CAPTURE),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, RefusalCode.LOCALISER),
        ({"PixelData": None}, RefusalCode.NO_PIXELS),
        ({"Rows": 30000, "Columns": 30000}, RefusalCode.TOO_LARGE),
        ({"BodyPartExamined": "HIP"}, RefusalCode.NOT_CHEST),
        ({"BodyPartExamined": "CHESTABDOMEN"}, RefusalCode.NOT_CHEST),
        ({"BodyPartExamined": "TSPINE"}, RefusalCode.NOT_CHEST),
        ({"BodyPartExamined": "", "AnatomicRegionSequence": code("69536005", "Head")}, RefusalCode.NOT_CHEST),
        ({"ViewPosition": "LL"}, RefusalCode.NOT_FRONTAL),
        ({"ViewPosition": "LATERAL"}, RefusalCode.NOT_FRONTAL),
        ({"ViewPosition": "RLD"}, RefusalCode.NOT_FRONTAL),
        ({"ViewPosition": "Lat Decub"}, RefusalCode.NOT_FRONTAL),
        ({"ViewPosition": "", "ViewCodeSequence": code("399173006", "left lateral")}, RefusalCode.NOT_FRONTAL),
        ({"ViewPosition": "", "PatientOrientation": ["A", "F"]}, RefusalCode.NOT_FRONTAL),
        ({"PatientBirthDate": None, "PatientAge": None}, RefusalCode.AGE_UNKNOWN),
        ({"PatientBirthDate": "20990101", "PatientAge": ""}, RefusalCode.AGE_UNKNOWN),
        ({"PatientBirthDate": None, "PatientAge": "18M"}, RefusalCode.AGE_OUT_OF_RANGE),
        ({"PatientBirthDate": None, "PatientAge": "039Y"}, RefusalCode.AGE_OUT_OF_RANGE),
        ({"PatientBirthDate": None, "PatientAge": "091Y"}, RefusalCode.AGE_OUT_OF_RANGE),
        ({"BurnedInAnnotation": "YES"}, RefusalCode.BURNED_IN),
        ({"ImagerPixelSpacing": None, "PixelSpacing": None}, RefusalCode.SPACING_UNKNOWN),
        ({"ImagerPixelSpacing": None, "PixelSpacing": [0.0, 0.0]}, RefusalCode.SPACING_UNKNOWN),
        ({"ImagerPixelSpacing": [90.0, 90.0], "PixelSpacing": None}, RefusalCode.SPACING_UNKNOWN),
    ],
)
def test_what_the_header_says_no_to(overrides: dict[str, Any], expected: RefusalCode) -> None:
    refusal = admit(film(**overrides), RULES)
    assert refusal is not None
    assert refusal.code is expected
    assert factory.PATIENT_NAME not in refusal.text
    assert factory.PATIENT_ID not in refusal.text


def test_a_reference_table_by_sex_needs_the_sex() -> None:
    rules = replace(RULES, reference=WOMEN)
    assert admit(film(PatientSex="F"), rules) is None
    for sex in ("", "M", "O", None):
        refusal = admit(film(PatientSex=sex), rules)
        assert refusal is not None
        assert refusal.code is RefusalCode.SEX_UNKNOWN


def test_a_site_may_take_secondary_captures_and_films_without_spacing() -> None:
    rules = replace(RULES, secondary_capture=True, spacing_required=False, age_range=(20, 30))
    dataset = film(
        SOPClassUID=factory.SECONDARY_CAPTURE,
        ImagerPixelSpacing=None,
        PixelSpacing=None,
        PatientBirthDate=None,
        PatientAge="025Y",
    )
    assert admit(dataset, rules) is None


def test_an_empty_dataset_is_refused_not_raised() -> None:
    assert admit(Dataset(), RULES) is not None
