"""The film's header, made fit for a report, once and in one place.

Whatever a report copies from the film passes here: decoded to Unicode, checked against its value representation
(DICOM PS3.5 section 6.2), and left *empty* where it is missing, malformed or too long to be what it says. Nothing
that identifies a patient, an order or a study is ever cut, guessed or made up; what was wrong is said in ``notes``,
in words and without the value.
"""

from __future__ import annotations

import datetime as dt
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydicom import config, dcmread
from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import UID

from screening_node.errors import UnreadableObject
from screening_node.imaging.quiet import quietly
from screening_node.reporting import charsets
from screening_node.reporting.language import ENGLISH, Words, later

_ORIENTATION = re.compile(r"[ALRPHF]{1,3}")
_UID = re.compile(r"[0-9.]{1,64}")
_AGE = re.compile(r"\d{3}[DWMY]")
_ZONE = re.compile(r"[+-](0\d|1[01])[0-5]\d|[+-]1200|\+1[23][0-5]\d|\+1400")
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?")


class Fault(StrEnum):
    """What may be wrong with an attribute of the film."""

    MISSING = later("{attribute} is missing.")
    INVALID = later("{attribute} is not valid and was left out.")
    UNDECLARED = later("{attribute} is not in the declared character set.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """One thing that was wrong with the header; ``attribute`` is the name that DICOM gives it."""

    attribute: str
    fault: Fault

    def text(self, say: Words = ENGLISH) -> str:
        """For people."""
        return say(self.fault.value, attribute=self.attribute)


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFilm:
    """What a report copies from the film; "" and None where the film does not say it properly.

    ``spacing_mm`` is (row, column); ``orientation`` is Patient Orientation's (row, column); ``zone`` is Timezone
    Offset From UTC. Never logged: it carries the patient's identity.
    """

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    patient_name: str
    patient_id: str
    issuer: str
    birth_date: str
    sex: str
    age: str
    accession_number: str
    study_id: str
    study_date: str
    study_time: str
    study_description: str
    referring_physician: str
    zone: str
    modality: str
    rows: int | None
    columns: int | None
    spacing_mm: tuple[str, str] | None
    orientation: tuple[str, str] | None
    notes: tuple[Note, ...]

    def __repr__(self) -> str:
        return f"SourceFilm({self.sop_instance_uid})"  # a repr ends in logs

    @property
    def sop(self) -> tuple[str, str]:
        """SOP Class UID and SOP Instance UID."""
        return self.sop_class_uid, self.sop_instance_uid

    @property
    def is_image(self) -> bool:
        """Whether an SR may point to it as an IMAGE: by its SOP class, because a dose grid has rows too."""
        return "Image Storage" in UID(self.sop_class_uid, config.IGNORE).name


def read(path: Path) -> SourceFilm:
    """The header of a Part 10 file, made fit; UnreadableObject where that fails."""
    return normalise(header_of(path))


def header_of(path: Path) -> Dataset:
    """A Part 10 file up to its pixels, as it stands; UnreadableObject where it cannot be read."""
    try:
        with quietly():
            return dcmread(path, stop_before_pixels=True)
    except Exception as error:  # pydicom raises nearly anything on broken bytes
        raise UnreadableObject(
            f"{path.name} cannot be read as DICOM.", fix="Send the film again from its source."
        ) from error


def normalise(header: Dataset) -> SourceFilm:
    """The header made fit; UnreadableObject where it does not even say which instance of which study it is."""
    reader = _Reader(header)
    film = SourceFilm(
        sop_class_uid=reader.uid("SOPClassUID"),
        sop_instance_uid=reader.uid("SOPInstanceUID"),
        study_instance_uid=reader.uid("StudyInstanceUID"),
        series_instance_uid=reader.uid("SeriesInstanceUID"),
        patient_name=reader.wanted("PatientName", _person_name),
        patient_id=reader.wanted("PatientID", _exact(64)),
        issuer=reader.optional("IssuerOfPatientID", _exact(64)),
        birth_date=reader.wanted("PatientBirthDate", _date),
        sex=reader.wanted("PatientSex", _sex),
        age=reader.optional("PatientAge", _matching(_AGE)),
        accession_number=reader.optional("AccessionNumber", _exact(16)),
        study_id=reader.optional("StudyID", _exact(16)),
        study_date=reader.wanted("StudyDate", _date),
        study_time=reader.optional("StudyTime", _time),
        study_description=reader.optional("StudyDescription", _shortened),
        referring_physician=reader.optional("ReferringPhysicianName", _person_name),
        zone=reader.optional("TimezoneOffsetFromUTC", _matching(_ZONE)),
        modality=reader.optional("Modality", _exact(16)),
        rows=reader.integer("Rows"),
        columns=reader.integer("Columns"),
        spacing_mm=reader.spacing(),
        orientation=reader.orientation(),
        notes=tuple(reader.notes),
    )
    for keyword, value in (("SOPInstanceUID", film.sop_instance_uid), ("StudyInstanceUID", film.study_instance_uid)):
        if not value:
            raise UnreadableObject(f"The film has no usable {keyword}.", fix="Send the film again from its source.")
    return film


class _Reader:
    """Takes elements out of a header as bytes, and keeps notes of what was wrong."""

    def __init__(self, header: Dataset) -> None:
        self.notes: list[Note] = []
        self._header = header
        terms = charsets.decode(self._raw("SpecificCharacterSet"), ("ascii",))[0].split("\\")
        self._sets = charsets.encodings([term.strip() for term in terms])

    def wanted(self, keyword: str, check: Callable[[str], str]) -> str:
        """As ``optional``; that it is missing is noted too."""
        value = self.optional(keyword, check)
        if not value and not self._raw(keyword).strip(b"\0 "):
            self._note(keyword, Fault.MISSING)
        return value

    def optional(self, keyword: str, check: Callable[[str], str]) -> str:
        """The element's text after ``check``, which gives "" for what may not be copied."""
        text, declared = charsets.decode(self._raw(keyword), self._sets)
        value = check(text)
        if text and not value:
            self._note(keyword, Fault.INVALID)
        elif not declared:
            self._note(keyword, Fault.UNDECLARED)
        return value

    def uid(self, keyword: str) -> str:
        """A UID as it stands, without padding; "" where it is not one. Leading zeros are let pass, as by intake."""
        text = self._raw(keyword).decode("ascii", errors="replace").strip("\0 ")
        return text if _UID.fullmatch(text) else ""

    def integer(self, keyword: str) -> int | None:
        """A value of VR US."""
        element = self._header.get_item(keyword)
        value = element.value if element is not None else None
        if isinstance(value, bytes) and len(value) == 2:
            little = getattr(element, "is_little_endian", True)
            (value,) = struct.unpack("<H" if little else ">H", value)
        return value if isinstance(value, int) and value > 0 else None

    def spacing(self) -> tuple[str, str] | None:
        """Imager Pixel Spacing, else Pixel Spacing, as two positive decimal strings (row, column)."""
        for keyword in ("ImagerPixelSpacing", "PixelSpacing"):
            values = self._ascii_values(keyword)
            if len(values) == 2 and all(_is_positive(value) for value in values):
                return values[0], values[1]
        return None

    def orientation(self) -> tuple[str, str] | None:
        """Patient Orientation as (row, column)."""
        values = self._ascii_values("PatientOrientation")
        if len(values) == 2 and all(_ORIENTATION.fullmatch(value) for value in values):
            return values[0], values[1]
        return None

    def _ascii_values(self, keyword: str) -> list[str]:
        return [value.strip("\0 ") for value in self._raw(keyword).decode("ascii", errors="replace").split("\\")]

    def _raw(self, keyword: str) -> bytes:
        """The element's bytes; those of a data set that was made rather than read are encoded as UTF-8."""
        element = self._header.get_item(keyword)
        value = element.value if element is not None else None
        if isinstance(value, bytes):
            return value
        if value is None:
            return b""
        values = value if isinstance(value, list | tuple | MultiValue) else [value]
        return "\\".join(str(part) for part in values).encode()

    def _note(self, keyword: str, fault: Fault) -> None:
        tag = tag_for_keyword(keyword)
        self.notes.append(Note(attribute=dictionary_description(tag) if tag else keyword, fault=fault))


def _exact(longest: int) -> Callable[[str], str]:
    """One value of at most so many characters, whole or not at all: a cut identifier would be another one."""
    return lambda text: "" if len(text) > longest or "\\" in text or "\n" in text else text


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    return lambda text: text if pattern.fullmatch(text) else ""


def _shortened(text: str) -> str:
    """A description (LO): cut where it is too long, because it identifies nothing.

    To 64 bytes, though PS3.5 counts characters: some readers count bytes.
    """
    line = " ".join(text.replace("\\", " ").split())
    return line.encode()[:64].decode(errors="ignore").rstrip()


def _person_name(text: str) -> str:
    """At most three groups of five components, no group over 64 characters (PS3.5 section 6.2.1); "" otherwise."""
    groups = [group.rstrip("^ ") for group in text.split("=")]
    valid = len(groups) <= 3 and all(len(group) <= 64 and group.count("^") <= 4 for group in groups)
    return "=".join(groups).rstrip("=") if valid and "\\" not in text and "\n" not in text else ""


def _date(text: str) -> str:
    """A calendar date as YYYYMMDD; ACR-NEMA's YYYY.MM.DD is read too."""
    digits = text.replace(".", "") if re.fullmatch(r"\d{4}\.\d{2}\.\d{2}", text) else text
    try:
        return digits if len(digits) == 8 and dt.datetime.strptime(digits, "%Y%m%d") else ""
    except ValueError:
        return ""


def _time(text: str) -> str:
    """A time of day; ACR-NEMA's HH:MM:SS is read too."""
    digits = text.replace(":", "")
    return digits if _TIME.fullmatch(digits) else ""


def _sex(text: str) -> str:
    return text.upper() if text.upper() in {"F", "M", "O"} else ""


def _is_positive(text: str) -> bool:
    if len(text) > 16:
        return False
    try:
        return 0 < float(text) < float("inf")
    except ValueError:
        return False
