"""The film of an alarm, marked: a Key Object Selection (DICOM PS3.3 A.35.4, PS3.16 TID 2010).

Its title is Of Interest. Never "Rejected for Quality Reasons" (113001) for a refusal: archives that know IHE's Image
Object Change Management would hide the film.
"""

from __future__ import annotations

import datetime as dt

from pydicom.dataset import Dataset

from screening_node.domain.alarm import AlarmStatus
from screening_node.domain.identity import MANUFACTURER, MODEL_NAME
from screening_node.reporting import codes, wording
from screening_node.reporting.composite import composite, date, hierarchy, time
from screening_node.reporting.items import Relation, code, coded, sop_reference, template_reference, text, uid
from screening_node.reporting.kinds import SOP_CLASSES, Kind
from screening_node.reporting.measurement_report import Statement


def build(statement: Statement, *, sop_instance_uid: str, at: dt.datetime) -> Dataset | None:
    """The key object; None where there is no alarm, or no image to point to."""
    film = statement.film
    raised = statement.alarm.status is AlarmStatus.RAISED
    if not (raised and film.is_image and film.series_instance_uid):
        return None
    dataset = composite(statement, Kind.KO, SOP_CLASSES[Kind.KO], sop_instance_uid, at)
    dataset.ReferencedPerformedProcedureStepSequence = []
    dataset.ContentDate = date(at)
    dataset.ContentTime = time(at)
    dataset.CurrentRequestedProcedureEvidenceSequence = [hierarchy(film, film.series_instance_uid, film.sop)]
    dataset.ValueType = "CONTAINER"
    dataset.ConceptNameCodeSequence = [coded(codes.OF_INTEREST)]
    dataset.ContinuityOfContent = "SEPARATE"
    dataset.ContentTemplateSequence = [template_reference("2010")]
    dataset.ContentSequence = _content(statement)
    return dataset


def _content(statement: Statement) -> list[Dataset]:
    observer = Relation.HAS_OBS_CONTEXT
    said = f"{wording.heading(statement.say)}\r\n{statement.sentence}"
    return [
        code(Relation.HAS_CONCEPT_MOD, codes.LANGUAGE, codes.LANGUAGES[statement.language]),
        code(observer, codes.OBSERVER_TYPE, codes.DEVICE),
        uid(observer, codes.DEVICE_UID, statement.device_uid),
        text(observer, codes.DEVICE_NAME, MODEL_NAME),
        text(observer, codes.DEVICE_MANUFACTURER, MANUFACTURER),
        text(observer, codes.DEVICE_MODEL, MODEL_NAME),
        text(observer, codes.DEVICE_SERIAL, statement.serial_number),
        text(Relation.CONTAINS, codes.KEY_OBJECT_DESCRIPTION, said),
        _image(statement.film.sop),
    ]


def _image(sop: tuple[str, str]) -> Dataset:
    """An IMAGE without a concept name, as TID 2010 has it."""
    item = Dataset()
    item.RelationshipType = Relation.CONTAINS.value
    item.ValueType = "IMAGE"
    item.ReferencedSOPSequence = [sop_reference(sop)]
    return item
