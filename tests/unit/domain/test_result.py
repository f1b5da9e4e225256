"""Results survive the store, and their hash tells them apart."""

import dataclasses
import json

from screening_node.domain.exam import Patient
from screening_node.domain.result import (
    LANDMARK_NAMES,
    ROI_NAMES,
    Category,
    Explanation,
    GateCheck,
    Landmark,
    ModelIdentity,
    Refusal,
    RefusalCode,
    RegionAnswer,
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


EXPLAINED = dataclasses.replace(
    JUDGED,
    confidence=0.91,
    explanation=Explanation(
        regions=(RegionAnswer(name="lumbar", bmd={"L1": 0.72}, attention=0.25),),
        checks=(GateCheck(name="tilt", value=3.5, most=20.0),),
    ),
)


def test_what_explains_a_result_is_kept_and_says_nothing_new() -> None:
    back = ScreeningResult.from_dict(json.loads(json.dumps(EXPLAINED.to_dict())))
    assert back.to_dict() == EXPLAINED.to_dict()
    assert back.explanation == EXPLAINED.explanation
    assert back.sha256 == JUDGED.sha256, "a report on it would be another one"


def test_a_refusal_keeps_what_the_gate_measured() -> None:
    checks = Explanation(checks=(GateCheck(name="tilt", value=31.0, most=20.0),))
    refusal = dataclasses.replace(REFUSED.refusal, explanation=checks)
    refused = dataclasses.replace(REFUSED, refusal=refusal, explanation=checks)
    assert "explanation" not in refused.to_dict()["refusal"]
    assert ScreeningResult.from_dict(refused.to_dict()).explanation == checks
    assert refused.sha256 == REFUSED.sha256


def test_results_of_earlier_versions_have_no_explanation() -> None:
    old = JUDGED.to_dict()
    del old["explanation"], old["confidence"]
    assert ScreeningResult.from_dict(old) == ScreeningResult.from_dict(JUDGED.to_dict())


def test_a_check_passes_within_its_limits() -> None:
    assert GateCheck(name="tilt", value=20.0, most=20.0).passed
    assert not GateCheck(name="tilt", value=20.1, most=20.0).passed
    assert not GateCheck(name="width_ratio", value=0.69, least=0.7, most=1.6).passed


def test_an_interval_is_given_by_calibrated_weights_alone() -> None:
    plain, _ = JUDGED.findings
    sure = dataclasses.replace(plain, calibrated=True)
    assert plain.interval is None
    assert sure.interval == (plain.bmd - 1.645 * plain.sd, plain.bmd + 1.645 * plain.sd)
    calibrated = dataclasses.replace(JUDGED, findings=(sure,))
    back = ScreeningResult.from_dict(json.loads(json.dumps(calibrated.to_dict())))
    assert back.findings[0].calibrated
    assert back.sha256 == calibrated.sha256 != dataclasses.replace(JUDGED, findings=(plain,)).sha256


def test_a_result_without_calibration_is_stored_as_before() -> None:
    """The same answer has the same hash as in earlier versions, so that no film is reported anew for nothing."""
    assert all("calibrated" not in finding for finding in JUDGED.to_dict()["findings"])
