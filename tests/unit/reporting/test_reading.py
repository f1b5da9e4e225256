"""A report read back into words, from its own bytes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from unit.reporting import cases

from screening_node.domain.result import RefusalCode
from screening_node.errors import UnreadableObject
from screening_node.reporting.reading import ContentItem, ReadableReport, read_report
from screening_node.reporting.reporter import Reporter


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return cases.film_file(tmp_path / "film.dcm")


def kept(film: Path, refused: bool = False) -> Path:
    """A report's file."""
    reporter = Reporter(cases.TABLE, software_version="0.1.0", zone=dt.UTC)
    result = cases.refused(RefusalCode.NOT_FRONTAL) if refused else cases.result()
    path = film.with_name("report.dcm")
    path.write_bytes(reporter.report(film, result, cases.RAISED, cases.AT).data)
    return path


def walk(item: ContentItem) -> Iterator[ContentItem]:
    yield item
    for child in item.children:
        yield from walk(child)


def named(report: ReadableReport, name: str) -> list[ContentItem]:
    return [item for item in walk(report.root) if item.name is not None and item.name.meaning == name]


def test_the_tree_has_every_item_of_the_report(film: Path) -> None:
    path = kept(film)
    report = read_report(path)

    def count(item: Dataset) -> int:
        return 1 + sum(count(child) for child in item.get("ContentSequence", ()))

    assert len(list(walk(report.root))) == count(dcmread(path))
    assert report.root.name is not None
    assert (report.root.name.meaning, report.root.name.code) == ("Imaging Measurement Report", "DCM 126000")
    assert (report.completion, report.verification) == ("complete", "unverified")


def test_numbers_have_units_and_codes_have_meanings(film: Path) -> None:
    report = read_report(kept(film))
    (lowest,) = {item.value for item in named(report, "T-score")} & {"-2.61", "-2.6", "-2.610"}
    assert float(lowest) == pytest.approx(-2.6, abs=0.02)
    numbers = [item for item in walk(report.root) if item.kind == "NUM"]
    assert {item.unit for item in numbers} >= {"g/cm2", "mm"}
    assert all(item.value for item in numbers)
    coded = [item for item in walk(report.root) if item.kind == "CODE"]
    assert coded
    assert all(item.coded is not None and item.value == item.coded.meaning for item in coded)


def test_everything_but_a_container_says_something(film: Path) -> None:
    for refused in (False, True):
        report = read_report(kept(film, refused))
        for item in walk(report.root):
            assert item.is_container == (item.value == ""), item
            assert not item.is_container or item.children or item is report.root


def test_the_limits_of_use_are_read_with_the_rest(film: Path) -> None:
    text = " ".join(item.value for item in walk(read_report(kept(film)).root))
    assert cases.MODEL.limits_of_use in text


@pytest.mark.parametrize("data", [b"", b"no DICOM at all", b"\0" * 128 + b"DICM" + b"\xff" * 40])
def test_what_is_no_report_is_said(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "report.dcm").write_bytes(data)
    with pytest.raises(UnreadableObject):
        read_report(tmp_path / "report.dcm")


def test_an_object_without_a_tree_is_said(film: Path) -> None:
    with pytest.raises(UnreadableObject, match="no content tree"):
        read_report(film)
