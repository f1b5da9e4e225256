"""PixelMed's validator, which checks content trees row by row against the templates of PS3.16 (as of 2022).

What it says is a list: known and explained here, and nothing new. A run takes some twenty seconds, most of them to
compile the templates, so only the reports that differ in their trees are shown to it.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from integration import peers
from integration.report_cases import Case, judged, report_of
from unit.reporting import cases
from unit.reporting.companions import companion

from screening_node.domain.result import RefusalCode
from screening_node.reporting.kinds import Kind

_PACKAGE = "pixelmed-apps"
_JAR = Path("/usr/share/java/pixelmed.jar")
#: The templates are one style sheet of more operators than Java allows unasked.
_LIMITS = [f"-Djdk.xml.{name}=0" for name in ("xpathTotalOpLimit", "xpathExprOpLimit", "xpathExprGrpLimit")]

KNOWN_ERRORS = re.compile(
    # CID 100 is extensible, and its codes name no view of the chest that every film here has
    r"Code \(399208008,SCT,.* not found in context group 100$"
    # rows 9 and 10 of TID 300 are INFERRED FROM any NUM, row 2 HAS CONCEPT MOD any CODE: it takes properties (TID 310,
    # 311) for one of those, because a wildcard matches them too
    r"|Template 300 .*/\[Row (9|10)\] NUM \*: .*expected INFERRED FROM - found HAS PROPERTIES$"
    r"|Template 300 .*/\[Row 2\] CODE \*: .*\(121402,DCM,.*found HAS PROPERTIES$"
)
#: What extensible templates (TID 1500, 1501, 1410) let a report say beyond their rows, and what came after 2022.
BEYOND_THE_ROWS = {
    "(122405,DCM,",  # Algorithm Manufacturer, since 2023 a row of TID 4019
    "(111017,DCM,",
    "(111050,DCM,",
    "(111052,DCM,",
    "(111053,DCM,",
    "(ALARM,99SCRNODE,",
    "(SENTENCE,99SCRNODE,",
    "(121106,DCM,",
    "(CROSSED,99SCRNODE,",
    "(130400,DCM,",  # Geometric purpose of region, since 2023 a row of TID 1410
}


def said_of(path: Path) -> list[str]:
    peers.require("DicomSRValidator", _PACKAGE)
    command = [peers.require("java", _PACKAGE), *_LIMITS, "-cp", str(_JAR)]
    command += ["com.pixelmed.validate.DicomSRValidator", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=400, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    assert "IOD validation complete" in lines, lines[:10]
    return lines


@pytest.mark.parametrize(
    "case",
    [
        judged(result=cases.calibrated()),
        judged(result=cases.refused(RefusalCode.EXPOSURE), alarm=cases.RETRACTED, revision=2),
    ],
    ids=["alarm", "refused"],
)
def test_a_report_follows_its_templates_but_for_what_is_known(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "report.dcm"
    path.write_bytes(report_of(case, tmp_path).data)
    lines = said_of(path)
    assert "Found Root Template TID_1500 (MeasurementReport)" in lines
    errors = [line for line in lines if line.startswith("Error")]
    assert [line for line in errors if not KNOWN_ERRORS.search(line)] == []
    warnings = [line for line in lines if line.startswith("Warning")]
    assert [line for line in warnings if not line.endswith("Content Item not in template")] == []
    extra = {match[1] for line in warnings if (match := re.search(r"/[A-Z]+ (\([^,]+,[^,]+,)[^/]*$", line))}
    assert extra <= BEYOND_THE_ROWS


def test_a_key_object_follows_its_template(tmp_path: Path) -> None:
    made = companion(Kind.KO, tmp_path, cases.result())
    assert made is not None
    path = tmp_path / "key.dcm"
    path.write_bytes(made.data)
    lines = said_of(path)
    assert [line for line in lines if line.startswith(("Error", "Warning"))] == []
