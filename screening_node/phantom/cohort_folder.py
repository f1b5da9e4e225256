"""A cohort as a folder: films, dxa.csv, landmarks.csv, manifest.json (docs/bring-your-own-data.md).

Films are written one by one, each with its truth beside it, so that a killed run goes on where it stopped and ends
with the same bytes; the tables are put together at the end from the truths.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from screening_node.domain.result import LANDMARK_NAMES, Vertebra
from screening_node.domain.tscore import ReferenceTable
from screening_node.errors import DiskFull, Misconfigured, Permanent, ScreeningNodeError
from screening_node.phantom.anatomical import render
from screening_node.phantom.dicom_film import dataset_of
from screening_node.phantom.film import FRONTAL, PHANTOM_VERSION, SyntheticFilm

FORMAT = "screening-node cohort"
FORMAT_VERSION = 1
#: Named in every manifest; readers know a phantom's cohort by it.
GENERATOR = "anatomical"
MANIFEST, DXA, LANDMARKS, FILMS = "manifest.json", "dxa.csv", "landmarks.csv", "films"
_TRUTHS = ".truth"

DXA_COLUMNS = (
    "film",
    "patient_id",
    "sex",
    "age",
    "bmi",
    *(str(vertebra) for vertebra in Vertebra),
    *(f"T_{vertebra}" for vertebra in Vertebra),
)
LANDMARK_COLUMNS = ("film", *(f"{name}_{axis}" for name in LANDMARK_NAMES for axis in "xy"))


@dataclass(frozen=True, kw_only=True)
class CohortOrder:
    """What is wanted: so many frontal films of seeds from ``seed`` on, ``size`` pixels on the long side."""

    films: int
    seed: int
    size: int

    @property
    def seeds(self) -> range:
        """One seed a film, one film a patient."""
        return range(self.seed, self.seed + self.films)


def write_cohort(order: CohortOrder, folder: Path, *, reference: ReferenceTable, processes: int = 0) -> Iterator[int]:
    """Write the cohort; yields how many films are done, first those found from an earlier run.

    ``processes`` draw films at the same time, 0 for one a core. Misconfigured where another cohort lies in the
    folder; DiskFull and Permanent where it cannot be written. The same order gives the same bytes.
    """
    try:
        yield from _write(order, folder, reference, processes)
    except OSError as error:
        raise _translated(error, folder) from error


def _write(order: CohortOrder, folder: Path, reference: ReferenceTable, processes: int) -> Iterator[int]:
    _start(order, folder, reference)
    missing = [seed for seed in order.seeds if not _truth_path(folder, seed).exists()]
    done = order.films - len(missing)
    yield done
    for _ in _in_processes(missing, partial(_write_one, order, folder), processes):
        done += 1
        yield done
    _finish(order, folder, reference)


def _start(order: CohortOrder, folder: Path, reference: ReferenceTable) -> None:
    """Make the folder, or see that the one there is this very cohort's."""
    for part in (FILMS, _TRUTHS):
        (folder / part).mkdir(parents=True, exist_ok=True)
    head = _head(order, reference)
    path = folder / MANIFEST
    if not path.exists():
        _replace(path, json.dumps({**head, "complete": False}, indent=1))
        return
    try:
        there = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise Misconfigured(f"{path} is no cohort manifest.", fix="Name another folder with --out.") from error
    if {key: there.get(key) for key in head} != head:
        raise Misconfigured(f"Another cohort lies in {folder}.", fix="Name another folder, or ask for the same one.")


def _head(order: CohortOrder, reference: ReferenceTable) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        **asdict(order),
        "generator": GENERATOR,
        "generator_version": PHANTOM_VERSION,
        "reference": f"{reference.name} {reference.version}",
    }


def _write_one(order: CohortOrder, folder: Path, seed: int) -> None:
    """One film, then its truth: the truth says that the film is whole."""
    film = render(seed, kind=FRONTAL, long_side=order.size)
    dataset = dataset_of(film)
    name = f"{dataset.PatientID}.dcm"
    temporary = folder / FILMS / f"{name}.part"
    dataset.save_as(temporary, enforce_file_format=True)
    digest = hashlib.sha256(temporary.read_bytes()).hexdigest()
    temporary.replace(folder / FILMS / name)
    _replace(_truth_path(folder, seed), json.dumps(_truth(film, f"{FILMS}/{name}", str(dataset.PatientID), digest)))


def _truth(film: SyntheticFilm, name: str, patient_id: str, digest: str) -> dict[str, Any]:
    patient = film.patient
    return {
        "film": name,
        "patient_id": patient_id,
        "seed": film.seed,
        "sha256": digest,
        "sex": patient.sex,
        "age": patient.age,
        "bmi": round(patient.bmi, 1),
        "bmd": {str(vertebra): patient.bmd[vertebra] for vertebra in Vertebra},
        "landmarks": [[round(float(x), 2), round(float(y), 2)] for x, y in film.landmarks],
        "findings": list(film.findings),
    }


def _finish(order: CohortOrder, folder: Path, reference: ReferenceTable) -> None:
    """The tables and the whole manifest."""
    truths = [json.loads(_truth_path(folder, seed).read_text(encoding="utf-8")) for seed in order.seeds]
    _write_table(folder / DXA, DXA_COLUMNS, [_dxa_row(truth, reference) for truth in truths])
    rows = [[truth["film"], *(value for point in truth["landmarks"] for value in point)] for truth in truths]
    _write_table(folder / LANDMARKS, LANDMARK_COLUMNS, rows)
    films = [{key: truth[key] for key in ("film", "seed", "sha256", "findings")} for truth in truths]
    _replace(folder / MANIFEST, json.dumps({**_head(order, reference), "complete": True, "list": films}, indent=1))


def _dxa_row(truth: Mapping[str, Any], reference: ReferenceTable) -> list[Any]:
    bmd: Mapping[str, float] = truth["bmd"]
    scores = [reference.t_score(bmd[str(v)], v, truth["sex"]) for v in Vertebra]
    values = [f"{bmd[str(vertebra)]:.4f}" for vertebra in Vertebra]
    head = [truth[key] for key in ("film", "patient_id", "sex", "age", "bmi")]
    return [*head, *values, *(f"{score:.2f}" for score in scores)]


def _write_table(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    temporary = path.with_name(f"{path.name}.part")
    with temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    temporary.replace(path)


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f"{path.name}.part")
    temporary.write_text(text + "\n", encoding="utf-8")
    temporary.replace(path)


def _truth_path(folder: Path, seed: int) -> Path:
    return folder / _TRUTHS / f"{seed}.json"


def _in_processes(seeds: Sequence[int], work: partial[None], processes: int) -> Iterator[None]:
    """Do the work for every seed on so many processes; the first error ends it."""
    count = min(processes or os.cpu_count() or 1, len(seeds))
    if count < 2:
        for seed in seeds:
            yield work(seed)
        return
    with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting = [pool.submit(work, seed) for seed in seeds]
        try:
            for future in as_completed(waiting):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _translated(error: OSError, folder: Path) -> ScreeningNodeError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        fix = "Free space, or name another folder, and run the same command again: it goes on where it stopped."
        return DiskFull(f"No space is left for the cohort in {folder}.", fix=fix)
    return Permanent(f"The cohort cannot be written to {folder}: {error.strerror}.", fix="Name another folder.")
