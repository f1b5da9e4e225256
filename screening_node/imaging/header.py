"""Reading headers that lie: every function here answers with a value or None and never raises.

Values are taken from the stored bytes where pydicom still holds them, because pydicom's own conversion warns or
raises on bad values, and its warnings quote the value: a patient's name would end in a log.
"""

from __future__ import annotations

import datetime as dt
import math
import re

from pydicom.charset import convert_encodings, decode_bytes, python_encoding
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from screening_node.domain.exam import Patient
from screening_node.domain.identity import MANUFACTURER, MODEL_NAME
from screening_node.imaging.quiet import quietly

#: Computed Radiography, Digital X-Ray for presentation and for processing (PS3.4 B.5).
RADIOGRAPH_CLASSES = frozenset(
    {"1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1.1"}
)
#: Older than anybody: an age beyond it is a typing error.
_MOST_YEARS = 130
_AGE = re.compile(r"^(\d{1,3})([DWMY])$")
_DAYS_IN = {"D": 1.0, "W": 7.0, "M": 30.4375, "Y": 365.25}
_DATE = re.compile(r"^(\d{4})[.\-/]?(\d{2})[.\-/]?(\d{2})")


def texts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """All values of an element as stripped text, in order; empty where it is absent, empty or unreadable."""
    try:
        joined = _joined(dataset, keyword)
    except Exception:  # a header may hold anything; what cannot be read is not there
        return ()
    return tuple(part for part in (part.strip(" \r\n\t") for part in _storable(joined).split("\\")) if part)


def _storable(value: str) -> str:
    """Without NULs, and without halves of surrogate pairs: no database and no UTF-8 takes either."""
    return value.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def text(dataset: Dataset, keyword: str) -> str | None:
    """The first value of an element as text, or None."""
    return next(iter(texts(dataset, keyword)), None)


def number(dataset: Dataset, keyword: str) -> float | None:
    """The first value of an element as a finite number, or None."""
    return next(iter(numbers(dataset, keyword)), None)


def numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """All values of an element as finite numbers; empty where any of them is none."""
    try:
        values = tuple(float(value) for value in texts(dataset, keyword))
    except ValueError:
        return ()
    return values if all(math.isfinite(value) for value in values) else ()


def whole(dataset: Dataset, keyword: str) -> int | None:
    """The first value of an element as a whole number, or None."""
    value = number(dataset, keyword)
    return None if value is None or value != int(value) else int(value)


def date(dataset: Dataset, keyword: str) -> dt.date | None:
    """A DA (or the day of a DT) element; the ACR-NEMA form 1993.01.31 is understood; None where it is no day."""
    found = _DATE.match(text(dataset, keyword) or "")
    if found is None:
        return None
    try:
        return dt.date(*(int(part) for part in found.groups()))
    except ValueError:
        return None


def study_date(dataset: Dataset) -> dt.date | None:
    """The day of the study, else of the acquisition, series or content: the first that is a day."""
    keywords = ("StudyDate", "AcquisitionDate", "SeriesDate", "ContentDate", "AcquisitionDateTime")
    return next((day for day in (date(dataset, keyword) for keyword in keywords) if day is not None), None)


def patient_of(dataset: Dataset) -> Patient:
    """Who the film shows, as far as its header says; a birth date after the study is no birth date."""
    studied = study_date(dataset)
    born = date(dataset, "PatientBirthDate")
    if born is not None and studied is not None and born > studied:
        born = None
    return Patient(
        patient_id=text(dataset, "PatientID"),
        issuer=text(dataset, "IssuerOfPatientID"),
        name=text(dataset, "PatientName"),
        birth_date=born,
        sex=_sex(dataset),
        age=_age(dataset, born, studied),
    )


def equipment(dataset: Dataset) -> str | None:
    """Maker and model of what took the film (General Equipment, PS3.3 C.7.5.1), in printable letters."""
    parts = (text(dataset, "Manufacturer"), text(dataset, "ManufacturerModelName"))
    joined = " ".join(part for part in parts if part)
    return " ".join("".join(letter if letter.isprintable() else " " for letter in joined).split()) or None


def age_years(value: str) -> int | None:
    """Whole years of an AS value ("045Y", "18M", "3W", and bare digits, which old equipment writes), or None."""
    value = value.strip().upper()
    found = _AGE.match(value if not value.isdigit() else value + "Y")
    if found is None:
        return None
    years = int(int(found[1]) * _DAYS_IN[found[2]] / _DAYS_IN["Y"] + 1e-9)
    return years if years <= _MOST_YEARS else None


def is_own_object(dataset: Dataset) -> bool:
    """Whether this node (or another of its kind) made the object: its reports must not be judged as films.

    Looks at General Equipment (PS3.3 C.7.5.1). A phantom film carries the same maker but is a film to judge, so
    the SOP classes of radiographs are never the node's own objects.
    """
    made_here = text(dataset, "Manufacturer") == MANUFACTURER or text(dataset, "ManufacturerModelName") == MODEL_NAME
    return made_here and text(dataset, "SOPClassUID") not in RADIOGRAPH_CLASSES


def _sex(dataset: Dataset) -> str | None:
    value = (text(dataset, "PatientSex") or "").upper()
    return value if value in {"F", "M", "O"} else None


def _age(dataset: Dataset, born: dt.date | None, studied: dt.date | None) -> int | None:
    """Age at the study: from the dates where both are there, because they are exact, else Patient's Age."""
    if born is not None and studied is not None:
        years = studied.year - born.year - ((studied.month, studied.day) < (born.month, born.day))
        if years <= _MOST_YEARS:
            return years
    return age_years(text(dataset, "PatientAge") or "")


def _joined(dataset: Dataset, keyword: str) -> str:
    """An element's values joined by backslashes, decoded; "" where there is none."""
    tag = tag_for_keyword(keyword)
    if tag is None or tag not in dataset:
        return ""
    element: object = dataset.get_item(tag)
    if isinstance(element, RawDataElement) and isinstance(element.value, bytes):
        if element.VR in {"US", "SS", "UL", "SL", "FD", "FL"} or _is_binary(keyword):
            return _plain(dataset[tag].value)
        return _decoded(element.value, dataset)
    return _plain(getattr(element, "value", None))


def _is_binary(keyword: str) -> bool:
    """Whether an implicit-VR element of this keyword holds binary numbers."""
    return keyword in _BINARY_KEYWORDS


_BINARY_KEYWORDS = frozenset(
    {"Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel"}
)


def _plain(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue":
        return "\\".join(str(item) for item in value)  # type: ignore[attr-defined]
    return str(value)


def _decoded(value: bytes, dataset: Dataset) -> str:
    """Bytes by the data set's Specific Character Set; by UTF-8, then Latin-1, where that is absent or wrong."""
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii")
    terms = _character_sets(dataset)
    if not terms:
        return _guessed(value)
    try:
        if len(terms) == 1 and b"\x1b" not in value:
            return value.decode(python_encoding[terms[0]])
        with quietly():
            return str(decode_bytes(value, convert_encodings(list(terms)), {0x5C, 0x5E, 0x3D}))
    except Exception:  # an unknown character set, or bytes that are not in it
        return _guessed(value)


def _character_sets(dataset: Dataset) -> tuple[str, ...]:
    """The defined terms of Specific Character Set (PS3.3 C.12.1.1.2); raises nothing, unknown ones are dropped."""
    element: object = dataset.get_item("SpecificCharacterSet")
    value = getattr(element, "value", None)
    joined = value.decode("ascii", "ignore") if isinstance(value, bytes) else _plain(value)
    terms = (term.strip(" \0") for term in joined.split("\\"))
    return tuple(term for term in terms if term in python_encoding and (term or "\\" in joined))


def _guessed(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")
