"""HL7 v2 ORU^R01: segments, names, escapes, statuses."""

from pathlib import Path

import pytest
from message_peers import strict
from unit.reporting import cases
from unit.reporting.messages import made, rows, segment

from screening_node.reporting.hl7_text import escaped, formatted
from screening_node.reporting.message import Addressing, control_id


def test_the_header_names_both_sides_and_utf_8(tmp_path: Path) -> None:
    addressing = Addressing(
        sending_application="NODE",
        sending_facility="X-RAY",
        receiving_application="RIS",
        receiving_facility="ST. MARY & CO",
        processing="T",
    )
    report = made(tmp_path, cases.result(), addressing=addressing)
    header = segment(strict(report.data), "MSH")
    first = report.data.decode().split("\r")[0].split("|")
    assert first[:6] == ["MSH", r"^~\&", "NODE", "X-RAY", "RIS", r"ST. MARY \T\ CO"]
    assert header.msh_7.value == "20260304050607+0000"
    assert header.msh_9.value == "ORU^R01^ORU_R01"
    assert (header.msh_11.value, header.msh_12.value, header.msh_18.value) == ("T", "2.5.1", "UNICODE UTF-8")
    assert header.msh_10.value == control_id(report.sop_instance_uid)
    assert len(header.msh_10.value) == 20


def test_the_patient_is_the_films(tmp_path: Path) -> None:
    (pid,) = rows(made(tmp_path, cases.result()), "PID")
    assert pid[3] == "P-1^^^HOSPITAL^PI"
    assert pid[5] == "Doe^Jane"
    assert (pid[7], pid[8]) == ("19500102", "F")


def test_where_the_film_names_no_issuer_the_site_does(tmp_path: Path) -> None:
    addressing = Addressing(assigning_authority="SITE")
    (pid,) = rows(made(tmp_path, cases.result(), addressing=addressing, IssuerOfPatientID=None), "PID")
    assert pid[3] == "P-1^^^SITE^PI"
    (pid,) = rows(made(tmp_path, cases.result(), addressing=addressing), "PID")
    assert pid[3] == "P-1^^^HOSPITAL^PI"


@pytest.mark.parametrize(
    ("issuer", "authority"),
    [
        ("TWENTY CHARACTERS OK", "TWENTY CHARACTERS OK"),
        ("TWENTY-ONE CHARACTERS", "&TWENTY-ONE CHARACTERS&L"),
        ("A&B NATIONAL HEALTH INSURANCE", r"&A\T\B NATIONAL HEALTH INSURANCE&L"),
        ("1.2.276.0.76.3.1.78", "&1.2.276.0.76.3.1.78&ISO"),
        ("1.2.276.0.76.3.1.78.1.0.10", "&1.2.276.0.76.3.1.78.1.0.10&ISO"),
        ("1.02", "1.02"),
    ],
)
def test_an_issuer_stands_where_it_has_room(issuer: str, authority: str, tmp_path: Path) -> None:
    report = made(tmp_path, cases.result(), IssuerOfPatientID=issuer.encode())
    (pid,) = rows(report, "PID")
    assert pid[3] == f"P-1^^^{authority}^PI"
    strict(report.data)


def test_nobody_is_made_up(tmp_path: Path) -> None:
    header = dict.fromkeys(("PatientID", "PatientName", "PatientBirthDate", "PatientSex"), b"")
    (pid,) = rows(made(tmp_path, cases.result(), **header), "PID")
    assert (pid[3], pid[5], pid[7], pid[8]) == ('""', '""', "", "U")


def test_names_keep_their_parts_groups_and_script(tmp_path: Path) -> None:
    """A PN has prefix before suffix, an XPN the other way round; each group says which writing it is."""
    name = "Yamada^Tarou^M^Dr^Jr=山田^太郎=やまだ^たろう"
    report = made(tmp_path, cases.result(), SpecificCharacterSet="ISO_IR 192", PatientName=name)
    (pid,) = rows(report, "PID")
    assert pid[5] == "Yamada^Tarou^M^Jr^Dr^^^A~山田^太郎^^^^^^I~やまだ^たろう^^^^^^P"


@pytest.mark.parametrize("name", ["王^小明", "홍^길동", "Иванов^Иван", "عبد الرحمن^محمد"])
def test_names_survive_in_utf_8(name: str, tmp_path: Path) -> None:
    report = made(tmp_path, cases.result(), SpecificCharacterSet="ISO_IR 192", PatientName=name)
    assert rows(report, "PID")[0][5] == name


def test_delimiters_in_values_are_escaped(tmp_path: Path) -> None:
    report = made(tmp_path, cases.result(), PatientName="O|Neil&~^Ann#", AccessionNumber="A|1&2")
    (pid,), (obr,) = rows(report, "PID"), rows(report, "OBR")
    assert pid[5] == r"O\F\Neil\T\\R\^Ann#"
    assert obr[18] == r"A\F\1\T\2"
    assert segment(strict(report.data), "PID").pid_8.value == "F"


def test_text() -> None:
    assert escaped("a|b^c&d~e\\f") == r"a\F\b\S\c\T\d\R\e\E\f"
    assert escaped("one\r\ntwo\x0b\x1c") == "one two"
    assert formatted("one\r\n\r\ntwo|") == r"one\.br\\.br\two\F" + "\\"


def test_the_order_is_the_same_through_revisions_and_the_status_says_which(tmp_path: Path) -> None:
    first = made(tmp_path, cases.result())
    second = made(tmp_path, cases.normal(), revision=2, previous=first.sop_instance_uid)
    (before,), (after,) = rows(first, "OBR"), rows(second, "OBR")
    assert before[3] == after[3]
    assert (before[25], after[25]) == ("P", "C")
    assert {obx[11] for obx in rows(first, "OBX")} == {"O", "P"}
    assert {obx[11] for obx in rows(second, "OBX")} == {"O", "C"}
    (named,) = [obx for obx in rows(second, "OBX") if obx[3].startswith("REPLACES^")]
    assert named[5] == control_id(first.sop_instance_uid)
    assert not [obx for obx in rows(first, "OBX") if obx[3].startswith("REPLACES^")]


def test_the_service_is_not_the_chest_films(tmp_path: Path) -> None:
    (obr,) = rows(made(tmp_path, cases.result()), "OBR")
    expected = "SERVICE^Bone density estimate from a chest film^99SCRNODE^18748-4^Diagnostic imaging study^LN"
    assert obr[4] == expected
    assert (obr[7], obr[18], obr[22], obr[24]) == ("20260304101112", "A1", "20260304050607+0000", "RAD")
    assert obr[16] == "^Ref^Physician"


def test_the_study_comes_first(tmp_path: Path) -> None:
    (first, *_) = rows(made(tmp_path, cases.result()), "OBX")
    assert first[2:6] == ["ST", "113014^DICOM Study^DCM", "", "1.2.826.0.1.3680043.10.999.1"]


def test_numbers_have_units_methods_and_flags(tmp_path: Path) -> None:
    observed = rows(made(tmp_path, cases.result()), "OBX")
    (bmd,) = [obx for obx in observed if obx[3] == "C0005938^Bone density L1^UML"]
    assert (bmd[2], bmd[4], bmd[5], bmd[6]) == ("NM", "L1", "0.732", "g/cm2^g/cm2^UCUM")
    assert bmd[17].startswith("M-RADIOGRAPH^")
    flags = {obx[4]: obx[8] for obx in observed if obx[3].startswith("TSCORE^")}
    assert flags == {"L1": "L", "L2": "L", "L3": "", "L4": ""}
    (threshold, *_) = [obx for obx in observed if obx[3].startswith("THRESHOLD^")]
    assert threshold[17] == ""


def test_the_whole_is_there_as_text_with_line_breaks(tmp_path: Path) -> None:
    *_, last = rows(made(tmp_path, cases.result()), "OBX")
    assert last[2:4] == ["FT", "121106^Comment^DCM"]
    assert r"\.br\BONE DENSITY ALARM RAISED" in last[5]
    assert last[5].count(r"\.br\L1: 0.732 g/cm2") == 1


def test_times_are_as_exact_as_the_films(tmp_path: Path) -> None:
    (obr,) = rows(made(tmp_path, cases.result(), StudyTime="101112.123456", TimezoneOffsetFromUTC="+0900"), "OBR")
    assert obr[7] == "20260304101112.1234+0900"
    assert obr[22] == "20260304140607+0900"
    (obr,) = rows(made(tmp_path, cases.result(), StudyTime=None, TimezoneOffsetFromUTC="+0900"), "OBR")
    assert obr[7] == "20260304"
    (obr,) = rows(made(tmp_path, cases.result(), StudyDate=None), "OBR")
    assert obr[7] == ""
