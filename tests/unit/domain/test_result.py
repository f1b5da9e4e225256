"""Results survive the store, and their hash tells them apart."""

import dataclasses
import json

from screening_node.domain.exam import Patient
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

MODEL = ModelIdentity(
    pathway="chest_film",
    bundle="b",
    weights_sha256="0" * 64,
    configuration_sha256="1" * 64,
    members=2,
    reference="r 1",
    thresholds="flex",
    limits_of_use="Phantom-trained, not for clinical use.",
)
JUDGED = ScreeningResult(
    model=MODEL,
    refusal=None,
    findings=(
        VertebraFinding(vertebra=Vertebra.L1, bmd=0.71234567, sd=0.05, t_score=-2.68, threshold=-2.2, below=True),
        VertebraFinding(vertebra=Vertebra.L2, bmd=0.9, sd=0.05, t_score=-1.2, threshold=-2.1, below=False),
    ),
    category=Category.OSTEOPOROSIS,
    crossed=True,
    landmarks=(Landmark(name="c7", x=10.25, y=20.5),),
    rois=(Roi(name="cervical", corners=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))),),
)
REFUSED = ScreeningResult(model=MODEL, refusal=Refusal(code=RefusalCode.NOT_FRONTAL, text="Lateral."))


def test_round_trip_through_json_is_stable() -> None:
    for result in (JUDGED, REFUSED):
        back = ScreeningResult.from_dict(json.loads(json.dumps(result.to_dict())))
        assert back.to_dict() == result.to_dict()
        assert back.sha256 == result.sha256


def test_another_result_has_another_hash() -> None:
    other = dataclasses.replace(JUDGED, findings=JUDGED.findings[:1])
    assert len({JUDGED.sha256, REFUSED.sha256, other.sha256}) == 3


def test_lowest_finding() -> None:
    assert JUDGED.lowest is not None
    assert JUDGED.lowest.vertebra is Vertebra.L1
    assert REFUSED.lowest is None


def test_names_are_complete_and_unique() -> None:
    assert len(set(LANDMARK_NAMES)) == 16
    assert len(set(ROI_NAMES)) == 14


def test_only_refusals_about_chest_films_concern_their_readers() -> None:
    assert RefusalCode.NOT_FRONTAL.concerns_chest_films
    assert not RefusalCode.OWN_OBJECT.concerns_chest_films


def test_a_patient_never_shows_in_a_repr() -> None:
    patient = Patient(patient_id="P123", issuer=None, name="Doe^Jane", birth_date=None, sex="F", age=60)
    assert "P123" not in repr(patient)
    assert "Doe" not in f"{patient}"
