"""A result as a FHIR transaction: a DiagnosticReport with its Observations, R4 or R5.

    Bundle (transaction; its identifier is the message's UID)
      PUT Device/...            the node with these weights
      POST Patient              only where the site has named the system of the patient's identifier; created only if
                                the server knows nobody of that identifier
      PUT Observation/...       the alarm, the sentence for dictation, L1..L4 (the facts of ``facts.py``)
      PUT DiagnosticReport/...  refers to them; the whole as text

Ids are derived from the film, so that sending again changes nothing, and a revision replaces what was said before
(the server keeps the history). Status: preliminary, because no person has verified it, as the Structured Report's
Preliminary Flag says; a revision is amended, or corrected where the one before was wrong (its alarm was retracted, or
the film's header), and names its predecessor (extension diagnosticReport-replaces). Values that an earlier report gave
and this one does not stand by become cancelled.

R4 is checked against the models of R4B: the resources used here are the same in both.
"""

from __future__ import annotations

import base64
import html
import uuid
from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby
from typing import Any, Final
from urllib.parse import quote

from pydantic import ValidationError
from pydicom.sr.coding import Code

from screening_node.domain.identity import MANUFACTURER, MODEL_NAME
from screening_node.domain.result import Vertebra
from screening_node.errors import Permanent
from screening_node.reporting import codes, facts, fhir_parts, uids, wording
from screening_node.reporting.facts import Fact, Group, Quantity
from screening_node.reporting.fhir_parts import Json, concept, oid, present, table
from screening_node.reporting.message import Message, MessageFormat

_REPLACES: Final = "http://hl7.org/fhir/StructureDefinition/diagnosticReport-replaces"
_FLAGS: Final = {facts.LOW: "Low", facts.ABNORMAL: "Abnormal"}
_XHTML: Final = "http://www.w3.org/1999/xhtml"


def build(what: Message) -> bytes:
    """The bundle's bytes, checked; every date and time in it comes from the film, or from the job."""
    return _checked(_bundle(what), what.wanted.sop_class_uid)


def _bundle(what: Message) -> Json:
    device = _id(what.statement.device_uid)
    subject, patient = _subject(what)
    observations = dict(_observations(what, subject, device))
    report = _report(what, subject, observations)
    resources = {device: _device(what), **observations, _id(what.order_uid): report}
    return {
        "resourceType": "Bundle",
        "identifier": oid(what.uid),
        "type": "transaction",
        "timestamp": what.at.isoformat(timespec="seconds"),
        "entry": [*patient, *(_put(key, resource) for key, resource in resources.items())],
    }


def _put(key: str, resource: Json) -> Json:
    request = {"method": "PUT", "url": f"{resource['resourceType']}/{key}"}
    return {"fullUrl": f"urn:uuid:{key}", "resource": {**resource, "id": key}, "request": request}


def _subject(what: Message) -> tuple[Json, list[Json]]:
    """Who it is about, and the entry that may introduce them to the server. Nobody is made up."""
    film = what.statement.film
    display = next((name["text"] for name in fhir_parts.names(film.patient_name)), "")
    if not film.patient_id.strip():
        return present(display=display), []
    identifier = fhir_parts.patient_identifier(what)
    if "system" not in identifier:
        return present(type="Patient", identifier=identifier, display=display), []
    url = f"urn:uuid:{_id(uids.derived('patient', identifier['system'], identifier['value']))}"
    condition = f"identifier={_token(identifier['system'])}|{_token(identifier['value'])}"
    request = {"method": "POST", "url": "Patient", "ifNoneExist": condition}
    entry = {"fullUrl": url, "resource": fhir_parts.patient(what), "request": request}
    return present(reference=url, display=display), [entry]


def _device(what: Message) -> Json:
    statement = what.statement
    named = {"type": "model-name" if _is_r4(what) else "registered-name"}
    name = {**named, "name" if _is_r4(what) else "value": MODEL_NAME}
    return {
        "resourceType": "Device",
        "identifier": [oid(statement.device_uid)],
        "manufacturer": MANUFACTURER,
        "modelNumber": MODEL_NAME,
        "serialNumber": statement.serial_number,
        "deviceName" if _is_r4(what) else "name": [name],
        "version": [{"value": statement.software_version}, {"value": statement.result.model.bundle}],
    }


def _observations(what: Message, subject: Json, device: str) -> Iterator[tuple[str, Json]]:
    """By id: the first fact of a group is the Observation's value, the others are its components."""
    said = facts.of(what.statement)
    for group, found in groupby(said, key=lambda fact: _home(fact.group)):
        first, *others = found
        film = what.statement.film
        key = _id(uids.derived("observation", film.sop_instance_uid, group))
        yield (
            key,
            present(
                resourceType="Observation",
                identifier=[oid(uids.derived("observation", film.sop_instance_uid, group))],
                status=_status(what) if first.value is not None else "cancelled",
                category=[table("observation-category", "imaging", "Imaging")],
                **_named(first),
                subject=subject,
                effectiveDateTime=fhir_parts.effective(film),
                issued=what.at.isoformat(timespec="seconds"),
                bodySite=_site(group),
                method=concept(codes.RADIOGRAPH_METHOD) if group in Vertebra.__members__ else None,
                device={"reference": f"urn:uuid:{device}"},
                derivedFrom=[fhir_parts.study(film)],
                note=[{"text": _limits(what)}] if _limits(what) else [],
                component=[_named(fact) for fact in others],
            ),
        )


def _home(group: Group) -> Group:
    """The lowest T-score is said of the patient."""
    return Group.PATIENT if group is Group.LOWEST else group


def _site(group: Group) -> Json | None:
    if group is Group.SENTENCE:
        return None
    return concept(codes.LUMBAR_SPINE if group is Group.PATIENT else codes.VERTEBRAE[Vertebra(group.value)])


def _named(fact: Fact) -> Json:
    """A concept and its value, as Observation and its components have them."""
    flag = table("v3-ObservationInterpretation", fact.flag, _FLAGS[fact.flag]) if fact.flag else None
    return present(code=concept(fact.name, text=fact.title), interpretation=[flag] if flag else [], **_value(fact))


def _value(fact: Fact) -> Json:
    value = fact.value
    if isinstance(value, Quantity):
        unit = {"unit": value.unit.meaning, "system": fhir_parts.system_of(value.unit), "code": value.unit.value}
        return {"valueQuantity": {"value": Decimal(value.value), **unit}}
    if isinstance(value, Code):
        return {"valueCodeableConcept": concept(value, text=value.meaning)}
    if value is None:
        return {"dataAbsentReason": table("data-absent-reason", "not-performed", "Not Performed")}
    return {"valueString": value}


def _report(what: Message, subject: Json, observations: Json) -> Json:
    statement = what.statement
    film, finding = statement.film, facts.of(statement)
    text = _text(what)
    study = {"imagingStudy" if _is_r4(what) else "study": [fhir_parts.study(film)]}
    return present(
        resourceType="DiagnosticReport",
        extension=_predecessor(what),
        language=statement.language.value,
        text={"status": "generated", "div": f'<div xmlns="{_XHTML}"><pre>{html.escape(text, quote=False)}</pre></div>'},
        identifier=[oid(what.order_uid), {"use": "secondary", **oid(what.uid)}],
        basedOn=[fhir_parts.order(film)] if film.accession_number.strip() else [],
        status=_status(what),
        category=[table("v2-0074", "RAD", "Radiology")],
        code=concept(codes.SERVICE, codes.IMAGING_STUDY),
        subject=subject,
        effectiveDateTime=fhir_parts.effective(film),
        issued=what.at.isoformat(timespec="seconds"),
        result=[{"reference": f"urn:uuid:{key}"} for key in observations],
        conclusion=statement.sentence,
        conclusionCode=[
            concept(fact.value) for fact in finding if fact.name == codes.FINDING and isinstance(fact.value, Code)
        ],
        presentedForm=[_attached(text, statement.language.value)],
        **study,
    )


def _predecessor(what: Message) -> list[Json]:
    previous = what.wanted.previous
    if previous is None:
        return []
    identifier = oid(previous.sop_instance_uid)
    return [{"url": _REPLACES, "valueReference": {"type": "DiagnosticReport", "identifier": identifier}}]


def _attached(text: str, language: str) -> Json:
    data = base64.b64encode(text.encode("utf-8")).decode("ascii")
    return {"contentType": "text/plain; charset=utf-8", "language": language, "data": data}


def _text(what: Message) -> str:
    one = what.statement
    said = wording.comment(one.result, one.alarm, one.table, one.film.notes, one.revision, one.say)
    return "\n".join(said.splitlines())


def _limits(what: Message) -> str:
    limits = what.statement.result.model.limits_of_use
    return what.statement.say(limits) if limits else ""


def _status(what: Message) -> str:
    if what.corrected:
        return "corrected"
    return "amended" if what.revised else "preliminary"


def _is_r4(what: Message) -> bool:
    return what.wanted.sop_class_uid is MessageFormat.FHIR_R4


def _id(uid: str) -> str:
    """A derived UID (2.25. and a UUID as an integer) as the UUID that it holds."""
    return str(uuid.UUID(int=int(uid.removeprefix("2.25."))))


def _token(text: str) -> str:
    """Text in a token search: its delimiters escaped (FHIR, search.html), then percent-encoded as in any query."""
    marked = "".join(f"\\{sign}" if sign in "\\,$|" else sign for sign in text)
    return quote(marked, safe=":/.-")


def _checked(bundle: Json, form: MessageFormat) -> bytes:
    """The bundle as JSON, once the models of FHIR find nothing wrong with it. Permanent where they do."""
    # half a second of import, for nodes that send FHIR at all
    if form is MessageFormat.FHIR_R5:
        from fhir.resources.bundle import Bundle
    else:
        from fhir.resources.R4B.bundle import Bundle
    try:
        model: Any = Bundle.model_validate(bundle)
    except ValidationError as error:
        places = ", ".join(sorted({".".join(map(str, item["loc"])) for item in error.errors()})[:5])
        raise Permanent(
            f"The bundle would not be valid FHIR at {places}.", fix="Report it to the node's makers."
        ) from None  # the cause quotes the bundle
    return str(model.model_dump_json()).encode("utf-8")
