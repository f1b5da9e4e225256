"""Content items of a Structured Report (DICOM PS3.3 section C.17.3), one function for each value type.

Plain data sets, because highdicom's checked classes take three times as long for the some 350 items of a report;
the tests read every report back with highdicom, which checks the same on the way in.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from pydicom import config
from pydicom.charset import default_encoding
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from screening_node.reporting.codes import MEASUREMENT_FAILURE, SOURCE


class Relation(StrEnum):
    """Relationship of an item to its parent (PS3.3 table C.17.3-8)."""

    CONTAINS = "CONTAINS"
    HAS_PROPERTIES = "HAS PROPERTIES"
    HAS_OBS_CONTEXT = "HAS OBS CONTEXT"
    HAS_ACQ_CONTEXT = "HAS ACQ CONTEXT"
    HAS_CONCEPT_MOD = "HAS CONCEPT MOD"
    INFERRED_FROM = "INFERRED FROM"
    SELECTED_FROM = "SELECTED FROM"


def blank() -> Dataset:
    """An empty item, marked as encoded the way it will be written.

    Without the mark pydicom looks for ambiguous value representations below every item, once for each of its
    ancestors, which takes a third of the time that a report takes. Items hold none.
    """
    item = Dataset()
    item.set_original_encoding(is_implicit_vr=False, is_little_endian=True, character_encoding=default_encoding)
    return item


def coded(code: Code) -> Dataset:
    """A code sequence item (PS3.3 section 8)."""
    item = blank()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme_designator
    item.CodeMeaning = code.meaning
    return item


def _item(value_type: str, relation: Relation, name: Code, children: Sequence[Dataset]) -> Dataset:
    item = blank()
    item.RelationshipType = relation.value
    item.ValueType = value_type
    item.ConceptNameCodeSequence = [coded(name)]
    if children:
        item.ContentSequence = list(children)
    return item


def container(relation: Relation, name: Code, children: Sequence[Dataset], *, template: str | None = None) -> Dataset:
    """A CONTAINER; ``template`` is the number of its DICOM template."""
    item = _item("CONTAINER", relation, name, children)
    item.ContinuityOfContent = "SEPARATE"
    if template is not None:
        item.ContentTemplateSequence = [template_reference(template)]
    return item


def template_reference(number: str) -> Dataset:
    """The reference to a template of PS3.16."""
    reference = blank()
    reference.MappingResource = "DCMR"
    reference.TemplateIdentifier = number
    return reference


def code(relation: Relation, name: Code, value: Code, *children: Dataset) -> Dataset:
    """A CODE."""
    item = _item("CODE", relation, name, children)
    item.ConceptCodeSequence = [coded(value)]
    return item


def text(relation: Relation, name: Code, value: str) -> Dataset:
    """A TEXT."""
    item = _item("TEXT", relation, name, ())
    item.TextValue = value
    return item


def uid(relation: Relation, name: Code, value: str) -> Dataset:
    """A UIDREF."""
    item = _item("UIDREF", relation, name, ())
    item.UID = value
    return item


def number(relation: Relation, name: Code, value: str | None, unit: Code, *children: Dataset) -> Dataset:
    """A NUM; ``value`` is a decimal string of at most 16 characters, so that what is written is what is read.

    None is a measurement that failed: an empty value, qualified as such (PS3.3 section C.18.1, CID 42).
    """
    item = _item("NUM", relation, name, children)
    if value is None:
        item.MeasuredValueSequence = []
        item.NumericValueQualifierCodeSequence = [coded(MEASUREMENT_FAILURE)]
        return item
    measured = blank()
    measured.NumericValue = value
    measured.MeasurementUnitsCodeSequence = [coded(unit)]
    item.MeasuredValueSequence = [measured]
    return item


def reference(relation: Relation, name: Code, sop: tuple[str, str], *, image: bool = True) -> Dataset:
    """An IMAGE, or a COMPOSITE where the object is no image; ``sop`` is (SOP Class UID, SOP Instance UID)."""
    item = _item("IMAGE" if image else "COMPOSITE", relation, name, ())
    item.ReferencedSOPSequence = [sop_reference(sop)]
    return item


def sop_reference(sop: tuple[str, str]) -> Dataset:
    """A reference to an instance by SOP Class UID and SOP Instance UID (PS3.3 table 10-11)."""
    item = blank()
    set_uid(item, "ReferencedSOPClassUID", sop[0])
    set_uid(item, "ReferencedSOPInstanceUID", sop[1])
    return item


def set_uid(dataset: Dataset, keyword: str, value: str) -> None:
    """Set a UID of somebody else's as it stands: some have leading zeros, which pydicom would complain about."""
    dataset.add(DataElement(keyword, "UI", value, validation_mode=config.IGNORE))


def region(relation: Relation, name: Code, points: Sequence[tuple[float, float]], sop: tuple[str, str]) -> Dataset:
    """A SCOORD on an image: a POINT, or a POLYLINE through several points.

    Args:
        relation: to the parent.
        name: concept name.
        points: (column, row), the film's top left *corner* at 0, 0 (PS3.3 section C.18.6.1.2).
        sop: the image's SOP Class UID and SOP Instance UID.
    """
    item = _item("SCOORD", relation, name, [reference(Relation.SELECTED_FROM, SOURCE, sop)])
    item.GraphicType = "POINT" if len(points) == 1 else "POLYLINE"
    item.GraphicData = [coordinate for point in points for coordinate in point]
    return item
