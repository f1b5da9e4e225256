"""A result as HL7 v2.5.1 ORU^R01 (chapter 7, section 7.3.1).

    MSH  sender, receiver, control ID, UNICODE UTF-8
    PID  the patient as the film names it; nothing is made up: what is missing is empty, an identifier is ""
    ORC, OBR  filler order number (the same for every revision), the service, the film's study, the status
    OBX  the study (IHE RAD TF-2 4.7: 113014^DICOM Study^DCM), then the facts, grouped by OBX-4, then all as text

Status: P (preliminary), because no person has verified it, as the Structured Report's Preliminary Flag says; receivers
show it without taking it for the radiologist's report. A revision is C (correction): it replaces what was sent before
under the same filler order number, and names the message that it replaces. X: no value could be had.

The service is the node's own code beside LOINC's for an imaging study, never that of the chest film itself: receivers
file by it, and the radiologist's report must not be overwritten.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pydicom.sr.coding import Code

from screening_node.reporting import codes, facts, wording
from screening_node.reporting.facts import Fact, Group, Quantity
from screening_node.reporting.hl7_text import components, escaped, formatted, message, segment
from screening_node.reporting.message import Message, control_id
from screening_node.reporting.source import SourceFilm

#: Coding systems in HL7 table 0396; the node's own and DICOM's name themselves.
_SYSTEMS: Final = {"UMLS": "UML"}
#: As IHE writes it (RAD TF-2, 4.7); DICOM's own meaning of the code is "Study".
_STUDY: Final = "113014^DICOM Study^DCM"
_NULL: Final = '""'
_OID: Final = re.compile(r"[0-2](\.(0|[1-9]\d*))+")
_LONGEST_NAMESPACE: Final = 20  # IS, table 0363
_FINAL_BY_OTHERS: Final = "O"  # the study is what was ordered, no result of ours


def build(what: Message) -> bytes:
    """The message's bytes; every date and time in it comes from the film, or from the job."""
    return message(
        _header(what),
        _patient(what),
        segment("ORC", {1: "RE", 3: _order(what)}),
        _request(what),
        *_observations(what),
    )


def _header(what: Message) -> dict[int, str]:
    addressing = what.addressing
    return {
        3: escaped(addressing.sending_application),
        4: escaped(addressing.sending_facility),
        5: escaped(addressing.receiving_application),
        6: escaped(addressing.receiving_facility),
        7: _now(what),
        9: "ORU^R01^ORU_R01",
        10: control_id(what.uid),
        11: addressing.processing,
        12: "2.5.1",
        18: "UNICODE UTF-8",
    }


def _patient(what: Message) -> str:
    film = what.statement.film
    identifier = (
        "^".join((escaped(film.patient_id), "", "", _authority(what.issuer), "PI")) if film.patient_id else _NULL
    )
    names = _names(film.patient_name) or _NULL
    return segment("PID", {1: "1", 3: identifier, 5: names, 7: film.birth_date, 8: film.sex or "U"})


def _authority(issuer: str) -> str:
    """Who gave an identifier (HD, section 2.A.33): an OID as such; a name that HD.1 has no room for as a local ID."""
    if _OID.fullmatch(issuer):
        return f"&{issuer}&ISO"
    return escaped(issuer) if len(issuer) <= _LONGEST_NAMESPACE else f"&{escaped(issuer)}&L"


def _names(value: str, *before: str) -> str:
    """A PN (family, given, middle, prefix, suffix by group) as repetitions of XPN, or of XCN with its ID ``before``."""
    groups = value.split("=")
    forms = "AIP" if len(groups) > 1 else " "  # alphabetic, ideographic, phonetic (table 0465)
    given = zip(groups, forms, strict=False)
    return "~".join(_name(group, form.strip(), before) for group, form in given if group.strip("^ "))


def _name(group: str, form: str, before: tuple[str, ...]) -> str:
    family, given, middle, prefix, suffix = (group.split("^") + [""] * 5)[:5]
    person = (*before, family, given, middle, suffix, prefix)
    # the form of the name is component 8 of XPN, and 15 of XCN
    return components(*person, *("",) * ((14 if before else 7) - len(person)), form)


def _order(what: Message) -> str:
    return components(what.order_uid, what.addressing.sending_application)


def _request(what: Message) -> str:
    film = what.statement.film
    return segment(
        "OBR",
        {
            1: "1",
            3: _order(what),
            4: "^".join((_coded(codes.SERVICE), _coded(codes.IMAGING_STUDY))),
            7: _study_time(film),
            16: _names(film.referring_physician, ""),
            18: escaped(film.accession_number),
            22: _now(what),
            24: "RAD",
            25: _status(what),
        },
    )


def _observations(what: Message) -> Iterator[str]:
    statement = what.statement
    film = statement.film
    rows: list[dict[int, str]] = [
        {2: "ST", 3: _STUDY, 5: escaped(film.study_instance_uid), 11: _FINAL_BY_OTHERS},
        *(_observation(fact, what) for fact in facts.of(statement)),
    ]
    if what.wanted.previous is not None:
        replaced = control_id(what.wanted.previous.sop_instance_uid)
        rows.append({2: "ST", 3: _coded(codes.REPLACES), 4: Group.PATIENT, 5: replaced, 11: _status(what)})
    text = wording.comment(
        statement.result, statement.alarm, statement.table, film.notes, statement.revision, statement.say
    )
    rows.append({2: "FT", 3: _coded(codes.COMMENT), 4: Group.PATIENT, 5: formatted(text), 11: _status(what)})
    shared = {14: _study_time(film), 18: _equipment(what), 19: _now(what)}
    return (segment("OBX", {1: str(number), **row, **shared}) for number, row in enumerate(rows, 1))


def _observation(fact: Fact, what: Message) -> dict[int, str]:
    kind, value, unit = _value(fact)
    measured = fact.name != codes.ALARM_THRESHOLD
    return {
        2: kind,
        3: _coded(fact.name, fact.title),
        4: fact.group,
        5: value,
        6: unit,
        8: fact.flag,
        11: "X" if fact.value is None else _status(what),
        17: _coded(codes.RADIOGRAPH_METHOD) if isinstance(fact.value, Quantity) and measured else "",
    }


def _value(fact: Fact) -> tuple[str, str, str]:
    """OBX-2, OBX-5 and OBX-6."""
    value = fact.value
    if isinstance(value, Quantity):
        return "NM", value.value, _coded(value.unit)
    if isinstance(value, Code):
        return "CE", _coded(value), ""
    return ("NM", "", "") if value is None else ("TX", escaped(value), "")


def _coded(code: Code, title: str | None = None) -> str:
    system = _SYSTEMS.get(code.scheme_designator, code.scheme_designator)
    return components(code.value, title or code.meaning, system)


def _status(what: Message) -> str:
    return "C" if what.revised else "P"


def _equipment(what: Message) -> str:
    """The node with these weights, as in the Structured Report."""
    return components(what.addressing.sending_application, "", what.statement.device_uid, "ISO")


def _now(what: Message) -> str:
    return what.at.strftime("%Y%m%d%H%M%S%z")


def _study_time(film: SourceFilm) -> str:
    """As exact as the film says it: a time only with its date, a zone only with a time (TS, section 2.A.77)."""
    if not film.study_date or not film.study_time:
        return film.study_date
    whole, point, fraction = film.study_time.partition(".")
    return f"{film.study_date}{whole}{point}{fraction[:4]}{film.zone}"
