"""What HL7 v2 and FHIR messages have in common: the same facts as the Structured Report, under the same codes."""

import datetime as dt
from pathlib import Path

import pytest
from message_peers import bundle, strict
from unit.reporting import cases, trees
from unit.reporting.messages import Said, alarm_for, in_fhir, in_hl7, key, made

from screening_node.domain.result import RefusalCode, ScreeningResult, Vertebra
from screening_node.reporting import codes
from screening_node.reporting.language import Language
from screening_node.reporting.message import Addressing, MessageFormat, control_id
from screening_node.reporting.reporter import Reporter

SITES = {code.value: vertebra.value for vertebra, code in codes.VERTEBRAE.items()} | {
    codes.LUMBAR_SPINE.value: "patient"
}
#: What only one format says as a fact: FHIR has elements of its own for them.
HL7_ONLY = {key(codes.COMMENT), key(codes.REPLACES)}
RESULTS = {"alarm": cases.result(), "no alarm": cases.normal()} | {
    code.value: cases.refused(code) for code in RefusalCode
}
FORMATS = list(MessageFormat)
NAMES = {
    "latin": {"PatientName": "Müller^Jörg^Ägidius^Dr.^d. J."},
    "chinese": {"SpecificCharacterSet": "GB18030", "PatientName": "王^小明"},
    "three groups": {"SpecificCharacterSet": "ISO_IR 192", "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう"},
    "korean": {"SpecificCharacterSet": "ISO_IR 192", "PatientName": "Hong^Gildong=洪^吉洞=홍^길동"},
    "arabic": {"SpecificCharacterSet": "ISO_IR 192", "PatientName": "عبد الرحمن^محمد"},
    "hostile": {"SpecificCharacterSet": "ISO_IR 192", "PatientName": "O|Neil&So~n^A#1", "PatientID": "P|1^2&3~4"},
    "nothing": dict.fromkeys(
        (
            "PatientName",
            "PatientID",
            "IssuerOfPatientID",
            "PatientBirthDate",
            "PatientSex",
            "AccessionNumber",
            "StudyDate",
            "StudyTime",
            "ReferringPhysicianName",
        ),
        b"",
    ),
    "other": {"PatientSex": "O", "PatientBirthDate": b"1950", "StudyTime": "10", "AccessionNumber": "A|1"},
    "zone": {"TimezoneOffsetFromUTC": "+0900", "StudyTime": "101112.123456"},
}


def checked(report_data: bytes, form: MessageFormat) -> None:
    """The strictest reading there is of each format."""
    if form is MessageFormat.ORU_R01:
        strict(report_data)
    else:
        bundle(report_data, r5=form is MessageFormat.FHIR_R5)


@pytest.mark.parametrize("name", RESULTS)
def test_hl7_and_fhir_say_the_same(name: str, tmp_path: Path) -> None:
    result = RESULTS[name]
    in_oru = {said for said in in_hl7(made(tmp_path, result)) if said.concept not in HL7_ONLY}
    for form in (MessageFormat.FHIR_R4, MessageFormat.FHIR_R5):
        assert in_fhir(made(tmp_path, result, form), SITES) == in_oru


def test_they_say_what_the_structured_report_says(tmp_path: Path) -> None:
    """Vertebra by vertebra: read back from the SR's bytes, from the messages' bytes."""
    result = cases.result()
    film = cases.film_file(tmp_path / "film.dcm")
    reporter = Reporter(cases.TABLE, software_version="0.1", zone=dt.UTC)
    groups = trees.groups(trees.parsed(reporter.report(film, result, alarm_for(result), cases.AT)))
    said = in_hl7(made(tmp_path, result))
    for vertebra in Vertebra:
        group = groups[f"Bone density of {vertebra.value}"]
        bmd, sd = (trees.value(item) for item in trees.children(group, codes.BONE_DENSITY))
        t_score = trees.value(trees.child(group, codes.T_SCORE))
        crossed = trees.value(trees.child(group, codes.THRESHOLD_CROSSED))
        assert Said(vertebra, key(codes.BONE_DENSITY), float(bmd[0]), str(bmd[1].value)) in said
        assert Said(vertebra, key(codes.STANDARD_DEVIATION), float(sd[0]), "g/cm2") in said
        assert Said(vertebra, key(codes.T_SCORE), float(t_score[0]), "{T-score}") in said
        assert Said(vertebra, key(codes.THRESHOLD_CROSSED), key(crossed)) in said


def test_an_alarm_and_where(tmp_path: Path) -> None:
    said = in_hl7(made(tmp_path, cases.result()))
    assert Said("patient", key(codes.BONE_DENSITY_ALARM), ("ALARM-RAISED", "99SCRNODE")) in said
    assert Said("patient", key(codes.FINDING), ("449781000", "SCT")) in said
    assert Said("lowest", key(codes.LOWEST_T_SCORE), -2.61, "{T-score}") in said
    assert Said("lowest", key(codes.FINDING_SITE), ("14293000", "SCT")) in said
    assert Said("patient", key(codes.LIMITS_OF_USE), cases.MODEL.limits_of_use) in said


@pytest.mark.parametrize("code", RefusalCode)
def test_a_refusal_has_its_code_and_no_density(code: RefusalCode, tmp_path: Path) -> None:
    said = in_hl7(made(tmp_path, cases.refused(code)))
    assert Said("patient", key(codes.QUALITY_FINDING), key(codes.REFUSALS[code])) in said
    assert Said("patient", key(codes.BONE_DENSITY_ALARM), ("ALARM-NOT-EVAL", "99SCRNODE")) in said
    assert not [one for one in said if isinstance(one.value, float)]


def test_a_refusal_that_replaces_densities_takes_them_back(tmp_path: Path) -> None:
    result = cases.refused(RefusalCode.HARDWARE)
    said = in_hl7(made(tmp_path, result, revision=2, previous="2.25.1"))
    taken_back = {Said(vertebra.value, key(codes.BONE_DENSITY), None) for vertebra in Vertebra}
    assert taken_back <= said
    for form in (MessageFormat.FHIR_R4, MessageFormat.FHIR_R5):
        assert taken_back <= in_fhir(made(tmp_path, result, form, revision=2, previous="2.25.1"), SITES)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("result", [cases.result(), cases.refused(RefusalCode.NOT_FRONTAL)], ids=["judged", "refused"])
def test_every_header_gives_a_valid_message(
    form: MessageFormat, name: str, result: ScreeningResult, tmp_path: Path
) -> None:
    checked(made(tmp_path, result, form, **NAMES[name]).data, form)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("language", Language)
def test_every_language_gives_a_valid_message_with_the_same_codes(
    form: MessageFormat, language: Language, tmp_path: Path
) -> None:
    report = made(tmp_path, cases.result(), form, language=language)
    checked(report.data, form)
    read = in_hl7 if form is MessageFormat.ORU_R01 else lambda one: in_fhir(one, SITES)
    english = read(made(tmp_path, cases.result(), form))
    assert {one for one in read(report) if not isinstance(one.value, str)} == {
        one for one in english if not isinstance(one.value, str)
    }


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_again_gives_the_same_bytes(form: MessageFormat, tmp_path: Path) -> None:
    one, other = (made(tmp_path, cases.result(), form) for _ in range(2))
    assert one == other


@pytest.mark.parametrize("form", FORMATS)
def test_anything_else_gives_another_uid(form: MessageFormat, tmp_path: Path) -> None:
    first = made(tmp_path, cases.result(), form)
    others = [
        made(tmp_path, cases.normal(), form),
        made(tmp_path, cases.result(), form, alarm=cases.NOT_RAISED),
        made(tmp_path, cases.result(), form, revision=2),
        made(tmp_path, cases.result(), form, revision=2, previous="2.25.1"),
        made(tmp_path, cases.result(), form, addressing=Addressing(receiving_facility="OTHER")),
        *(made(tmp_path, cases.result(), one) for one in FORMATS if one is not form),
    ]
    uids = [report.sop_instance_uid for report in (first, *others)]
    assert len(set(uids)) == len(uids)
    assert len({control_id(uid) for uid in uids}) == len(uids)


@pytest.mark.parametrize("form", FORMATS)
def test_limits_of_use_go_with_the_bundle(form: MessageFormat, tmp_path: Path) -> None:
    """As long as the bundle's card demands them, and no longer."""
    assert cases.MODEL.limits_of_use in made(tmp_path, cases.result(), form).data.decode()


def test_files_are_named_for_what_they_are(tmp_path: Path) -> None:
    assert [made(tmp_path, cases.normal(), form).suffix for form in FORMATS] == [".hl7", ".json", ".json"]
