"""A cohort folder, a phantom's or a hospital's (docs/bring-your-own-data.md), checked whole before it is used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from screening_node.domain.tscore import ReferenceTable
from screening_node.errors import Misconfigured
from screening_node.laboratory.folder.checks import Values, check_points, check_values
from screening_node.laboratory.folder.films import Look, Seen, check_films, look_at, unnamed
from screening_node.laboratory.folder.problems import Kind, Problem, misconfigured
from screening_node.laboratory.folder.tables import (
    Manifest,
    ManifestFilm,
    Table,
    read_dxa,
    read_landmarks,
    read_manifest,
)
from screening_node.phantom.cohort_folder import DXA, LANDMARKS, MANIFEST

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class CohortFilm:
    """One film and the truth about it.

    ``row`` of dxa.csv (its heading is row 1); ``film``: path relative to the folder; ``bmd`` (4,) of L1..L4 in g/cm2,
    NaN = not measured; ``landmarks`` (16, 2) in stored pixels, NaN where unknown, None where the film has none;
    ``scanner`` from dxa.csv's column of that name; ``equipment``: maker and model in the film's header.
    """

    row: int
    film: str
    path: Path
    patient_id: str = field(repr=False)
    sex: str | None
    age: int | None
    bmi: float | None
    bmd: Floats = field(repr=False)
    landmarks: Floats | None = field(repr=False)
    seed: int | None = None
    sha256: str | None = None
    findings: tuple[str, ...] = ()
    scanner: str | None = None
    equipment: str | None = None


@dataclass(frozen=True, kw_only=True)
class Cohort:
    """The films of a folder, in the order of dxa.csv.

    ``generator``: which phantom wrote it, None for a hospital's; ``reference``: the table that the manifest names.
    """

    folder: Path
    name: str
    films: tuple[CohortFilm, ...] = field(repr=False)
    generator: str | None = None
    reference: str | None = None

    @property
    def phantom(self) -> bool:
        """Whether the films are synthetic."""
        return self.generator is not None

    @property
    def bmd(self) -> Floats:
        """BMD (n, 4) in g/cm2, NaN = not measured."""
        return np.array([film.bmd for film in self.films]).reshape(-1, 4)

    @property
    def patient_ids(self) -> list[str]:
        """The patient of each film."""
        return [film.patient_id for film in self.films]

    def subset(self, indices: Sequence[int] | npt.NDArray[np.int64]) -> Cohort:
        """The films at those places, in that order."""
        return replace(self, films=tuple(self.films[int(index)] for index in indices))


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A folder looked through: all that is wrong, and what is only worth a word; the cohort where nothing is wrong."""

    folder: Path
    films: int
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    cohort: Cohort | None


def open_cohort(folder: Path, *, verify: bool = True, reference: ReferenceTable | None = None) -> Cohort:
    """The cohort in a folder; Misconfigured tells everything that is wrong, with file, row and fix.

    ``verify`` reads every file whole: its SHA-256 is compared with the manifest's and with the other films'. Headers
    and lengths are looked at anyway. With ``reference`` the T-scores in dxa.csv have to be that table's.
    """
    checked = check_cohort(folder, verify=verify, reference=reference)
    if checked.cohort is None:
        raise misconfigured(folder, checked.problems)
    return checked.cohort


def check_cohort(folder: Path, *, verify: bool = True, reference: ReferenceTable | None = None) -> Checked:
    """Look a folder through as ``open_cohort`` does and tell what was found; Misconfigured where it is no folder."""
    if not folder.is_dir():
        raise Misconfigured(f"{folder} is no folder.", fix="Name a cohort's folder (docs/bring-your-own-data.md).")
    problems: list[Problem] = []
    notes: list[str] = []
    manifest = read_manifest(folder, problems)
    table = read_dxa(folder, problems)
    films = [] if table is None else _films(folder, table, manifest, verify, reference, problems, notes)
    cohort = None
    if not problems:
        cohort = Cohort(
            folder=folder,
            name=folder.resolve().name,
            films=tuple(films),
            generator=manifest.generator,
            reference=manifest.reference,
        )
    rows = 0 if table is None else len(table.rows)
    return Checked(folder=folder, films=rows, problems=tuple(problems), notes=tuple(notes), cohort=cohort)


def _films(
    folder: Path,
    table: Table,
    manifest: Manifest,
    verify: bool,
    reference: ReferenceTable | None,
    problems: list[Problem],
    notes: list[str],
) -> list[CohortFilm]:
    values = Values.of(table, problems)
    check_values(values, reference, manifest.reference, problems, notes)
    names = table.texts("film")
    problems.extend(_names(table))
    paths = [folder / name for name in names]
    looks = look_at(paths, hashed=verify)
    seen = [
        Seen(row=index + 2, film=name, patient_id=patient, sex=sex, look=look)
        for index, (name, patient, sex, look) in enumerate(
            zip(names, table.texts("patient_id"), values.sexes, looks, strict=True)
        )
    ]
    there = [one for one in seen if one.film]
    check_films(there, phantom=manifest.generator is not None, problems=problems, notes=notes)
    problems.extend(_against_manifest(folder, paths, there, manifest, notes))
    points = _landmarks(folder, seen, manifest, problems, notes)
    return [
        _film(values, index, path, one, points, manifest)
        for index, (path, one) in enumerate(zip(paths, seen, strict=True))
    ]


def _names(table: Table) -> Iterator[Problem]:
    """Each row names a film inside the folder, once, and a patient."""
    first: dict[str, int] = {}
    for row, (name, patient) in enumerate(zip(table.texts("film"), table.texts("patient_id"), strict=True), start=2):
        if not name or not patient:
            text = f"{'film' if not name else 'patient_id'} is empty"
            yield Problem(kind=Kind.VALUE, file=DXA, row=row, text=text)
        if name and first.setdefault(name, row) != row:
            yield Problem(kind=Kind.ROW_TWICE, file=DXA, row=row, text=f"{name} is row {first[name]}'s film")
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            yield Problem(kind=Kind.OUTSIDE, file=DXA, row=row, text="the film lies outside the cohort's folder")


def _against_manifest(
    folder: Path, paths: Sequence[Path], seen: Sequence[Seen], manifest: Manifest, notes: list[str]
) -> Iterator[Problem]:
    """SHA-256 by the manifest; films that no row names: wrong where the manifest lists them, else a word."""
    for one in seen:
        listed = manifest.films.get(one.film)
        if listed and listed.sha256 and one.look.sha256 and listed.sha256 != one.look.sha256:
            text = f"its SHA-256 is not the one in {MANIFEST} (named in {DXA} row {one.row})"
            yield Problem(kind=Kind.CHANGED, file=one.film, text=text)
    named = {one.film for one in seen}
    for name in sorted(set(manifest.films) - named):
        yield Problem(kind=Kind.MANIFEST, file=MANIFEST, text=f"it lists {name}, which no row of {DXA} names")
    extra = [name for name in unnamed(folder, paths) if name not in manifest.films]
    if extra:
        notes.append(f"{len(extra)} files that {DXA} does not name are left alone, {extra[0]} the first")


def _landmarks(
    folder: Path, seen: Sequence[Seen], manifest: Manifest, problems: list[Problem], notes: list[str]
) -> dict[str, Floats]:
    """Landmarks (16, 2) by film."""
    table, points = read_landmarks(folder, problems)
    if table is None:
        return {}
    shapes = {one.film: one.look.shape for one in seen}
    found: dict[str, Floats] = {}
    for row, (name, own) in enumerate(zip(table.texts("film"), points, strict=True), start=2):
        if name in found:
            problems.append(Problem(kind=Kind.ROW_TWICE, file=LANDMARKS, row=row, text=f"{name} is there already"))
        found[name] = own
        phantom = manifest.generator is not None
        problems.extend(check_points(own, shape=shapes.get(name), row=row, name=name, phantom=phantom))
    strange = len(set(found) - set(shapes))
    if strange:
        notes.append(f"{LANDMARKS}: {strange} rows are of films that {DXA} does not name; they are left alone")
    without = len(set(shapes) - set(found))
    if without:
        notes.append(f"{LANDMARKS}: {without} films of {DXA} have no landmarks")
    return found


def _film(
    values: Values, index: int, path: Path, seen: Seen, points: dict[str, Floats], manifest: Manifest
) -> CohortFilm:
    listed = manifest.films.get(seen.film, ManifestFilm(seed=None, sha256=None, findings=()))
    age, bmi = values.age[index], values.bmi[index]
    look: Look = seen.look
    return CohortFilm(
        row=seen.row,
        film=seen.film,
        path=path,
        patient_id=seen.patient_id,
        sex=seen.sex,
        age=int(age) if np.isfinite(age) else None,
        bmi=float(bmi) if np.isfinite(bmi) else None,
        bmd=values.bmd[index],
        landmarks=points.get(seen.film),
        seed=listed.seed,
        sha256=look.sha256 or listed.sha256,
        findings=listed.findings,
        scanner=values.table.rows[index].get("scanner") or None,
        equipment=look.equipment,
    )
