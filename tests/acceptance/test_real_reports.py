"""Reports on the real films, whatever their headers say: valid, or an error of our own."""

import datetime as dt
import re
import subprocess
from pathlib import Path

import pytest
from integration import peers
from unit.reporting import cases

from screening_node.domain.result import RefusalCode
from screening_node.errors import UnreadableObject
from screening_node.reporting.reporter import Reporter

pytestmark = pytest.mark.real_films
#: Whose headers name no study; the intake refuses them, so that nobody asks for their report.
WITHOUT_STUDY = {"dx_vet_leg_ybr_jpegbaseline.dcm"}


def complaints(program: str, package: str, *arguments: str | Path) -> list[str]:
    command = [peers.require(program, package), *(str(argument) for argument in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=120, check=False)
    said = (done.stdout if program == "dciodvfy" else "") + done.stderr
    found = re.findall(r"^(?:Error|[EWF]:).*", said, re.MULTILINE)
    return [line for line in found if "Specific Character Set: ISO_IR 192" not in line]


def test_every_report_is_valid(real_films: Path, tmp_path: Path) -> None:
    reporter = Reporter(cases.TABLE, software_version="0.1.0", zone=dt.UTC)
    files = sorted([*(real_films / "cxr_dicom").glob("*.dcm"), *(real_films / "not_cxr_dicom").glob("*.dcm")])
    without_study = set()
    for file in files:
        for result, alarm in (
            (cases.result(), cases.RAISED),
            (cases.refused(RefusalCode.NOT_A_RADIOGRAPH), cases.NOT_EVALUATED),
        ):
            try:
                report = reporter.report(file, result, alarm, cases.AT)
            except UnreadableObject:
                without_study.add(file.name)
                continue
            path = tmp_path / "report.dcm"
            path.write_bytes(report.data)
            assert complaints("dciodvfy", "dicom3tools", "-new", path) == [], file.name
            assert complaints("dsrdump", "dcmtk", path) == [], file.name
    assert without_study == WITHOUT_STUDY
