"""Reports of films that were refused."""

from pathlib import Path
from typing import Any

import pytest
from unit.reporting import cases, trees
from unit.reporting.reports import PATIENT_GROUP, reporter

from screening_node.domain.alarm import AlarmStatus
from screening_node.domain.result import RefusalCode, ScreeningResult
from screening_node.reporting import codes, document


@pytest.mark.parametrize("code", RefusalCode)
def test_a_refused_film_has_the_patient_group_alone_and_its_reason(film: Path, code: RefusalCode) -> None:
    read = trees.parsed(reporter().report(film, cases.refused(code), cases.NOT_EVALUATED, cases.AT))
    groups = trees.groups(read)
    assert list(groups) == [PATIENT_GROUP]
    group = groups[PATIENT_GROUP]
    assert trees.value(trees.child(group, codes.QUALITY_FINDING)) == codes.REFUSALS[code]
    assert trees.value(trees.child(group, codes.SUMMARY)) == codes.NONE_SUCCEEDED
    assert trees.value(trees.child(group, codes.BONE_DENSITY_ALARM)) == codes.ALARM_VALUES[AlarmStatus.NOT_EVALUATED]
    said = trees.value(trees.child(group, codes.COMMENT))
    assert f"The film was refused ({code.name})." in said
    assert not trees.children(group, codes.FINDING)
    assert [trees.value(item) for item in trees.children(group, codes.QUALITY_ASSESSMENT)] in (
        [],
        [codes.QUALITY_UNUSABLE],
    )


def test_only_a_bad_picture_is_called_unusable(film: Path) -> None:
    for code, expected in ((RefusalCode.EXPOSURE, 1), (RefusalCode.AGE_UNKNOWN, 0), (RefusalCode.NOT_FRONTAL, 0)):
        read = trees.parsed(reporter().report(film, cases.refused(code), cases.NOT_EVALUATED, cases.AT))
        group = trees.groups(read)[PATIENT_GROUP]
        assert len(trees.children(group, codes.QUALITY_ASSESSMENT)) == expected


def test_what_is_no_chest_film_is_not_called_one(film: Path) -> None:
    for code, procedure in ((RefusalCode.NOT_CHEST, codes.IMAGING), (RefusalCode.NOT_FRONTAL, codes.CHEST_RADIOGRAPHY)):
        read = trees.parsed(reporter().report(film, cases.refused(code), cases.NOT_EVALUATED, cases.AT))
        assert trees.value(trees.child(read, codes.PROCEDURE_REPORTED)) == procedure


@pytest.mark.parametrize(
    "changes",
    [
        {"SOPClassUID": document.ENHANCED_SR, "Rows": None, "Columns": None},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.481.2"},  # RT Dose: rows and columns, but no image
        {"SOPClassUID": "1.2.3.4"},
    ],
)
@pytest.mark.parametrize("outcome", [cases.refused(RefusalCode.NOT_A_RADIOGRAPH), cases.result()])
def test_what_is_no_image_is_referenced_as_a_composite(
    tmp_path: Path, changes: dict[str, Any], outcome: ScreeningResult
) -> None:
    film = cases.film_file(tmp_path / "object.dcm", **changes)
    read = trees.parsed(reporter().report(film, outcome, cases.NOT_EVALUATED, cases.AT))
    assert {item.ValueType for item in trees.walk(read)} >= {"COMPOSITE"}
    assert not {item.ValueType for item in trees.walk(read)} & {"IMAGE", "SCOORD"}
