"""What dicom-validator says of every kind of report by the standard's module tables: nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dicom_validator.validator.error_handler import NullValidationResultHandler
from dicom_validator.validator.iod_validator import IODValidator
from dicom_validator.validator.validation_result import ErrorCode, Status
from integration.report_cases import CASES, report_of
from pydicom import config
from pydicom.dataset import Dataset
from standard_tables import dicom_info
from unit.reporting import trees
from unit.reporting.companions import companion

from screening_node.reporting.kinds import SOP_CLASSES, Kind

Findings = set[tuple[str, str]]


@pytest.fixture(autouse=True)
def lenient() -> Iterator[None]:
    """The validator checks values itself; pydicom only warns of them, and warnings end a test."""
    before = config.settings.reading_validation_mode
    config.settings.reading_validation_mode = config.IGNORE
    yield
    config.settings.reading_validation_mode = before


def findings(dataset: Dataset) -> Findings:
    """Keyword and code of everything that is found."""
    result = IODValidator(dataset, dicom_info(), error_handler=NullValidationResultHandler()).validate()
    assert result.status in (Status.Passed, Status.Failed), result.status
    found = [(tag, error) for errors in (result.module_errors or {}).values() for tag, error in errors.items()]
    assert bool(found) == bool(result.errors)
    return {(tag.tag.json_key, error.code.name) for tag, error in found if error.code is not None}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_reports_have_no_findings(case: Any, tmp_path: Path) -> None:
    assert findings(trees.parsed(report_of(case, tmp_path))) == set()


@pytest.mark.parametrize("kind", SOP_CLASSES)
@pytest.mark.parametrize("name", ["alarm", "nothing in the header", "empty elements", "everything too long", "Korean"])
def test_companions_have_no_findings(kind: Kind, name: str, tmp_path: Path) -> None:
    case = CASES[name]
    made = companion(kind, tmp_path, case.result, alarm=case.alarm, **case.header)
    if made is not None:  # without rows and columns nothing is drawn over a film
        assert findings(trees.parsed(made)) == set()


# That it would find something


def without_manufacturer(dataset: Dataset) -> None:
    del dataset.Manufacturer


def empty_completion(dataset: Dataset) -> None:
    dataset.CompletionFlag = ""


def patients_weight_of_pixels(dataset: Dataset) -> None:
    dataset.WindowCenter = "1"


def no_value_type_far_below(dataset: Dataset) -> None:
    del dataset.ContentSequence[-1].ContentSequence[0].ContentSequence[0].ValueType


def bad_date(dataset: Dataset) -> None:
    dataset["ContentDate"].value = "2026-13-99"


def stray_in_a_code(dataset: Dataset) -> None:
    dataset.ContentSequence[0].ConceptNameCodeSequence[0].Rows = 3


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (without_manufacturer, ("00080070", ErrorCode.TagMissing)),
        (empty_completion, ("0040A491", ErrorCode.TagEmpty)),
        (patients_weight_of_pixels, ("00281050", ErrorCode.TagUnexpected)),
        (no_value_type_far_below, ("0040A040", ErrorCode.TagMissing)),
        (bad_date, ("00080023", ErrorCode.InvalidValue)),
        (stray_in_a_code, ("00280010", ErrorCode.TagUnexpected)),
    ],
)
def test_a_spoilt_report_is_found_out(
    spoil: Callable[[Dataset], None], found: tuple[str, ErrorCode], tmp_path: Path
) -> None:
    dataset = trees.parsed(report_of(CASES["alarm"], tmp_path))
    spoil(dataset)
    assert (found[0], found[1].name) in findings(dataset)


def test_every_sop_class_that_the_node_writes_is_known() -> None:
    written = {case.sop_class_uid for case in CASES.values()} | set(SOP_CLASSES.values())
    assert written <= set(dicom_info().iods)
