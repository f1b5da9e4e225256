"""How good a pathway is on unseen synthetic films, end to end: DICOM file in, landmarks found, BMD out."""

from __future__ import annotations

import csv
import datetime as dt
import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.table import Table

from screening_node.domain.alarm import ThresholdSet
from screening_node.domain.exam import ExamFiles
from screening_node.domain.result import LANDMARK_NAMES, Estimate, Refusal, Vertebra
from screening_node.domain.tscore import ReferenceTable
from screening_node.laboratory import metrics
from screening_node.laboratory.inputs import each as in_processes
from screening_node.laboratory.progress import Progress, Report, silent
from screening_node.pathways.base import Pathway
from screening_node.phantom.dicom_film import write_film
from screening_node.phantom.film import PHANTOM_VERSION

#: First seed of the films that `screening-node evaluate` draws: far from every training configuration's.
UNSEEN_SEED = 9_000_000

_BATCH = 8
_WHEN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What the generator knows of a film that it wrote; ``landmarks`` (16, 2) in stored pixels, BMD in g/cm2."""

    seed: int
    sex: str
    age: int
    spacing: float
    landmarks: Floats
    bmd: Floats


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A film's truth and the pathway's answer."""

    truth: Truth
    answer: Estimate | Refusal


def judge_films(
    pathway: Pathway[Any],
    seeds: Sequence[int],
    *,
    long_side: int | None = None,
    processes: int = 0,
    report: Report = silent,
) -> list[Judged]:
    """Write each seed's film as DICOM, let the pathway judge it, and keep the truth beside the answer."""
    judged: list[Judged] = []
    with tempfile.TemporaryDirectory(prefix="evaluate-") as name, _one_thread():
        work = partial(_write, folder=Path(name), long_side=long_side)
        for batch in _batches(in_processes(work, seeds, processes)):
            paths = [Path(name) / f"{truth.seed}.dcm" for truth in batch]
            judged += [Judged(truth=t, answer=a) for t, a in zip(batch, _judge(pathway, paths), strict=True)]
            for path in paths:
                path.unlink()
            report(Progress(stage="evaluate", done=len(judged), total=len(seeds)))
    return judged


def figures(judged: Sequence[Judged], *, reference: ReferenceTable, thresholds: ThresholdSet) -> dict[str, Any]:
    """Every figure of the judged films as JSON-ready data."""
    passed = [film for film in judged if isinstance(film.answer, Estimate)]
    refused = Counter(film.answer.code.value for film in judged if isinstance(film.answer, Refusal))
    summary: dict[str, Any] = {
        "phantom": PHANTOM_VERSION,
        "films": len(judged),
        "first_seed": min(film.truth.seed for film in judged),
        "last_seed": max(film.truth.seed for film in judged),
        "refused": dict(refused),
    }
    with_landmarks = [film for film in judged if len(film.answer.landmarks) == len(LANDMARK_NAMES)]
    if with_landmarks:
        errors = [
            metrics.radial_error(found_landmarks(film)[None], film.truth.landmarks[None], film.truth.spacing)
            for film in with_landmarks
        ]
        summary["landmarks"] = metrics.landmark_figures(np.concatenate(errors)) | {"films": len(errors)}
    if passed:
        summary["bmd"] = metrics.bone_figures(
            np.array([film.truth.bmd for film in passed]),
            np.array([estimated_bmd(film) for film in passed]),
            reference=reference,
            thresholds=thresholds,
            sexes=[film.truth.sex for film in passed],
        )
    return summary


def found_landmarks(film: Judged) -> Floats:
    """The landmarks found (16, 2) in stored pixels."""
    return np.array([(point.x, point.y) for point in film.answer.landmarks])


def estimated_bmd(film: Judged) -> Floats:
    """The estimates (4,) in g/cm2; NaN where the ensemble gives none."""
    if isinstance(film.answer, Refusal):
        return np.full(len(Vertebra), np.nan)
    given = {estimate.vertebra: estimate.bmd for estimate in film.answer.bmd}
    return np.array([given.get(vertebra, np.nan) for vertebra in Vertebra])


def write_results(judged: Sequence[Judged], summary: dict[str, Any], folder: Path) -> Path:
    """evaluation.json and films.csv into ``folder``; gives the path of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "films.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        names = [f"{kind}_{vertebra}" for kind in ("true", "estimated") for vertebra in Vertebra]
        writer.writerow(["seed", "sex", "age", "refusal", *names])
        for film in judged:
            code = film.answer.code.value if isinstance(film.answer, Refusal) else ""
            values = [f"{value:.4f}" for value in (*film.truth.bmd, *estimated_bmd(film))]
            writer.writerow([film.truth.seed, film.truth.sex, film.truth.age, code, *values])
    path = folder / "evaluation.json"
    path.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return path


def table(summary: dict[str, Any]) -> Table:
    """The figures by vertebra, as a table for the terminal."""
    drawn = Table(title=_title(summary))
    for heading in ("vertebra", "R", "RMSE", "MAE", "bias", "AUC (T <= -2.5)", "sensitivity", "specificity"):
        drawn.add_column(heading, justify="left" if heading == "vertebra" else "right")
    bmd = summary.get("bmd")
    if bmd is None:
        return drawn
    for vertebra, row in bmd["vertebrae"].items():
        at = row[bmd["thresholds"]]
        numbers = (row["r"], row["rmse"], row["mae"], row["bias"], row["auc"], at["sensitivity"], at["specificity"])
        drawn.add_row(vertebra, *map(_number, numbers))
    patient = bmd["patient"]["osteoporosis"]
    drawn.add_row("patient", "", "", "", "", "", _number(patient["sensitivity"]), _number(patient["specificity"]))
    return drawn


def _title(summary: dict[str, Any]) -> str:
    landmarks = summary.get("landmarks")
    found = f"landmarks {landmarks['mean_mm']:.1f} mm" if landmarks else "no landmarks"
    return f"{summary['films']} synthetic films, {sum(summary['refused'].values())} refused, {found}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


@contextmanager
def _one_thread() -> Iterator[None]:
    """Torch on one thread while other processes draw films: its threads would wait for each other, spinning."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _write(seed: int, folder: Path, long_side: int | None) -> Truth:
    film = write_film(seed, folder / f"{seed}.dcm", size=long_side)
    return Truth(
        seed=seed,
        sex=film.patient.sex,
        age=film.patient.age,
        spacing=film.spacing,
        landmarks=film.landmarks,
        bmd=np.array([film.patient.bmd[vertebra] for vertebra in Vertebra]),
    )


def _judge(pathway: Pathway[Any], paths: Sequence[Path]) -> list[Estimate | Refusal]:
    """Answers in the order of the paths."""
    prepared = [pathway.prepare(ExamFiles(files=(path,), requested_at=_WHEN)) for path in paths]
    able = [exam for exam in prepared if not isinstance(exam, Refusal)]
    answers = iter(pathway.judge(able) if able else [])
    return [exam if isinstance(exam, Refusal) else next(answers) for exam in prepared]


def _batches(truths: Iterator[Truth]) -> Iterator[list[Truth]]:
    batch: list[Truth] = []
    for truth in truths:
        batch.append(truth)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
