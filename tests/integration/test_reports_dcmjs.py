"""dcmjs, which OHIF reads reports with, reads the same numbers and regions: a reader that is not Python."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from integration import peers
from integration.report_cases import CASES, report_of
from unit.reporting import trees

from screening_node.reporting import codes

FOLDER = Path(__file__).parents[1] / "dcmjs"


def require_dcmjs() -> str:
    """Node's program, once dcmjs is there; what is missing is dealt with as ``peers.require`` does."""
    node = peers.require("node", "nodejs npm")
    if not (FOLDER / "node_modules" / "dcmjs").is_dir():
        peers.missing("dcmjs is missing: npm ci --ignore-scripts --prefix tests/dcmjs")
    return node


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What dcmjs reads, and the report itself, by case; one process for all."""
    folder, node = tmp_path_factory.mktemp("dcmjs"), require_dcmjs()
    reports = {name: report_of(case, folder) for name, case in CASES.items()}
    files = [folder / f"{number}.dcm" for number in range(len(reports))]
    for file, report in zip(files, reports.values(), strict=True):
        file.write_bytes(report.data)
    command = [node, str(FOLDER / "read.js"), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.strip("\n").split("\n")]
    assert len(said) == len(reports)
    return {name: (one, trees.parsed(report)) for (name, report), one in zip(reports.items(), said, strict=True)}


@pytest.mark.parametrize("name", CASES)
def test_it_reads_the_same_numbers_under_the_same_names(name: str, read: dict[str, Any]) -> None:
    said, report = read[name]
    groups = {mended(group["tracking"]): group for group in said["groups"]}
    ours = trees.groups(report)
    assert list(groups) == list(ours)
    for tracking, group in ours.items():
        numbers = [(item, trees.value(item)) for item in group.ContentSequence if item.ValueType == "NUM"]
        assert [(one["name"], one["value"], one["unit"]) for one in groups[tracking]["numbers"]] == [
            (
                item.ConceptNameCodeSequence[0].CodeValue,
                None if value is None else float(value[0]),
                None if value is None else value[1].value,
            )
            for item, value in numbers
        ]


def mended(text: str) -> str:
    """dcmjs 0.52.2 takes text within sequences for Latin-1, whatever Specific Character Set says of the data set."""
    return text.encode("latin-1").decode("utf-8")


def test_it_reads_regions_and_landmarks(read: dict[str, Any]) -> None:
    said, report = read["alarm"]
    regions = [region for group in said["groups"] for region in group["regions"]]
    ours = [item for group in trees.groups(report).values() for item in trees.children(group, codes.IMAGE_REGION)]
    assert len(regions) == len(ours) == len(CASES["alarm"].result.rois) + len(CASES["alarm"].result.landmarks)
    for region, item in zip(regions, ours, strict=True):
        assert region["type"] == item.GraphicType
        assert region["points"] == pytest.approx(list(item.GraphicData))


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("Korean", {"Alphabetic": "Hong^Gildong", "Ideographic": "洪^吉洞", "Phonetic": "홍"}),
        ("GB18030", {"Alphabetic": "Wang^XiaoDong", "Ideographic": "王^小东"}),
        ("beyond the BMP", {"Alphabetic": "Yoshida", "Ideographic": "𠮷田^太郎"}),
    ],
)
def test_it_reads_names(name: str, groups: dict[str, str], read: dict[str, Any]) -> None:
    said, _ = read[name]
    assert said["names"] == [groups]


def test_ohif_takes_none_of_it_for_a_tool_of_its_own(read: dict[str, Any]) -> None:
    """Its adapter shows measurements of its own tools alone; ours are read in the report itself, or on the page."""
    assert {said["tools"] for said, _ in read.values()} == {0}
