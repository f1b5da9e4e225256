"""Ways through a content tree that was read back, by concept and not by place."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from screening_node.reporting import codes
from screening_node.reporting.reporter import Report


def parsed(report: Report) -> Dataset:
    """The report as its bytes say it."""
    return dcmread(io.BytesIO(report.data))


def code_of(item: Dataset) -> Code:
    """A code sequence item as a code, with its meaning."""
    return Code(str(item.CodeValue), str(item.CodingSchemeDesignator), str(item.CodeMeaning))


def same(item: Dataset, code: Code) -> bool:
    """Value, scheme and meaning (pydicom's own == forgives the meaning)."""
    return tuple(code_of(item)) == tuple(code)


def walk(item: Dataset) -> Iterator[Dataset]:
    """An item and everything below it."""
    yield item
    for child in item.get("ContentSequence", ()):
        yield from walk(child)


def children(item: Dataset, name: Code) -> list[Dataset]:
    """The children with this concept name."""
    return [
        child
        for child in item.get("ContentSequence", ())
        if "ConceptNameCodeSequence" in child and same(child.ConceptNameCodeSequence[0], name)
    ]


def child(item: Dataset, name: Code) -> Dataset:
    """The only child with this concept name."""
    found = children(item, name)
    assert len(found) == 1, f"{len(found)} items of {name.meaning}"
    return found[0]


def value(item: Dataset) -> Any:
    """What an item says: a code, a text, a UID, or (decimal string, unit)."""
    if item.ValueType == "CODE":
        return code_of(item.ConceptCodeSequence[0])
    if item.ValueType == "TEXT":
        return str(item.TextValue)
    if item.ValueType == "UIDREF":
        return str(item.UID)
    if item.ValueType == "NUM":
        if not item.MeasuredValueSequence:
            return None
        measured = item.MeasuredValueSequence[0]
        return str(measured.NumericValue), code_of(measured.MeasurementUnitsCodeSequence[0])
    raise AssertionError(item.ValueType)


def groups(document: Dataset) -> dict[str, Dataset]:
    """Measurement groups by their tracking identifier."""
    container = child(document, codes.IMAGING_MEASUREMENTS)
    return {value(child(group, codes.TRACKING_IDENTIFIER)): group for group in container.ContentSequence}


def all_codes(document: Dataset) -> set[tuple[str, str, str]]:
    """Every code of the whole data set as (value, scheme, meaning)."""
    found: set[tuple[str, str, str]] = set()

    def collect(dataset: Dataset) -> None:
        if "CodeValue" in dataset:
            found.add((str(dataset.CodeValue), str(dataset.CodingSchemeDesignator), str(dataset.CodeMeaning)))
        for element in dataset:
            if element.VR == "SQ":
                for item in element.value:
                    collect(item)

    collect(document)
    return found
