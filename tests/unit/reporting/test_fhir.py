"""FHIR bundles: identities, patients, statuses, predecessors; R4 and R5."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from unit.reporting import cases
from unit.reporting.messages import made, resources

from screening_node.domain.result import RefusalCode
from screening_node.reporting.message import Addressing, MessageFormat
from screening_node.reporting.reporter import Report

R4, R5 = MessageFormat.FHIR_R4, MessageFormat.FHIR_R5
both = pytest.mark.parametrize("form", [R4, R5])
SYSTEM = "urn:oid:1.2.276.0.99"


def entries(report: Report) -> list[dict[str, Any]]:
    return list(json.loads(report.data)["entry"])


def the_report(report: Report) -> dict[str, Any]:
    (found,) = resources(report, "DiagnosticReport")
    return found


def ids(report: Report) -> set[str]:
    return {entry["request"]["url"] for entry in entries(report) if entry["request"]["method"] == "PUT"}


@both
def test_everything_is_put_under_ids_of_its_own_and_all_references_resolve(form: MessageFormat, tmp_path: Path) -> None:
    report = made(tmp_path, cases.result(), form)
    urls = {entry["fullUrl"] for entry in entries(report)}
    assert len(urls) == len(entries(report)) == 9  # Device, Patient, alarm, sentence, L1..L4, report
    references = {word for word in report.data.decode().split('"') if word.startswith("urn:uuid:")}
    assert references == urls
    for entry in entries(report):
        if entry["request"]["method"] == "PUT":
            kind, identifier = entry["request"]["url"].split("/")
            assert entry["resource"]["resourceType"] == kind
            assert entry["fullUrl"] == f"urn:uuid:{identifier}"
            assert entry["resource"]["id"] == identifier


@both
def test_a_revision_replaces_what_was_said_and_names_it(form: MessageFormat, tmp_path: Path) -> None:
    first = made(tmp_path, cases.result(), form)
    second = made(tmp_path, cases.normal(), form, revision=2, previous=first.sop_instance_uid)
    assert ids(first) == ids(second)
    assert the_report(first)["status"] == "preliminary"
    assert the_report(second)["status"] == "amended"
    assert {one["status"] for one in resources(first, "Observation")} == {"preliminary"}
    assert {one["status"] for one in resources(second, "Observation")} == {"amended"}
    (extension,) = the_report(second)["extension"]
    assert extension["url"].endswith("/diagnosticReport-replaces")
    assert extension["valueReference"]["identifier"]["value"] == f"urn:oid:{first.sop_instance_uid}"
    assert "extension" not in the_report(first)


@both
def test_a_refusal_after_densities_cancels_them(form: MessageFormat, tmp_path: Path) -> None:
    before = made(tmp_path, cases.result(), form)
    refused = made(tmp_path, cases.refused(RefusalCode.HARDWARE), form, revision=2, previous=before.sop_instance_uid)
    assert ids(refused) == ids(before)
    statuses = [one["status"] for one in resources(refused, "Observation")]
    assert sorted(statuses) == ["amended", "amended", *["cancelled"] * 4]


@both
def test_the_patient_is_created_only_where_the_server_knows_nobody(form: MessageFormat, tmp_path: Path) -> None:
    (entry,) = [entry for entry in entries(made(tmp_path, cases.result(), form)) if "ifNoneExist" in entry["request"]]
    assert entry["request"] == {"method": "POST", "url": "Patient", "ifNoneExist": f"identifier={SYSTEM}|P-1"}
    patient = entry["resource"]
    assert patient["identifier"] == [{"system": SYSTEM, "value": "P-1", "assigner": {"display": "HOSPITAL"}}]
    assert patient["name"] == [{"text": "Jane Doe", "family": "Doe", "given": ["Jane"]}]
    assert (patient["gender"], patient["birthDate"]) == ("female", "1950-01-02")


@pytest.mark.parametrize(
    ("addressing", "header"),
    [
        (Addressing(assigning_authority="HOSPITAL"), {}),
        (Addressing(assigning_authority="ELSEWHERE", patient_system=SYSTEM), {}),
    ],
    ids=["no system", "another issuer"],
)
def test_else_the_patient_is_only_pointed_to(addressing: Addressing, header: dict[str, Any], tmp_path: Path) -> None:
    report = made(tmp_path, cases.result(), R4, addressing=addressing, **header)
    assert resources(report, "Patient") == []
    subject = the_report(report)["subject"]
    assert subject["identifier"] == {"value": "P-1", "assigner": {"display": "HOSPITAL"}}
    assert "reference" not in subject


def test_nobody_is_made_up(tmp_path: Path) -> None:
    report = made(tmp_path, cases.result(), R4, PatientID=b"", PatientName=b"")
    assert resources(report, "Patient") == []
    assert "subject" not in the_report(report)


def test_delimiters_in_an_identifier_are_escaped(tmp_path: Path) -> None:
    report = made(tmp_path, cases.result(), R4, PatientID="P|1,2 &x=$")
    (entry,) = [entry for entry in entries(report) if "ifNoneExist" in entry["request"]]
    assert entry["request"]["ifNoneExist"] == rf"identifier={SYSTEM}|P%5C%7C1%5C%2C2%20%26x%3D%5C%24"
    assert entry["resource"]["identifier"][0]["value"] == "P|1,2 &x=$"


def test_names_keep_their_groups(tmp_path: Path) -> None:
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    report = made(tmp_path, cases.result(), R5, SpecificCharacterSet="ISO_IR 192", PatientName=name)
    (patient,) = resources(report, "Patient")
    assert [(one["family"], one["extension"][0]["valueCode"]) for one in patient["name"]] == [
        ("Yamada", "ABC"),
        ("山田", "IDE"),
        ("やまだ", "SYL"),
    ]


@both
def test_order_study_and_text(form: MessageFormat, tmp_path: Path) -> None:
    report = the_report(made(tmp_path, cases.result(), form))
    assert report["basedOn"][0]["identifier"]["value"] == "A1"
    study = report["imagingStudy" if form is R4 else "study"][0]["identifier"]
    assert study == {"system": "urn:dicom:uid", "value": "urn:oid:1.2.826.0.1.3680043.10.999.1"}
    text = base64.b64decode(report["presentedForm"][0]["data"]).decode()
    assert "BONE DENSITY ALARM RAISED" in text
    assert report["conclusion"].startswith("Opportunistic bone density estimate")
    assert "BONE DENSITY ALARM RAISED" in report["text"]["div"]
    assert [one["coding"][0]["code"] for one in report["conclusionCode"]] == ["449781000"]


def test_without_an_alarm_there_is_no_conclusion_code(tmp_path: Path) -> None:
    assert "conclusionCode" not in the_report(made(tmp_path, cases.normal(), R4))


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"TimezoneOffsetFromUTC": "-0330"}, "2026-03-04T10:11:12-03:30"),
        ({}, "2026-03-04"),
        ({"TimezoneOffsetFromUTC": "+0000", "StudyTime": "1011"}, "2026-03-04"),
        ({"TimezoneOffsetFromUTC": "+0000", "StudyTime": "235960"}, "2026-03-04"),
        ({"StudyDate": None}, None),
    ],
)
def test_a_time_needs_a_zone(header: dict[str, Any], said: str | None, tmp_path: Path) -> None:
    assert the_report(made(tmp_path, cases.result(), R4, **header)).get("effectiveDateTime") == said
