"""One patient on request: everything forgotten, or films and results handed over without the identity."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydicom
import sqlalchemy as sa

from screening_node import __version__
from screening_node.admin import listings
from screening_node.domain.exam import Patient
from screening_node.errors import Misconfigured, NotFound, Permanent, UnreadableObject
from screening_node.imaging.deidentify import Pseudonyms, deidentified, written
from screening_node.imaging.header import patient_of
from screening_node.imaging.quiet import quietly
from screening_node.store import alarms, purge
from screening_node.store import tables as t
from screening_node.store.archive import Archive
from screening_node.store.orphans import orphans
from screening_node.store.records import audit
from screening_node.store.session import Store
from screening_node.store.upkeep import fold

MANIFEST = "manifest.json"
_PROFILE = "DICOM PS3.15 Annex E, Basic Application Level Confidentiality Profile"


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Whom it is about: by ID (and issuer, where films of several share it), or by the study of a film without ID."""

    patient_id: str | None = field(default=None, repr=False)
    issuer: str | None = field(default=None, repr=False)
    study_instance_uid: str | None = field(default=None, repr=False)


def key_of(store: Store, identity: Identity) -> str:
    """The patient's key in the store. Raises NotFound, or Permanent where the ID is not enough."""
    if identity.patient_id is not None:
        key, _ = listings.patient_key(store, identity.patient_id, identity.issuer)
    else:
        nobody = Patient(patient_id=None, issuer=None, name=None, birth_date=None, sex=None, age=None)
        key = alarms.patient_key(nobody, identity.study_instance_uid or "")
    with store.read() as tx:
        if tx.execute(sa.select(t.patients.c.patient_key).where(t.patients.c.patient_key == key)).first() is None:
            raise NotFound("The node holds nothing of this patient.", fix="Check patient ID and issuer.")
    return key


def holdings(store: Store, identity: Identity) -> dict[str, int]:
    """How many rows of the patient each table holds. Raises NotFound or Permanent."""
    key = key_of(store, identity)
    with store.read() as tx:
        return purge.count(tx, key)


def forget(
    store: Store,
    archive: Archive,
    identity: Identity,
    *,
    actor: str,
    forget_copy: Callable[[str], None],
) -> dict[str, int]:
    """Remove films, results, alarms, reports and display copies of a patient; what was removed, by table.

    The audit says that it was done, by whom and how much, and not of whom. Raises NotFound, or Permanent where one of
    the films is just being judged or sent.
    """
    key, aside = key_of(store, identity), []
    strays = list(_strays(store, archive, identity))
    try:
        with store.begin() as tx:
            purge.hold(tx, key)
            removed, copies = purge.count(tx, key), purge.films_of(tx, key)
            for path in [*purge.paths_of(tx, key), *strays]:
                if (moved := archive.set_aside(path)) is not None:
                    aside.append(moved)
            purge.erase(tx, key)
            detail = {**removed, "files": len(aside)}
            audit(tx, actor=actor, action="patient.purge", subject="a patient", detail=detail)
    except BaseException:
        for each in aside:
            archive.put_back(each)
        raise
    for each in aside:
        archive.discard(each)
    for sha256 in copies:
        forget_copy(sha256)
    fold(store)
    return {**removed, "files": len(aside)}


def _strays(store: Store, archive: Archive, identity: Identity) -> Iterator[str]:
    """Files without a row that name the patient: a film's file of before its header was corrected is one."""
    if identity.patient_id is None:
        return
    for path in orphans(store, archive):
        with contextlib.suppress(Exception), quietly():  # what cannot be read names nobody
            who = patient_of(pydicom.dcmread(archive.path(path), stop_before_pixels=True))
            if who.patient_id == identity.patient_id and identity.issuer in (None, who.issuer):
                yield path


def export(store: Store, archive: Archive, identity: Identity, folder: Path, *, actor: str) -> dict[str, int]:
    """Write a patient's films without the identity, and a manifest with what the node found on them.

    The audit says that it was done before the first file is there. Raises NotFound, Permanent, or Misconfigured where
    the folder is not empty.
    """
    key = key_of(store, identity)
    if folder.exists() and any(folder.iterdir()):
        raise Misconfigured(f"{folder} holds other things.", fix="Name an empty folder.")
    with store.begin() as tx:
        films = tx.execute(_films(key)).all()
        detail = {"films": len(films), "profile": "basic"}
        audit(tx, actor=actor, action="patient.export", subject=f"patient {key}", detail=detail)
    pseudonyms = Pseudonyms()
    try:
        (folder / "films").mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        told = [_exported(archive, folder, film, number, pseudonyms, key) for number, film in enumerate(films, 1)]
        manifest = {"profile": _PROFILE, "software": f"screening-node {__version__}", "films": told}
        _write(folder / MANIFEST, (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode())
    except OSError as error:
        raise Permanent(f"{folder} cannot be written: {error.strerror}.", fix="Choose another place.") from error
    there = sum(film["file"] is not None for film in told)
    return {"films": there, "missing": len(told) - there}


def _films(key: str) -> sa.Select[Any]:
    current = sa.and_(t.results.c.exam_id == t.exams.c.id, t.results.c.current)
    return (
        sa.select(t.instances.c.path, t.instances.c.removed_at, t.results.c.document, t.results.c.alarm_status)
        .join(t.exams, t.exams.c.id == t.instances.c.exam_id)
        .outerjoin(t.results, current)
        .where(t.exams.c.patient_key == key)
        .order_by(t.instances.c.id)
    )


def _exported(
    archive: Archive, folder: Path, film: sa.Row[Any], number: int, pseudonyms: Pseudonyms, key: str
) -> dict[str, Any]:
    """One film, written; its entry in the manifest."""
    entry: dict[str, Any] = {"file": None, "missing": None}
    if film.removed_at is not None:
        entry["missing"] = "removed by the rule of retention"
    else:
        try:
            clean = deidentified(
                archive.existing(film.path), pseudonyms, patient=key, software=f"screening-node {__version__}"
            )
            data, name = written(clean), f"films/{number:04}.dcm"
            _write(folder / name, data)
            uids = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
            entry |= {"file": name, "sha256": hashlib.sha256(data).hexdigest()}
            entry |= {keyword: str(clean[keyword].value) for keyword in uids}
        except UnreadableObject as error:
            entry["missing"] = error.message
    return {**entry, "result": _result(film.document, film.alarm_status)}


def _result(document: Mapping[str, Any] | None, alarm_status: str | None) -> dict[str, Any] | None:
    """What the node found, in numbers and codes; sentences may tell an age."""
    if document is None:
        return None
    refusal = document.get("refusal")
    return {
        "limits_of_use": document["model"]["limits_of_use"],
        "bundle": document["model"]["bundle"],
        "refusal": None if refusal is None else refusal["code"],
        "category": document.get("category"),
        "alarm": alarm_status,
        "findings": document.get("findings", []),
        "landmarks": document.get("landmarks", []),
        "rois": document.get("rois", []),
    }


def _write(file: Path, data: bytes) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        opened.write(data)
