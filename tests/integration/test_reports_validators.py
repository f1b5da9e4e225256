"""What dciodvfy, DCMTK and highdicom say of every kind of report: no error, and the same numbers."""

import re
import subprocess
from pathlib import Path

import pytest
from highdicom.sr import MeasurementReport, srread
from integration import peers
from integration.report_cases import CASES, READABLE, SR_NAMES, Case, report_of
from unit.reporting import trees

from screening_node.reporting import codes, wording
from screening_node.reporting.language import words

#: The only complaints that are expected: the scheme is ours, the tool is older than Device UID in that place, and
#: what the film does not say the report does not make up.
KNOWN_WARNINGS = re.compile(
    r"Unrecognized defined term = <(99SCRNODE|2\.25\.\d+)>"
    r"|DeviceUID\(0018,1002\)> - Attribute is not present in standard DICOM IOD"
    r"|Missing attribute or value that would be needed to build DICOMDIR"
    r"|The VR checker does not support this Specific Character Set: ISO_IR 192"
)


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


def test_dcmtk_reads_the_tree_without_a_word(case: Case, file: Path) -> None:
    for program, options in (("dsrdump", ("+Pl", "+Pc")), ("dsr2html", ("+Cr",))):
        done = said_by(program, "dcmtk", "-v", *options, file)
        assert done.returncode == 0
        complaints = re.findall(r"^[EWF]: .*", done.stderr, re.MULTILINE)
        assert [line for line in complaints if not KNOWN_WARNINGS.search(line)] == []
        assert "Imaging Measurement Report" in done.stdout
        heading = wording.heading(words(case.language)).split(" - ")[0]
        assert heading.encode("ascii", "xmlcharrefreplace").decode() in done.stdout or heading in done.stdout


@pytest.mark.parametrize("case", READABLE.values(), ids=READABLE)
def test_highdicom_reads_the_same(case: Case, file: Path) -> None:
    """An independent reader of TID 1500: its checked classes accept the tree, and its numbers are ours."""
    read = srread(file)
    assert isinstance(read.content, MeasurementReport)
    say = words(case.language)
    groups = {group.tracking_identifier: group for group in read.content.get_image_measurement_groups()}
    assert len(groups) == 1 + len(case.result.findings)
    for finding in case.result.findings:
        group = groups[say("Bone density of {vertebra}", vertebra=finding.vertebra.value)]
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
