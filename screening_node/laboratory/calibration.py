"""Fitting what a validation cohort teaches: lines, interval scales and thresholds, and what they do to new patients.

The lines are the truth on the estimate (slope 1, intercept 0 where nothing is to be corrected); the scales are
conformal (metrics.conformal_factor), from errors of lines that were fitted without the patient; thresholds are the
ones that just reach the wanted figure. Figures "held out" come from five folds by patient: everything is fitted on
four and measured on the fifth, because on its own part any fit flatters itself.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from screening_node.domain.result import Vertebra
from screening_node.domain.tscore import ReferenceTable
from screening_node.errors import Misconfigured
from screening_node.laboratory import metrics
from screening_node.laboratory.folder import Cohort
from screening_node.laboratory.predictions import Predictions
from screening_node.laboratory.splits import folds
from screening_node.pathways.calibration import ALL, Calibration, Line

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

LEVEL = 0.9
SENSITIVITY, SPECIFICITY = "sensitivity", "specificity"
#: Films of a vertebra that a line needs; a scanner with fewer gets the line of all.
LEAST_FILMS = 30
#: Films at T <= -2.5, and above it, that a threshold needs by vertebra.
LEAST_CASES = 10
_FOLDS = 5
#: T-scores that a threshold set can hold (settings: tables), and how far a threshold keeps from the film that decides
#: it: the node rounds BMD to 0.0001 g/cm2.
_POSSIBLE = (-6.0, 3.0)
_MARGIN = 0.002


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The figure that thresholds have to reach for T <= -2.5: ``kind`` sensitivity or specificity."""

    kind: str
    value: float

    def __post_init__(self) -> None:
        if self.kind not in (SENSITIVITY, SPECIFICITY) or not 0 < self.value < 1:
            raise Misconfigured(
                f"No threshold can be fitted for a {self.kind} of {self.value:g}.",
                fix="Ask for a sensitivity or a specificity between 0 and 1, such as 0.9.",
            )

    def __str__(self) -> str:
        return f"{self.kind} {self.value:g}"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """n judged films: ``truth``, ``bmd`` and ``sd`` (n, 4) in g/cm2, NaN where not measured or refused."""

    truth: Floats = field(repr=False)
    bmd: Floats = field(repr=False)
    sd: Floats = field(repr=False)
    scanners: tuple[str | None, ...] = field(repr=False)
    patients: tuple[str, ...] = field(repr=False)
    sexes: tuple[str | None, ...] = field(repr=False)
    reference: ReferenceTable

    @classmethod
    def of(cls, cohort: Cohort, predictions: Predictions, reference: ReferenceTable) -> Sample:
        """The cohort's films that the model judged; Misconfigured where it says nothing of how sure it is."""
        if predictions.sd is None:
            raise Misconfigured(
                f"{predictions.model} judged no film with an SD.", fix="See why the films were refused: answers.csv."
            )
        kept = [index for index, refusal in enumerate(predictions.refusals) if refusal is None]
        films = cohort.subset(kept).films
        return cls(
            truth=cohort.bmd[kept],
            bmd=predictions.bmd[kept],
            sd=predictions.sd[kept],
            scanners=tuple(film.equipment for film in films),
            patients=tuple(film.patient_id for film in films),
            sexes=tuple(film.sex for film in films),
            reference=reference,
        )

    def __len__(self) -> int:
        return len(self.patients)

    def part(self, rows: Bools) -> Sample:
        """The films of those rows."""
        chosen = np.flatnonzero(rows)
        return Sample(
            truth=self.truth[rows],
            bmd=self.bmd[rows],
            sd=self.sd[rows],
            scanners=tuple(self.scanners[index] for index in chosen),
            patients=tuple(self.patients[index] for index in chosen),
            sexes=tuple(self.sexes[index] for index in chosen),
            reference=self.reference,
        )

    def t_scores(self, bmd: Floats) -> Floats:
        """T-scores (n, 4) of these films' patients for a BMD (n, 4)."""
        return metrics.t_scores(bmd, self.reference, self.sexes)

    def positive(self) -> Floats:
        """1 where T <= -2.5 by truth, 0 above, NaN where it is not known (n, 4)."""
        scores = self.t_scores(self.truth)
        return np.where(np.isnan(scores), np.nan, scores <= metrics.OSTEOPOROSIS)


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A calibration, the thresholds (4,) for calibrated T-scores, and the scanners too rare for lines of their own."""

    calibration: Calibration
    thresholds: Floats
    rare: Mapping[str, int]


def fit(sample: Sample, wanted: Wanted, *, by_scanner: bool = False) -> Fitted:
    """All that is fitted, on all films; Misconfigured where a vertebra has too few films or cases."""
    _refuse_few(sample)
    return _fit(sample, wanted, by_scanner)


def apply(calibration: Calibration, sample: Sample) -> tuple[Floats, Floats]:
    """Calibrated BMD and SD (n, 4), as the pathway would answer."""
    bmd, sd = np.full_like(sample.bmd, np.nan), np.full_like(sample.sd, np.nan)
    groups = np.array([calibration.group(scanner) for scanner in sample.scanners], dtype=object)
    for group, lines in calibration.lines.items():
        rows = groups == group
        for column, vertebra in enumerate(Vertebra):
            line = lines[vertebra]
            bmd[rows, column] = line.intercept + line.slope * sample.bmd[rows, column]
            sd[rows, column] = line.slope * sample.sd[rows, column] * calibration.interval_scale[vertebra]
    return bmd, sd


def held_out(sample: Sample, wanted: Wanted, *, by_scanner: bool = False) -> dict[str, Any]:
    """Figures by vertebra of films that nothing was fitted on, each by the other four folds."""
    bmd, sd = np.full_like(sample.bmd, np.nan), np.full_like(sample.sd, np.nan)
    below = np.zeros(sample.bmd.shape, bool)
    fold = folds(sample.patients, _FOLDS)
    for number in range(_FOLDS):
        rows = fold == number
        fitted = _fit(sample.part(~rows), wanted, by_scanner)
        bmd[rows], sd[rows] = apply(fitted.calibration, sample.part(rows))
        below[rows] = sample.part(rows).t_scores(bmd[rows]) < fitted.thresholds
    return figures(sample, bmd, sd, below)


def figures(sample: Sample, bmd: Floats, sd: Floats, below: Bools) -> dict[str, Any]:
    """By vertebra: films, slope and intercept of the truth on ``bmd``, errors, coverage, and what ``below`` detects."""
    positive = sample.positive()
    return {
        str(vertebra): _figures(sample.truth[:, i], bmd[:, i], sd[:, i], below[:, i], positive[:, i])
        for i, vertebra in enumerate(Vertebra)
    }


def _figures(truth: Floats, bmd: Floats, sd: Floats, below: Bools, positive: Floats) -> dict[str, Any]:
    known = np.isfinite(positive) & np.isfinite(bmd)
    line = metrics.calibration_line(truth, bmd)
    agreed = asdict(metrics.agreement(truth, bmd, positive == 1))
    return {
        "slope": None if line is None else line.slope,
        "intercept": None if line is None else line.intercept,
        **{name: agreed[name] for name in ("films", "r", "bias", "rmse", "auc")},
        "coverage_90": metrics.coverage(truth, bmd, sd, LEVEL),
        **asdict(metrics.detection(below[known], positive[known] == 1)),
    }


def threshold(scores: Floats, positive: Bools, wanted: Wanted) -> float:
    """The T-score (two decimals) below which a film crosses, so that the films given reach the wanted figure.

    For a sensitivity the lowest such threshold, for a specificity the highest. Misconfigured where none is possible.
    """
    if wanted.kind == SENSITIVITY:
        own = np.sort(scores[positive])
        least = math.ceil(wanted.value * len(own) - 1e-9)
        found = math.ceil((float(own[least - 1]) + _MARGIN) * 100) / 100
    else:
        own = np.sort(scores[~positive])
        allowed = math.floor((1 - wanted.value) * len(own) + 1e-9)
        found = math.floor((float(own[allowed]) - _MARGIN) * 100) / 100
    if not _POSSIBLE[0] < found < _POSSIBLE[1]:
        raise Misconfigured(
            f"A {wanted} needs a threshold of T {found:.2f}, which no threshold set can hold.",
            fix="Ask for less, or see whether the model's estimates follow the truth at all.",
        )
    return found


def _fit(sample: Sample, wanted: Wanted, by_scanner: bool) -> Fitted:
    lines, rare = _lines(sample, by_scanner)
    calibration = Calibration(lines=lines, interval_scale=_scales(sample, by_scanner))
    bmd, _ = apply(calibration, sample)
    scores, positive = sample.t_scores(bmd), sample.positive()
    known = np.isfinite(positive) & np.isfinite(scores)
    found = [threshold(scores[k, i], positive[k, i] == 1, wanted) for i, k in enumerate(known.T)]
    return Fitted(calibration=calibration, thresholds=np.array(found), rare=rare)


def _lines(sample: Sample, by_scanner: bool) -> tuple[dict[str, dict[str, Line]], dict[str, int]]:
    """Lines of all films and of every scanner with enough of them; the others with their number of films."""
    every = {ALL: _of_group(sample)}
    if not by_scanner:
        return every, {}
    names = np.array([scanner or "" for scanner in sample.scanners])
    pairs = np.isfinite(sample.truth) & np.isfinite(sample.bmd)
    rare: dict[str, int] = {}
    for name, films in sorted(Counter(names.tolist()).items()):
        if name and int(pairs[names == name].sum(axis=0).min()) >= LEAST_FILMS:
            every[name] = _of_group(sample.part(names == name))
        else:
            rare[name or "no maker in the header"] = films
    return every, rare


def _of_group(sample: Sample) -> dict[str, Line]:
    return {str(vertebra): _line(sample, column, vertebra) for column, vertebra in enumerate(Vertebra)}


def _line(sample: Sample, column: int, vertebra: Vertebra) -> Line:
    found = metrics.calibration_line(sample.truth[:, column], sample.bmd[:, column])
    if found is None or found.slope <= 0:
        raise Misconfigured(
            f"The estimates of {vertebra} do not rise with the truth; no line can correct them.",
            fix="See whether rows and films of the cohort belong together, and whether the bundle is trained.",
        )
    return Line(slope=found.slope, intercept=found.intercept)


def _scales(sample: Sample, by_scanner: bool) -> dict[str, float]:
    """Conformal scales from films that the lines were not fitted on."""
    plain = dict.fromkeys((str(vertebra) for vertebra in Vertebra), 1.0)
    bmd, sd = np.full_like(sample.bmd, np.nan), np.full_like(sample.sd, np.nan)
    fold = folds(sample.patients, _FOLDS, seed=1)
    for number in range(_FOLDS):
        rows = fold == number
        lines, _ = _lines(sample.part(~rows), by_scanner)
        bmd[rows], sd[rows] = apply(Calibration(lines=lines, interval_scale=plain), sample.part(rows))
    return {str(v): _scale(sample.truth[:, i], bmd[:, i], sd[:, i], v) for i, v in enumerate(Vertebra)}


def _scale(truth: Floats, bmd: Floats, sd: Floats, vertebra: Vertebra) -> float:
    found = metrics.conformal_factor(truth, bmd, sd, LEVEL)
    if found is None or found <= 0:
        raise Misconfigured(
            f"{vertebra} has too few films for an interval of 90 %.", fix=f"Bring at least {LEAST_FILMS} films."
        )
    return found


def _refuse_few(sample: Sample) -> None:
    """Misconfigured, with the counts of every vertebra that has too few films or cases."""
    pairs = (np.isfinite(sample.truth) & np.isfinite(sample.bmd)).sum(axis=0)
    positive = np.where(np.isfinite(sample.bmd), sample.positive(), np.nan)
    cases, others = (positive == 1).sum(axis=0), (positive == 0).sum(axis=0)
    short = [
        f"{vertebra}: {pairs[i]} films, {cases[i]} at T <= -2.5, {others[i]} above"
        for i, vertebra in enumerate(Vertebra)
        if pairs[i] < LEAST_FILMS or min(cases[i], others[i]) < LEAST_CASES
    ]
    if short:
        raise Misconfigured(
            f"Too few judged films to calibrate on ({'; '.join(short)}).",
            fix=f"Bring at least {LEAST_FILMS} judged films with DXA for each vertebra, {LEAST_CASES} of them at "
            f"T <= -2.5 and {LEAST_CASES} above.",
        )
