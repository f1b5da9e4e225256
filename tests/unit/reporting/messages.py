"""Messages made for tests, and what they say, read back from their bytes by other libraries than the node's own."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from message_peers import bundle, strict
from pydicom.sr.coding import Code
from unit.reporting.cases import AT, NOT_EVALUATED, NOT_RAISED, RAISED, TABLE, film_file

from screening_node.domain.alarm import AlarmDecision
from screening_node.domain.result import ScreeningResult
from screening_node.reporting import fhir_parts
from screening_node.reporting.kinds import SopReference
from screening_node.reporting.language import Language
from screening_node.reporting.message import Addressing, MessageFormat, WantedMessage
from screening_node.reporting.reporter import Report, Reporter

SITE = Addressing(
    sending_application="NODE",
    receiving_application="RIS",
    assigning_authority="HOSPITAL",
    patient_system="urn:oid:1.2.276.0.99",
)


def alarm_for(result: ScreeningResult) -> AlarmDecision:
    """What is decided where nothing else is known of the patient."""
    if result.refusal is not None:
        return NOT_EVALUATED
    return RAISED if result.crossed else NOT_RAISED


def made(
    folder: Path,
    result: ScreeningResult,
    form: MessageFormat = MessageFormat.ORU_R01,
    *,
    alarm: AlarmDecision | None = None,
    revision: int = 1,
    previous: str | None = None,
    addressing: Addressing = SITE,
    language: Language = Language.ENGLISH,
    at: dt.datetime = AT,
    **header: Any,
) -> Report:
    """A message on a result; ``header`` are changes of the film's header, ``previous`` the UID of the one before."""
    before = None if previous is None else SopReference(sop_class_uid=form, sop_instance_uid=previous)
    wanted = WantedMessage(sop_class_uid=form, addressing=addressing, language=language, previous=before)
    reporter = Reporter(TABLE, software_version="0.1", zone=dt.UTC)
    film = film_file(folder / "film.dcm", **header)
    return reporter.reports(film, result, alarm or alarm_for(result), at, revision, [wanted])[wanted]


@dataclass(frozen=True)
class Said:
    """One fact as a message says it, in comparable form: group, concept, value, unit."""

    group: str
    concept: tuple[str, str]
    value: str | float | tuple[str, str] | None
    unit: str = ""


SCHEMES = {uri: scheme for scheme, uri in fhir_parts._SYSTEMS.items()}


def in_hl7(report: Report) -> set[Said]:
    """Every fact of an ORU^R01, as hl7apy reads it (strictly)."""
    return set(_facts_of_oru(strict(report.data)))


def _facts_of_oru(message: Any) -> Iterator[Said]:
    for obx in observations(message):
        group = obx.obx_4.value
        if not group:
            continue  # the study
        code, _, system = (part.value for part in obx.obx_3.children)
        concept = (code, {"UML": "UMLS"}.get(system, system))
        kind, value = obx.obx_2.value, obx.obx_5.value
        if kind == "NM":
            unit = obx.obx_6.obx_6_1.value if value else ""
            yield Said(group, concept, float(value) if value else None, unit)
        elif kind == "CE":
            coded = value.split("^")
            yield Said(group, concept, (coded[0], coded[2]))
        else:
            yield Said(group, concept, value)


def observations(message: Any) -> list[Any]:
    """The OBX segments in order."""
    return [obx for line in message.children for obx in _segments(line, "OBX")]


def segment(message: Any, name: str) -> Any:
    """The only segment of that name."""
    (found,) = [one for line in message.children for one in _segments(line, name)]
    return found


def _segments(part: Any, name: str) -> Iterator[Any]:
    if part.classname == "Segment":
        if part.name == name:
            yield part
        return
    if part.classname == "Group":
        for child in part.children:
            yield from _segments(child, name)


def rows(report: Report, name: str) -> list[list[str]]:
    """The segments of a name as their fields' text, number by number (0 is the name; not for MSH)."""
    lines = report.data.decode("utf-8").split("\r")
    return [[*line.split("|"), *[""] * 30] for line in lines if line.startswith(f"{name}|")]


def resources(report: Report, kind: str) -> list[dict[str, Any]]:
    """The resources of a type in a bundle, after fhir.resources has read it."""
    bundle(report.data, r5=report.sop_class_uid == MessageFormat.FHIR_R5)
    entries = json.loads(report.data)["entry"]
    return [entry["resource"] for entry in entries if entry["resource"]["resourceType"] == kind]


def in_fhir(report: Report, sites: dict[str, str]) -> set[Said]:
    """Every fact of a bundle's Observations; ``sites`` gives the group of a body site's code."""
    return {said for one in resources(report, "Observation") for said in _facts_of_observation(one, sites)}


def _facts_of_observation(observation: dict[str, Any], sites: dict[str, str]) -> Iterator[Said]:
    group = "sentence"
    if "bodySite" in observation:
        group = sites[observation["bodySite"]["coding"][0]["code"]]
    for part in (observation, *observation.get("component", ())):
        concept = _concept(part["code"])
        lowest = concept[0] in ("LOWEST-T", "363698007")
        yield _said("lowest" if lowest else group, concept, part)


def _said(group: str, concept: tuple[str, str], part: dict[str, Any]) -> Said:
    if "valueQuantity" in part:
        quantity = part["valueQuantity"]
        assert quantity["system"] == "http://unitsofmeasure.org"
        return Said(group, concept, float(quantity["value"]), quantity["code"])
    if "valueCodeableConcept" in part:
        return Said(group, concept, _concept(part["valueCodeableConcept"]))
    if "dataAbsentReason" in part:
        return Said(group, concept, None)
    return Said(group, concept, part["valueString"])


def _concept(concept: dict[str, Any]) -> tuple[str, str]:
    first = concept["coding"][0]
    return first["code"], SCHEMES[first["system"]]


def key(code: Code) -> tuple[str, str]:
    """A code in comparable form."""
    return str(code.value), str(code.scheme_designator)
