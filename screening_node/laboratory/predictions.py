"""What a model says of every film of a cohort: judged by a pathway from the DICOM files, or handed in from elsewhere.

A judging run writes its answers batch by batch, so that one that was killed goes on where it stopped and ends with the
same table; reports are made from the table alone.
"""

from __future__ import annotations

import csv
import datetime as dt
import errno
import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from screening_node.domain.exam import ExamFiles
from screening_node.domain.result import LANDMARK_NAMES, Estimate, Refusal, Vertebra
from screening_node.errors import DiskFull, Misconfigured, Permanent, UnreadableObject
from screening_node.laboratory.folder import Cohort, CohortFilm
from screening_node.laboratory.progress import Progress, Report, silent
from screening_node.pathways.chest_film.pathway import ChestFilmPathway, PreparedFilm

Floats = npt.NDArray[np.float64]

#: Films that are judged at once, and batches that are decoded ahead.
BATCH, _AHEAD = 8, 2
#: Refusals that are the evaluation's own, beside the pathway's codes.
UNREADABLE, NO_TRUE_LANDMARKS = "unreadable-object", "no-true-landmarks"
_WHEN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

_BMD = tuple(str(vertebra) for vertebra in Vertebra)
_SD = tuple(f"sd_{vertebra}" for vertebra in Vertebra)
_POINTS = tuple(f"{name}_{axis}" for name in LANDMARK_NAMES for axis in "xy")
COLUMNS = ("film", "refusal", *_BMD, *_SD, *_POINTS)


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """A model's answers to n films, named as the cohort names them.

    ``bmd`` (n, 4) in g/cm2, L1..L4, NaN where refused; ``sd`` (n, 4) in g/cm2, None where the model gives none;
    ``refusals``: the code, or None where the film was judged; ``landmarks`` (n, 16, 2) in stored pixels, NaN where the
    film was refused before they were looked for, None where the model looks for none.
    """

    model: str
    films: tuple[str, ...]
    bmd: Floats
    sd: Floats | None
    refusals: tuple[str | None, ...]
    landmarks: Floats | None

    def __post_init__(self) -> None:
        count = len(self.films)
        shapes = {"bmd": (count, 4), "sd": (count, 4), "landmarks": (count, len(LANDMARK_NAMES), 2)}
        for name, shape in shapes.items():
            array = getattr(self, name)
            if array is not None and array.shape != shape:
                raise ValueError(f"{name} of {self.model} has shape {array.shape}, not {shape}")
        if len(self.refusals) != count:
            raise ValueError(f"{self.model} has {len(self.refusals)} refusals for {count} films")

    def __len__(self) -> int:
        return len(self.films)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One film's row: ``bmd`` and ``sd`` (4,), ``points`` (16, 2), NaN for what there is not."""

    film: str
    refusal: str | None
    bmd: Floats
    sd: Floats
    points: Floats


Judge = Callable[[Sequence[CohortFilm], Sequence[PreparedFilm]], Sequence[Estimate | Refusal]]


def judge_cohort(
    pathway: ChestFilmPathway, cohort: Cohort, report: Report = silent, *, model: str = "", journal: Path | None = None
) -> Predictions:
    """Every film of a cohort through the pathway as the node runs it: file, gate, landmarks, crops, estimate.

    ``journal`` is a CSV file that takes the answers batch by batch; where it holds some of the same run, they are kept.
    Misconfigured where it is another run's, DiskFull and Permanent where it cannot be written.
    """
    name = model or pathway.identity.bundle

    def judge(films: Sequence[CohortFilm], prepared: Sequence[PreparedFilm]) -> Sequence[Estimate | Refusal]:
        return pathway.judge(prepared)

    return _judge_all(name, "found", pathway, cohort, judge, report, journal)


def judge_with_landmarks(
    pathway: ChestFilmPathway, cohort: Cohort, report: Report = silent, *, model: str = "", journal: Path | None = None
) -> Predictions:
    """The same networks with the ROIs at the cohort's true landmarks: what a perfect detector would give.

    Films without all 16 points are refused as ``no-true-landmarks``. ``journal`` as in ``judge_cohort``.
    """
    name = model or f"{pathway.identity.bundle}, true landmarks"

    def judge(films: Sequence[CohortFilm], prepared: Sequence[PreparedFilm]) -> Sequence[Estimate | Refusal]:
        return pathway.judge_at(prepared, [film.landmarks for film in films if film.landmarks is not None])

    located = [film for film in cohort.films if film.landmarks is not None and np.isfinite(film.landmarks).all()]
    found = _judge_all(name, "true", pathway, replace(cohort, films=tuple(located)), judge, report, journal)
    rows = {answer.film: answer for answer in _answers_of(found)}
    missing = partial(_refused, code=NO_TRUE_LANDMARKS)
    return replace(collect(name, [rows.get(film.film) or missing(film.film) for film in cohort.films]), landmarks=None)


def collect(model: str, answers: Sequence[Answer]) -> Predictions:
    """Rows as one table."""
    sd = np.array([answer.sd for answer in answers]).reshape(-1, 4)
    points = np.array([answer.points for answer in answers]).reshape(-1, len(LANDMARK_NAMES), 2)
    return Predictions(
        model=model,
        films=tuple(answer.film for answer in answers),
        bmd=np.array([answer.bmd for answer in answers]).reshape(-1, 4),
        sd=None if np.isnan(sd).all() and len(sd) else sd,
        refusals=tuple(answer.refusal for answer in answers),
        landmarks=None if np.isnan(points).all() and len(points) else points,
    )


def write_predictions(predictions: Predictions, path: Path) -> None:
    """The table as CSV; DiskFull and Permanent where it cannot be written."""
    with writing(path), path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(_row(answer) for answer in _answers_of(predictions))


def read_predictions(path: Path, model: str) -> Predictions:
    """The inverse of ``write_predictions``; Misconfigured where the file is no such table."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} cannot be read as predictions.", fix="Check its name and rights.") from error
    return collect(model, list(_parsed(text.splitlines(), path)))


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Foreign errors of writing ``path``, translated."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            fix = "Free space and give the same command again: it goes on where it stopped."
            raise DiskFull(f"No space is left for {path}.", fix=fix) from error
        raise Permanent(f"{path} cannot be written: {error.strerror}.", fix="Name another folder.") from error


def _judge_all(
    model: str,
    landmarks: str,
    pathway: ChestFilmPathway,
    cohort: Cohort,
    judge: Judge,
    report: Report,
    journal: Path | None,
) -> Predictions:
    kept = [] if journal is None else _resume(journal, _run_of(pathway, cohort, landmarks))
    done = {answer.film for answer in kept}
    answers, left = list(kept), [film for film in cohort.films if film.film not in done]
    stage = f"judge {model}"
    report(Progress(stage=stage, done=len(answers), total=len(cohort.films)))
    for films, prepared in _prepared(pathway, left):
        batch = _judge_batch(films, prepared, judge)
        if journal is not None:
            _append(journal, batch)
        answers += batch
        report(Progress(stage=stage, done=len(answers), total=len(cohort.films)))
    order = {film.film: number for number, film in enumerate(cohort.films)}
    return collect(model, sorted(answers, key=lambda answer: order[answer.film]))


def _prepared(
    pathway: ChestFilmPathway, films: Sequence[CohortFilm]
) -> Iterator[tuple[list[CohortFilm], list[PreparedFilm | Refusal | None]]]:
    """Batches of films, decoded by threads a little ahead of the networks; never more than that in memory."""
    batches = iter([list(films[start : start + BATCH]) for start in range(0, len(films), BATCH)])
    with ThreadPoolExecutor(2) as pool:
        waiting: deque[tuple[list[CohortFilm], list[Future[PreparedFilm | Refusal | None]]]] = deque()

        def ahead() -> None:
            for batch in batches:
                waiting.append((batch, [pool.submit(_prepare, pathway, film) for film in batch]))
                return

        for _ in range(_AHEAD):
            ahead()
        while waiting:
            batch, futures = waiting.popleft()
            yield batch, [future.result() for future in futures]
            ahead()


def _prepare(pathway: ChestFilmPathway, film: CohortFilm) -> PreparedFilm | Refusal | None:
    """None where the file is no DICOM object: in a cohort that is one film's fate, not the run's."""
    try:
        return pathway.prepare(ExamFiles(files=(film.path,), requested_at=_WHEN))
    except UnreadableObject:
        return None


def _judge_batch(
    films: Sequence[CohortFilm], prepared: Sequence[PreparedFilm | Refusal | None], judge: Judge
) -> list[Answer]:
    able = [(film, work) for film, work in zip(films, prepared, strict=True) if isinstance(work, PreparedFilm)]
    judged = iter(judge([film for film, _ in able], [work for _, work in able]) if able else ())
    answers = []
    for film, work in zip(films, prepared, strict=True):
        answer = next(judged) if isinstance(work, PreparedFilm) else work
        answers.append(_refused(film.film, UNREADABLE) if answer is None else _answer(film.film, answer))
    return answers


def _answer(film: str, answer: Estimate | Refusal) -> Answer:
    nothing = _refused(film, None)
    points = np.array([(point.x, point.y) for point in answer.landmarks]) if answer.landmarks else nothing.points
    if isinstance(answer, Refusal):
        return replace(nothing, refusal=answer.code.value, points=points)
    given = {estimate.vertebra: (estimate.bmd, estimate.sd) for estimate in answer.bmd}
    values = np.array([given.get(vertebra, (np.nan, np.nan)) for vertebra in Vertebra])
    return Answer(film=film, refusal=None, bmd=values[:, 0], sd=values[:, 1], points=points)


def _refused(film: str, code: str | None) -> Answer:
    nothing = np.full(len(Vertebra), np.nan)
    points = np.full((len(LANDMARK_NAMES), 2), np.nan)
    return Answer(film=film, refusal=code, bmd=nothing, sd=nothing, points=points)


def _answers_of(predictions: Predictions) -> Iterator[Answer]:
    for index, film in enumerate(predictions.films):
        nothing = _refused(film, predictions.refusals[index])
        yield replace(
            nothing,
            bmd=predictions.bmd[index],
            sd=nothing.sd if predictions.sd is None else predictions.sd[index],
            points=nothing.points if predictions.landmarks is None else predictions.landmarks[index],
        )


def _run_of(pathway: ChestFilmPathway, cohort: Cohort, landmarks: str) -> dict[str, Any]:
    """Everything that decides a run's answers; a journal of another run must not be gone on with."""
    films = [
        (film.film, film.sha256 or film.path.stat().st_size if film.path.exists() else None) for film in cohort.films
    ]
    if landmarks == "true":
        films += [np.asarray(film.landmarks).tolist() for film in cohort.films]
    return {
        "format": "screening-node predictions 1",
        "landmarks": landmarks,
        "model": asdict(pathway.identity),
        "films": hashlib.sha256(json.dumps(films).encode()).hexdigest(),
    }


def _resume(journal: Path, run: Mapping[str, Any]) -> list[Answer]:
    """Start the journal, or give what the same run has written into it."""
    head = journal.with_suffix(".run.json")
    if not journal.exists() or not head.exists():
        with writing(journal):
            journal.parent.mkdir(parents=True, exist_ok=True)
            journal.write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
            head.write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")
        return []
    try:
        there = json.loads(head.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Misconfigured(f"{head} cannot be read.", fix="Remove it to judge all films anew.") from error
    if there != run:
        raise Misconfigured(
            f"{journal} holds answers of another model, of other films or under other rules.",
            fix="Name another folder with --out, or remove that file to judge all films anew.",
        )
    return _whole_rows(journal)


def _whole_rows(journal: Path) -> list[Answer]:
    """The journal's rows; a last one that was cut off in writing is dropped from the file."""
    data = journal.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        with writing(journal), journal.open("r+b") as file:
            file.truncate(len(whole))
    return list(_parsed(whole.decode("utf-8").splitlines(), journal))


def _append(journal: Path, answers: Sequence[Answer]) -> None:
    with writing(journal), journal.open("a", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(_row(answer) for answer in answers)


def _row(answer: Answer) -> list[str]:
    numbers = (*answer.bmd, *answer.sd, *answer.points.ravel())
    return [answer.film, answer.refusal or "", *("" if np.isnan(n) else repr(float(n)) for n in numbers)]


def _parsed(lines: Sequence[str], path: Path) -> Iterator[Answer]:
    reader = csv.reader(lines)
    if tuple(next(reader, ())) != COLUMNS:
        raise Misconfigured(
            f"{path} is no table of predictions.", fix=f"Its first line is: {','.join(COLUMNS[:6])},..."
        )
    for number, row in enumerate(reader, start=2):
        try:
            values = np.array([float(cell) if cell else np.nan for cell in row[2:]])
            points = values[8:].reshape(len(LANDMARK_NAMES), 2)
        except ValueError as error:
            raise Misconfigured(f"{path}, row {number}, is broken.", fix="Remove the file to judge anew.") from error
        yield Answer(film=row[0], refusal=row[1] or None, bmd=values[:4], sd=values[4:8], points=points)
