"""FHIR's data types as JSON: codings, identifiers, names, the patient. What is empty is left out: FHIR forbids it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pydicom.sr.coding import Code

from screening_node.reporting import codes, uids
from screening_node.reporting.message import Message
from screening_node.reporting.source import SourceFilm

Json = dict[str, Any]

#: Code systems as FHIR names them (terminology.hl7.org; the DICOM FHIR value sets use the same).
_SYSTEMS: Final = {
    "SCT": "http://snomed.info/sct",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "LN": "http://loinc.org",
    "UMLS": "http://terminology.hl7.org/CodeSystem/umls",
    "UCUM": "http://unitsofmeasure.org",
    codes.PRIVATE_DESIGNATOR: f"urn:oid:{uids.CODING_SCHEME_UID}",
}
_TABLES: Final = "http://terminology.hl7.org/CodeSystem"
_REPRESENTATION: Final = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"
_GENDERS: Final = {"F": "female", "M": "male", "O": "other"}


def present(**values: Any) -> Json:
    """The values that are there; a Python keyword as a name has an underscore behind it."""
    return {name.rstrip("_"): value for name, value in values.items() if value not in (None, "", [], {})}


def system_of(code: Code) -> str:
    """A code's system by its URI."""
    return _SYSTEMS[code.scheme_designator]


def coding(code: Code) -> Json:
    """A Coding."""
    return {"system": system_of(code), "code": code.value, "display": code.meaning}


def concept(*of: Code, text: str = "") -> Json:
    """A CodeableConcept of one code, or of several that say the same more or less finely."""
    return present(coding=[coding(code) for code in of], text=text)


def table(name: str, value: str, display: str) -> Json:
    """A CodeableConcept of one of HL7's own tables."""
    return {"coding": [{"system": f"{_TABLES}/{name}", "code": value, "display": display}]}


def oid(uid: str) -> Json:
    """A UID as an Identifier."""
    return {"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{uid}"}


def study(film: SourceFilm) -> Json:
    """The film's study, wherever the server keeps it (FHIR, ImagingStudy: urn:dicom:uid)."""
    identifier = {"system": "urn:dicom:uid", "value": f"urn:oid:{film.study_instance_uid}"}
    return {"type": "ImagingStudy", "identifier": identifier}


def order(film: SourceFilm) -> Json:
    """The order by its accession number."""
    kind = table("v2-0203", "ACSN", "Accession ID")
    return {"type": "ServiceRequest", "identifier": {"type": kind, "value": film.accession_number}}


def effective(film: SourceFilm) -> str:
    """When the film was taken, as exactly as FHIR can say it: a time needs its zone."""
    date = _date(film.study_date)
    time = film.study_time[:6]
    if not date or len(time) < 6 or not film.zone:
        return date
    second = "59" if time[4:] == "60" else time[4:]  # FHIR has no leap seconds
    return f"{date}T{time[:2]}:{time[2:4]}:{second}{film.zone[:3]}:{film.zone[3:]}"


def patient_identifier(what: Message) -> Json:
    """The patient's identifier; its system only where the site has named that of the authority which gave it."""
    film = what.statement.film
    known = what.issuer == what.addressing.assigning_authority
    return present(
        system=what.addressing.patient_system if known else "",
        value=film.patient_id.strip(),
        assigner=present(display=what.issuer),
    )


def patient(what: Message) -> Json:
    """The patient as the film names them."""
    film = what.statement.film
    return present(
        resourceType="Patient",
        identifier=[patient_identifier(what)],
        name=list(names(film.patient_name)),
        gender=_GENDERS.get(film.sex, "unknown"),
        birthDate=_date(film.birth_date),
    )


def names(value: str) -> Iterator[Json]:
    """A PN (family, given, middle, prefix, suffix by group) as HumanNames."""
    groups = value.split("=")
    forms = ("ABC", "IDE", "SYL") if len(groups) > 1 else ("",)
    for group, form in zip(groups, forms, strict=False):
        family, given, middle, prefix, suffix = ([part.strip() for part in group.split("^")] + [""] * 5)[:5]
        parts = [prefix, given, middle, family, suffix]
        if any(parts):
            yield present(
                extension=[{"url": _REPRESENTATION, "valueCode": form}] if form else [],
                text=" ".join(filter(None, parts)),
                family=family,
                given=list(filter(None, (given, middle))),
                prefix=list(filter(None, (prefix,))),
                suffix=list(filter(None, (suffix,))),
            )


def _date(value: str) -> str:
    """A DA as a FHIR date."""
    return f"{value[:4]}-{value[4:6]}-{value[6:]}" if len(value) == 8 else ""
