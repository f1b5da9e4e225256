"""As many distinct films as wanted, made from a few by writing other UIDs and Patient IDs of the same length."""

from __future__ import annotations

import hashlib
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pydicom
from integration import peers
from pydicom.uid import ExplicitVRLittleEndian

#: Placeholders in a template: each film's own ones have as many characters.
_UID = "2.25.9{kind}{number:020d}"
_PATIENT = "FICTION-{number:08d}"
_PLACE = 10**19
_KINDS = {"SOPInstanceUID": 1, "StudyInstanceUID": 2, "SeriesInstanceUID": 3}


@dataclass(frozen=True, kw_only=True)
class Template:
    """A film with placeholders, as it lies on disk and as DCMTK's sender puts its data set on the wire."""

    file: bytes = field(repr=False)
    wire: bytes = field(repr=False)

    @classmethod
    def of(cls, film: Path, folder: Path) -> Template:
        """What storescu makes of a film is seen by sending it to a storescp that keeps every bit."""
        folder.mkdir(parents=True, exist_ok=True)
        dataset = pydicom.dcmread(film)
        for keyword, kind in _KINDS.items():
            setattr(dataset, keyword, _UID.format(kind=kind, number=_PLACE))
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.PatientID = _PATIENT.format(number=_PLACE % 10**8)
        assert dataset.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian, "other syntaxes need other proposals"
        path = folder / film.name
        dataset.save_as(path, enforce_file_format=True)
        with peers.storescp(folder / "wire", "--bit-preserving") as pacs:
            done = peers.storescu(pacs.port, path)
            assert done.returncode == 0, done.stderr
            (received,) = pacs.files()
            return cls(file=path.read_bytes(), wire=_data_set(received.read_bytes()))


@dataclass(frozen=True, kw_only=True)
class Film:
    """One film to send; ``sha256``: of the data set that goes over the wire."""

    number: int
    path: Path
    sop_instance_uid: str
    sha256: str


class Supply:
    """Films in the order of their numbers, written when they are fetched; those that came back go first."""

    def __init__(self, templates: Sequence[Template], count: int, folder: Path) -> None:
        self._templates, self._count, self._folder = templates, count, folder
        self._next, self._returned, self._lock = 0, list[Film](), threading.Lock()
        self.acknowledged: dict[str, Film] = {}
        self.resent = 0
        folder.mkdir(parents=True, exist_ok=True)

    def fetch(self, at_most: int, *, share: float) -> list[Film]:
        """The next films out of the first ``share`` of all; none where these are acknowledged or with other senders."""
        with self._lock:
            films, self._returned = self._returned[:at_most], self._returned[at_most:]
            numbers = range(self._next, min(round(share * self._count), self._next + at_most - len(films)))
            self._next += len(numbers)
        return [*films, *map(self._made, numbers)]

    def settle(self, films: Sequence[Film], acknowledged: int) -> None:
        """So many of the films, the first ones, were acknowledged; the others are to be sent again."""
        with self._lock:
            self.acknowledged |= {film.sop_instance_uid: film for film in films[:acknowledged]}
            self._returned += films[acknowledged:]
            self.resent += len(films) - acknowledged
        for film in films[:acknowledged]:
            film.path.unlink()

    @property
    def over(self) -> bool:
        """Whether every film is acknowledged."""
        with self._lock:
            return len(self.acknowledged) == self._count

    def _made(self, number: int) -> Film:
        template = self._templates[number % len(self._templates)]
        path = self._folder / f"{number:08d}.dcm"
        path.write_bytes(_own(template.file, number))
        return Film(
            number=number,
            path=path,
            sop_instance_uid=_UID.format(kind=_KINDS["SOPInstanceUID"], number=number),
            sha256=hashlib.sha256(_own(template.wire, number)).hexdigest(),
        )


def kept_sha256(path: Path) -> str:
    """Hash of the data set of a Part 10 file, without its preamble and meta information."""
    return hashlib.sha256(_data_set(path.read_bytes())).hexdigest()


def send(films: Sequence[Film], port: int, calling: str, seconds: float) -> int:
    """Send the films with DCMTK's storescu on one association; how many were acknowledged with success, from the first.

    storescu stops at the first film that is not.
    """
    command = [peers.require("storescu", "dcmtk"), "-v", "-aet", calling, "-aec", "NODE", "-to", "10", "-td", "20"]
    command += ["-ta", "20", "127.0.0.1", str(port), *(str(film.path) for film in films)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=seconds, check=False)
    except subprocess.TimeoutExpired as late:
        said = late.stdout or b""
        return said.decode(errors="replace").count(_SUCCESS) if isinstance(said, bytes) else said.count(_SUCCESS)
    return (done.stdout + done.stderr).count(_SUCCESS)


_SUCCESS = "Received Store Response (Success)"


def _own(template: bytes, number: int) -> bytes:
    for kind in _KINDS.values():
        place = _UID.format(kind=kind, number=_PLACE).encode()
        template = template.replace(place, _UID.format(kind=kind, number=number).encode())
    return template.replace(_PATIENT.format(number=_PLACE % 10**8).encode(), _PATIENT.format(number=number).encode())


def _data_set(part10: bytes) -> bytes:
    """What follows the meta information, whose length its first element says (PS3.10 section 7.1)."""
    return part10[144 + int.from_bytes(part10[140:144], "little") :]
