"""A stored Structured Report as people read it: the content tree in words, units and meanings of codes.

Read back from the report's own bytes (PS3.3 C.17.3), so that a page shows what a destination got, and not what the
node would say today. Key object selections have such a tree, too.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID

from screening_node.errors import UnreadableObject
from screening_node.imaging.header import text
from screening_node.imaging.quiet import quietly

#: A tree is never so deep; one that is was made to exhaust whoever walks it.
_DEEPEST = 32
#: Tracking Identifier (PS3.16 TID 1501).
_TRACKING = "DCM 112039"
_PLACES = ("SCOORD", "SCOORD3D")
#: UCUM's code for a number without a unit.
_NO_UNIT = "1"
#: Value types and the attribute that holds what they say (PS3.3 table C.17.3-7 and C.18).
_PLAIN = {
    "TEXT": "TextValue",
    "UIDREF": "UID",
    "DATE": "Date",
    "TIME": "Time",
    "DATETIME": "DateTime",
    "PNAME": "PersonName",
}


@dataclass(frozen=True, kw_only=True)
class Coded:
    """A coded concept: what it means, and by which code of which scheme."""

    meaning: str
    code: str


@dataclass(frozen=True, kw_only=True)
class ContentItem:
    """One node of the tree; ``value`` is empty for a container, ``coded`` is there where the value is a code."""

    name: Coded | None
    relation: str
    kind: str
    value: str
    unit: str
    coded: Coded | None
    children: tuple[ContentItem, ...]

    @property
    def is_container(self) -> bool:
        """Whether it only holds others."""
        return self.kind == "CONTAINER"

    @property
    def label(self) -> str:
        """What tells a container from its neighbours of the same name: its tracking identifier; empty without one."""
        tracked = (each.value for each in self.children if each.name is not None and each.name.code == _TRACKING)
        return next(tracked, "")

    @property
    def is_about_a_place(self) -> bool:
        """Whether it says where something lies on the film: a viewer draws that better than a page tells it."""
        return any(each.kind in _PLACES for each in self.children)


@dataclass(frozen=True, kw_only=True)
class ReadableReport:
    """A report for the eye: what kind of object it is, its state (PS3.3 C.17.2), and its tree."""

    sop_class: str
    sop_instance_uid: str
    series: str
    made: str
    completion: str
    verification: str
    root: ContentItem


def read_report(path: Path) -> ReadableReport:
    """The report in a Part 10 file. Raises UnreadableObject where it is none, or has no content tree."""
    try:
        with quietly():
            dataset = dcmread(path)
            return _report(dataset)
    except UnreadableObject:
        raise
    except Exception as error:  # pydicom raises whatever its parser stumbles over, and may quote values
        raise UnreadableObject(
            "The report's file cannot be read.", fix="Screen the film again: exams retry, or Judge again on its page."
        ) from error


def _report(dataset: Dataset) -> ReadableReport:
    if "ContentSequence" not in dataset:
        raise UnreadableObject("This object has no content tree.", fix="Download it and open it in a viewer.")
    return ReadableReport(
        sop_class=UID(text(dataset, "SOPClassUID") or "").name,
        sop_instance_uid=text(dataset, "SOPInstanceUID") or "",
        series=text(dataset, "SeriesDescription") or "",
        made=_moment(text(dataset, "ContentDate"), text(dataset, "ContentTime")),
        completion=(text(dataset, "CompletionFlag") or "").lower(),
        verification=(text(dataset, "VerificationFlag") or "").lower(),
        root=_item(dataset, 0),
    )


def _item(item: Dataset, depth: int) -> ContentItem:
    if depth > _DEEPEST:
        raise UnreadableObject("The report's tree is too deep.", fix="Download it and open it in a viewer.")
    kind = text(item, "ValueType") or ""
    value, unit = _value(item, kind)
    return ContentItem(
        name=_coded(item, "ConceptNameCodeSequence"),
        relation=(text(item, "RelationshipType") or "").lower(),
        kind=kind,
        value=value,
        unit=unit,
        coded=_coded(item, "ConceptCodeSequence") if kind == "CODE" else None,
        children=tuple(_item(child, depth + 1) for child in item.get("ContentSequence", ())),
    )


def _coded(item: Dataset, keyword: str) -> Coded | None:
    for code in item.get(keyword, ()):
        value = text(code, "CodeValue") or text(code, "LongCodeValue") or text(code, "URNCodeValue") or ""
        scheme = text(code, "CodingSchemeDesignator") or ""
        return Coded(meaning=text(code, "CodeMeaning") or value, code=f"{scheme} {value}".strip())
    return None


def _value(item: Dataset, kind: str) -> tuple[str, str]:
    """What an item says, and its unit."""
    if kind == "NUM":
        return _number(item)
    if kind == "CODE":
        coded = _coded(item, "ConceptCodeSequence")
        return ("" if coded is None else coded.meaning), ""
    if kind in _PLACES:
        return _place(item), ""
    if kind in ("IMAGE", "COMPOSITE", "WAVEFORM"):
        return ", ".join(_references(item)), ""
    if "ReferencedContentItemIdentifier" in item:
        return "see item " + ".".join(map(str, item.ReferencedContentItemIdentifier)), ""
    return (str(item.get(_PLAIN[kind], "")).strip() if kind in _PLAIN else ""), ""


def _number(item: Dataset) -> tuple[str, str]:
    for measured in item.get("MeasuredValueSequence", ()):
        unit = _coded(measured, "MeasurementUnitsCodeSequence")
        bare = unit is None or unit.code.split()[-1:] in ([_NO_UNIT], [])
        return text(measured, "NumericValue") or "", "" if unit is None or bare else unit.meaning
    qualifier = _coded(item, "NumericValueQualifierCodeSequence")
    return ("no value" if qualifier is None else qualifier.meaning), ""


def _place(item: Dataset) -> str:
    numbers = len(item.get("GraphicData", None) or ())
    points = numbers // (3 if item.ValueType == "SCOORD3D" else 2)
    kind = (text(item, "GraphicType") or "").lower()
    return f"{kind}, {points} {'point' if points == 1 else 'points'}"


def _references(item: Dataset) -> Iterator[str]:
    for reference in item.get("ReferencedSOPSequence", ()):
        name = UID(text(reference, "ReferencedSOPClassUID") or "").name
        yield f"{name} {text(reference, 'ReferencedSOPInstanceUID') or ''}".strip()


def _moment(date: str | None, time: str | None) -> str:
    """DA and TM as ISO 8601; as they stand where they are no proper ones."""
    try:
        return dt.datetime.strptime(f"{date}{(time or '')[:6]}", "%Y%m%d%H%M%S").isoformat(" ")
    except ValueError:
        return " ".join(part for part in (date, time) if part)
