"""Which films train and which test: always by patient, so that no patient's films lie on both sides."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from screening_node.errors import Misconfigured

Indices = npt.NDArray[np.int64]


def folds(patient_ids: Sequence[str], count: int, seed: int = 0) -> Indices:
    """The fold 0 .. count - 1 of each film (n,); all films of a patient share one.

    Patients are put into the order of a hash of seed and ID and dealt out in turn: folds are equally large, the same
    on every machine, and do not depend on the order of the films. Misconfigured where there are fewer patients.
    """
    patients = sorted(set(patient_ids), key=lambda patient: _digest(seed, patient))
    if len(patients) < count:
        raise Misconfigured(
            f"{len(patients)} patients cannot be split into {count} folds.", fix="Bring more films, or ask for fewer."
        )
    fold = {patient: index % count for index, patient in enumerate(patients)}
    return np.array([fold[patient] for patient in patient_ids], dtype=np.int64)


def split(fold: Indices, held_out: int) -> tuple[Indices, Indices]:
    """Indices of the films to train on, and of those held out."""
    return np.flatnonzero(fold != held_out), np.flatnonzero(fold == held_out)


def check_apart(one: Sequence[str], other: Sequence[str], *, names: tuple[str, str]) -> None:
    """Misconfigured where two cohorts share a patient: figures measured on the second would flatter."""
    shared = len(set(one) & set(other))
    if shared:
        raise Misconfigured(
            f"{shared} patients are in both {names[0]} and {names[1]}.",
            fix="Take their films out of one of the two: a model is measured on patients it has never seen.",
        )


def _digest(seed: int, patient: str) -> bytes:
    return hashlib.sha256(f"{seed}/{patient}".encode()).digest()
