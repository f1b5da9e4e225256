"""What dciodvfy and DCMTK say of every kind of report: no error. PixelMed's template check: nothing new."""

import datetime as dt
import re
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from highdicom.sr import MeasurementReport, srread
from integration import peers
from unit.reporting import cases, trees

from screening_node.domain.alarm import AlarmDecision
from screening_node.domain.result import RefusalCode, ScreeningResult
from screening_node.reporting import codes, document
from screening_node.reporting.reporter import Report, Reporter, SopReference

ABSENT = dict.fromkeys(
    [
        *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "PatientAge"),
        *("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "StudyDescription", "ReferringPhysicianName"),
        *("ImagerPixelSpacing", "PatientOrientation", "Modality", "Rows", "Columns", "SpecificCharacterSet"),
    ]
)
EMPTY = {keyword: b"" for keyword in ABSENT if keyword not in ("Rows", "Columns")}
IDENTIFIERS = (
    *("PatientName", "PatientID", "IssuerOfPatientID", "StudyID", "AccessionNumber"),
    *("StudyDescription", "ReferringPhysicianName"),
)
#: The only complaints that are expected: the scheme is ours, the tool is older than Device UID in that place, and
#: what the film does not say the report does not make up.
KNOWN_WARNINGS = re.compile(
    r"Unrecognized defined term = <(99SCRNODE|2\.25\.\d+)>"
    r"|DeviceUID\(0018,1002\)> - Attribute is not present in standard DICOM IOD"
    r"|Missing attribute or value that would be needed to build DICOMDIR"
    r"|The VR checker does not support this Specific Character Set: ISO_IR 192"
)
#: highdicom 0.28.2 cannot read a NUM without a value, which PS3.3 section C.18.1 allows.
UNREADABLE_FOR_HIGHDICOM = "failed measurement"
SR_NAMES = {
    document.COMPREHENSIVE_3D_SR: "Comprehensive3DSR",
    document.COMPREHENSIVE_SR: "ComprehensiveSR",
    document.ENHANCED_SR: "EnhancedSR",
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A film's header, what was said of it, and how it is reported."""

    header: dict[str, Any]
    result: ScreeningResult
    alarm: AlarmDecision
    sop_class_uid: str = document.COMPREHENSIVE_3D_SR
    revision: int = 1


def judged(header: dict[str, Any] | None = None, **changes: Any) -> Case:
    return Case(**{"header": header or {}, "result": cases.result(), "alarm": cases.RAISED} | changes)


CASES = {
    "alarm": judged(),
    "no alarm": judged(result=cases.normal(), alarm=cases.NOT_RAISED),
    "no geometry": judged(result=cases.result(geometry=False)),
    "some vertebrae": judged(result=replace(cases.result(), findings=cases.result().findings[:1])),
    "failed measurement": judged(
        result=replace(cases.normal(), findings=(replace(cases.normal().findings[0], bmd=float("nan")),)),
        alarm=cases.NOT_RAISED,
    ),
    "revised": judged(revision=2),
    "MONOCHROME1": judged({"PhotometricInterpretation": "MONOCHROME1"}),
    "CR": judged({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1", "Modality": "CR"}),
    "time zone": judged({"TimezoneOffsetFromUTC": "+0845"}),
    "nothing in the header": judged(ABSENT),
    "empty elements": judged(EMPTY),
    "sex O": judged({"PatientSex": b"O"}),
    "sex U": judged({"PatientSex": b"U"}),
    "odd dates": judged(
        {"StudyDate": b"2026.03.04", "StudyTime": b"10:11:12", "PatientBirthDate": b"0000", "PatientAge": b"76"}
    ),
    "impossible dates": judged({"StudyDate": b"20261399", "StudyTime": b"999999", "PatientBirthDate": b"20990101"}),
    "everything too long": judged(dict.fromkeys(IDENTIFIERS, b"X" * 200)),
    "long description": judged(
        {"StudyDescription": ("Thorax in zwei Ebenen, äußerst ausführlich " * 4).encode("latin-1")}
    ),
    "bad spacing and orientation": judged({"ImagerPixelSpacing": b"0\\0", "PatientOrientation": b"X"}),
    "GB18030": judged({"SpecificCharacterSet": b"GB18030", "PatientName": "Wang^XiaoDong=王^小东".encode("gb18030")}),
    "Chinese, ISO 2022": judged(
        {
            "SpecificCharacterSet": b"\\ISO 2022 IR 58",
            "PatientName": b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=",
        }
    ),
    "Korean": judged(
        {
            "SpecificCharacterSet": b"\\ISO 2022 IR 149",
            "PatientName": b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab",
        }
    ),
    "Japanese, ISO 2022": judged(
        {
            "SpecificCharacterSet": b"ISO 2022 IR 13\\ISO 2022 IR 87",
            "PatientName": b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J",
        }
    ),
    "Shift-JIS": judged({"SpecificCharacterSet": b"ISO_IR 13", "PatientName": "山田^太郎".encode("shift_jis")}),
    "Latin-1": judged({"PatientName": "Buc^Jérôme".encode("latin-1")}),
    "Latin-1, not declared": judged({"SpecificCharacterSet": None, "PatientName": "Buc^Jérôme".encode("latin-1")}),
    "Arabic": judged({"SpecificCharacterSet": b"ISO_IR 127", "PatientName": "قباني^لنزار".encode("iso8859-6")}),
    "unknown character set": judged({"SpecificCharacterSet": b"KLINGON", "PatientName": b"\xe9^\xe8"}),
    **{f"refused: {code.value}": judged(result=cases.refused(code), alarm=cases.NOT_EVALUATED) for code in RefusalCode},
    **{f"alarm as {name}": judged(sop_class_uid=uid) for uid, name in SR_NAMES.items()},
    **{
        f"refused as {name}": judged(
            result=cases.refused(RefusalCode.EXPOSURE), alarm=cases.NOT_EVALUATED, sop_class_uid=uid
        )
        for uid, name in SR_NAMES.items()
    },
    "revised as EnhancedSR": judged(sop_class_uid=document.ENHANCED_SR, revision=3),
}
READABLE = {name: case for name, case in CASES.items() if name != UNREADABLE_FOR_HIGHDICOM}


def report_of(case: Case, folder: Path) -> Report:
    film = cases.film_file(folder / "film.dcm", **case.header)
    reporter = Reporter(cases.TABLE, software_version="0.1.0", zone=dt.UTC, sop_class_uid=case.sop_class_uid)
    before = SopReference(sop_class_uid=case.sop_class_uid, sop_instance_uid="2.25.1") if case.revision > 1 else None
    return reporter.report(film, case.result, case.alarm, cases.AT, case.revision, before)


@pytest.fixture(params=CASES.values(), ids=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture
def file(case: Case, tmp_path: Path) -> Path:
    path = tmp_path / "report.dcm"
    path.write_bytes(report_of(case, tmp_path).data)
    return path


def said_by(program: str, package: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [peers.require(program, package), *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=120, check=False)


def test_dciodvfy_finds_no_error(case: Case, file: Path) -> None:
    done = said_by("dciodvfy", "dicom3tools", "-new", file)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    assert SR_NAMES[case.sop_class_uid] in lines
    unexpected = [line for line in lines if line != SR_NAMES[case.sop_class_uid] and not KNOWN_WARNINGS.search(line)]
    assert unexpected == []
    assert done.returncode == 0


def test_dcmtk_reads_the_tree_without_a_word(file: Path) -> None:
    for program, options in (("dsrdump", ("+Pl", "+Pc")), ("dsr2html", ("+Cr",))):
        done = said_by(program, "dcmtk", "-v", *options, file)
        assert done.returncode == 0
        complaints = re.findall(r"^[EWF]: .*", done.stderr, re.MULTILINE)
        assert [line for line in complaints if not KNOWN_WARNINGS.search(line)] == []
        assert "Imaging Measurement Report" in done.stdout
        assert "RESEARCH USE - NOT FOR DIAGNOSTIC USE" in done.stdout


@pytest.mark.parametrize("case", READABLE.values(), ids=READABLE)
def test_highdicom_reads_the_same(case: Case, file: Path) -> None:
    """An independent reader of TID 1500: its checked classes accept the tree, and its numbers are ours."""
    read = srread(file)
    assert isinstance(read.content, MeasurementReport)
    groups = {group.tracking_identifier: group for group in read.content.get_image_measurement_groups()}
    assert len(groups) == 1 + len(case.result.findings)
    for finding in case.result.findings:
        group = groups[f"Bone density of {finding.vertebra.value}"]
        numbers = [measured.value for measured in group.get_measurements()]
        assert numbers == pytest.approx([finding.bmd, finding.sd, finding.t_score, finding.threshold], abs=6e-3)
    regions = read.content.get_planar_roi_measurement_groups()
    assert len(regions) == len(case.result.rois) + len(case.result.landmarks)


def test_a_radiologist_who_sees_values_only_is_not_misled(tmp_path: Path) -> None:
    """Many viewers hide concept names: each value of the patient group says by itself what it is about."""
    for name in ("alarm", "no alarm", "refused: not-frontal"):
        read = trees.parsed(report_of(CASES[name], tmp_path))
        group = trees.groups(read)["Lumbar bone density of the patient"]
        shown = [trees.value(item) for item in group.ContentSequence if item.ValueType in ("CODE", "TEXT")]
        words = [value.meaning if hasattr(value, "meaning") else value for value in shown]
        assert not {word.casefold() for word in words} & {
            "yes",
            "no",
            "true",
            "false",
            "raised",
            "positive",
            "negative",
        }
        assert any("Bone density alarm" in word for word in words)
    vertebra = trees.groups(trees.parsed(report_of(CASES["alarm"], tmp_path)))["Bone density of L1"]
    units = [trees.value(item)[1].meaning for item in vertebra.ContentSequence if item.ValueType == "NUM"]
    assert units == ["g/cm2", "g/cm2", "T-score", "T-score"]
    assert trees.value(trees.child(vertebra, codes.THRESHOLD_CROSSED)).meaning == "T-score below alarm threshold"
