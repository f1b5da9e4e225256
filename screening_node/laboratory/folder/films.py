"""The films of a cohort, looked at without decoding: that each is there and whole, and none is there twice.

Headers are read for what identifies a film or a person; none of it leaves this module but as file and row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import DeflatedExplicitVRLittleEndian

from screening_node.imaging import header
from screening_node.imaging.quiet import quietly
from screening_node.laboratory.folder.problems import Kind, Problem
from screening_node.phantom.cohort_folder import DXA

_TAGS = (
    "SOPInstanceUID",
    "PatientID",
    "IssuerOfPatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "Manufacturer",
    "ManufacturerModelName",
    "Rows",
    "Columns",
    "BitsAllocated",
    "SamplesPerPixel",
    "NumberOfFrames",
)
_PIXEL_DATA, _ITEM, _END = b"\xe0\x7f\x10\x00", b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_UNDEFINED = 0xFFFFFFFF
#: An identity that more than so many patients, and so large a share of them, have in common is no identity but what
#: de-identification wrote into every film.
_DUMMY_PATIENTS, _DUMMY_SHARE = 5, 0.2


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was seen of one film; ``wrong`` where it cannot be used.

    ``shape``: (rows, columns); ``equipment``: maker and model; ``person``: the DICOM identity, ``namesake``: name,
    birth date and sex, both hashed; ``sex`` as in the header.
    """

    shape: tuple[int, int] | None = None
    sop_instance: str | None = field(default=None, repr=False)
    person: str | None = field(default=None, repr=False)
    namesake: str | None = field(default=None, repr=False)
    sex: str | None = None
    equipment: str | None = None
    sha256: str | None = None
    wrong: tuple[Kind, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A row of dxa.csv and the look at its film."""

    row: int
    film: str
    patient_id: str = field(repr=False)
    sex: str | None = None
    look: Look


def look_at(paths: Sequence[Path], *, hashed: bool) -> list[Look]:
    """A look at each file, in order; ``hashed``: with its SHA-256, for which all of it is read."""
    with quietly(), ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda path: _look(path, hashed), paths))


def check_films(seen: Sequence[Seen], *, phantom: bool, problems: list[Problem], notes: list[str]) -> None:
    """Films that cannot be used, films that are there twice, patients under two IDs."""
    for one in seen:
        if one.look.wrong is not None:
            kind, text = one.look.wrong
            problems.append(Problem(kind=kind, file=one.film, text=f"{text} (named in {DXA} row {one.row})"))
    problems.extend(_twice(seen))
    problems.extend(_two_ids(seen, notes))
    if not phantom:  # a phantom's names are drawn from 240
        pairs = list(_shared(seen, {one.row: one.look.namesake for one in seen}, notes=[]))
        if pairs:
            rows = ", ".join(f"{first.row} and {second.row}" for first, second in pairs[:5])
            notes.append(f"{DXA}: name, birth date and sex agree in rows with different IDs: {rows}; one person?")
    contrary = [one.row for one in seen if {one.sex, one.look.sex} == {"F", "M"}]
    if contrary:
        rows = ", ".join(map(str, contrary[:5]))
        notes.append(f"{DXA}: the sex is not the film header's in {len(contrary)} rows ({rows}); are rows shifted?")


def unnamed(folder: Path, named: Sequence[Path]) -> list[str]:
    """DICOM files by name (*.dcm) in the folder that no row names."""
    known = set(named)
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.dcm") if path not in known)


def _look(path: Path, hashed: bool) -> Look:
    try:
        with path.open("rb") as file:
            look = _header(file, path.stat().st_size)
            if hashed:
                file.seek(0)
                look = replace(look, sha256=hashlib.file_digest(file, "sha256").hexdigest())
            return look
    except FileNotFoundError:
        return Look(wrong=(Kind.MISSING, "there is no such file"))
    except OSError as error:
        return Look(wrong=(Kind.UNREADABLE, f"it cannot be read: {error.strerror}"))


def _header(file: BinaryIO, size: int) -> Look:
    try:
        dataset = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(_TAGS))
        wrong = _pixels(file, dataset, size)
    except InvalidDicomError:
        return Look(wrong=(Kind.UNREADABLE, "it is no DICOM file"))
    except OSError:
        raise
    except Exception:  # pydicom raises whatever a broken stream leads it to
        return Look(wrong=(Kind.TRUNCATED, "its header is cut short or damaged"))
    rows, columns = header.whole(dataset, "Rows"), header.whole(dataset, "Columns")
    return Look(
        shape=(rows, columns) if rows and columns else None,
        sop_instance=header.text(dataset, "SOPInstanceUID"),
        person=_key(dataset, "PatientID", "IssuerOfPatientID", "PatientBirthDate", needed="PatientID"),
        namesake=_key(dataset, "PatientName", "PatientBirthDate", "PatientSex", needed="PatientBirthDate"),
        sex=header.text(dataset, "PatientSex"),
        equipment=header.equipment(dataset),
        wrong=wrong,
    )


def _key(dataset: Dataset, *keywords: str, needed: str) -> str | None:
    if header.text(dataset, needed) is None:
        return None
    parts = "\n".join(header.text(dataset, keyword) or "" for keyword in keywords)
    return hashlib.sha256(parts.casefold().encode()).hexdigest()


def _pixels(file: BinaryIO, dataset: Dataset, size: int) -> tuple[Kind, str] | None:
    """Whether the pixel data, before which ``file`` stands, are whole, from lengths alone (PS3.5 7.1, A.4)."""
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax == DeflatedExplicitVRLittleEndian:
        file.seek(0)
        whole = pydicom.dcmread(file)
        return _enough(dataset, len(whole.PixelData) if "PixelData" in whole else 0)
    implicit, little = dataset.original_encoding
    head = file.read(8 if implicit else 12)
    if not head:
        return Kind.TRUNCATED, "the file ends before its pixel data"
    if (head[:4] if little else head[1::-1] + head[3:1:-1]) != _PIXEL_DATA:
        return Kind.UNREADABLE, "it has no pixel data that a radiograph has"
    length = int.from_bytes(head[-4:], "little" if little else "big")
    if length == _UNDEFINED:
        return None if _fragments_end(file, size) else (Kind.TRUNCATED, "its compressed pixel data are cut short")
    return _enough(dataset, min(length, size - file.tell()))


def _enough(dataset: Dataset, there: int) -> tuple[Kind, str] | None:
    """Uncompressed pixels: rows x columns x samples x bytes, one frame (PS3.5 8.1.1)."""
    rows, columns = header.whole(dataset, "Rows") or 0, header.whole(dataset, "Columns") or 0
    samples = header.whole(dataset, "SamplesPerPixel") or 1
    needed = rows * columns * samples * (((header.whole(dataset, "BitsAllocated") or 16) + 7) // 8)
    if not needed:
        return Kind.UNREADABLE, "its header gives no rows or no columns"
    if there < needed:
        return Kind.TRUNCATED, f"{there} of {needed} bytes of pixel data are there"
    return None


def _fragments_end(file: BinaryIO, size: int) -> bool:
    """Whether encapsulated fragments run to their Sequence Delimitation Item within the file (PS3.5 A.4)."""
    while len(head := file.read(8)) == 8:
        if head[:4] == _END:
            return True
        end = file.tell() + int.from_bytes(head[4:], "little")
        if head[:4] != _ITEM or end > size:
            return False
        file.seek(end)
    return False


def _twice(seen: Sequence[Seen]) -> Iterator[Problem]:
    """The same object or the same bytes in two files."""
    told: set[int] = set()
    for what, keys in (
        ("the same bytes", {one.row: one.look.sha256 for one in seen}),
        ("the same SOP Instance UID", {one.row: one.look.sop_instance for one in seen}),
    ):
        for first, second in _pairs(seen, keys):
            if first.film == second.film or second.row in told:
                continue
            told.add(second.row)
            kind = Kind.SAME_FILM if first.patient_id == second.patient_id else Kind.SAME_PATIENT
            text = f"{second.film} is {first.film} of row {first.row}: {what}"
            text += "" if kind == Kind.SAME_FILM else ", under another patient_id"
            yield Problem(kind=kind, file=DXA, row=second.row, text=text)


def _two_ids(seen: Sequence[Seen], notes: list[str]) -> Iterator[Problem]:
    for first, second in _shared(seen, {one.row: one.look.person for one in seen}, notes=notes):
        text = f"{second.film} and {first.film} of row {first.row} have one DICOM identity, and two patient_ids"
        yield Problem(kind=Kind.SAME_PATIENT, file=DXA, row=second.row, text=text)


def _shared(seen: Sequence[Seen], keys: Mapping[int, str | None], *, notes: list[str]) -> Iterator[tuple[Seen, Seen]]:
    """Pairs with one key and two patient_ids, unless half the cohort shares the key."""
    patients: dict[str, set[str]] = {}
    for one in seen:
        key = keys[one.row]
        if key is not None:
            patients.setdefault(key, set()).add(one.patient_id)
    most = max(_DUMMY_PATIENTS, _DUMMY_SHARE * len({one.patient_id for one in seen}))
    dummies = {key for key, own in patients.items() if len(own) > most}
    if dummies:
        notes.append(f"films of {max(len(patients[key]) for key in dummies)} patients share one DICOM identity, as de-")
        notes[-1] += "identified films do: patients under two IDs cannot be told by it"
    for first, second in _pairs(seen, keys):
        if first.patient_id != second.patient_id and keys[first.row] not in dummies:
            yield first, second


def _pairs(seen: Sequence[Seen], keys: Mapping[int, str | None]) -> Iterator[tuple[Seen, Seen]]:
    """Each row whose key came before, with the row that had it first."""
    first: dict[str, Seen] = {}
    for one in seen:
        key = keys[one.row]
        if key is not None and first.setdefault(key, one) is not one:
            yield first[key], one
