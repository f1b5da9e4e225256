"""What an evaluation is about: a cohort's truth, the models' answers, and the terms on which they are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from screening_node.domain.alarm import ThresholdSet
from screening_node.domain.result import Vertebra
from screening_node.domain.tscore import ReferenceTable
from screening_node.errors import Misconfigured
from screening_node.laboratory import metrics, resampling
from screening_node.laboratory.folder import Cohort
from screening_node.laboratory.metrics import Agreement, Detection
from screening_node.laboratory.predictions import Predictions

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

VERTEBRAE = tuple(str(vertebra) for vertebra in Vertebra)
AVERAGE = "average"

_TABLE_II = "Wang et al. 2022, Table II"
#: The rows of Wang et al. 2022, Tables II and III: T-scores below which an estimate is called.
PAPER_THRESHOLDS = (
    *(
        ThresholdSet(name=f"{t:g}".replace("-", "−"), source=_TABLE_II, by_vertebra=dict.fromkeys(Vertebra, t))
        for t in (-1.75, -2.0, -2.25, -2.5)
    ),
    ThresholdSet(name="flex", source=_TABLE_II, by_vertebra=dict(zip(Vertebra, (-2.2, -2.1, -2.0, -1.9), strict=True))),
)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One model's figures: by vertebra, and in every resample (``replicates``: name -> (resamples, 4))."""

    agreement: tuple[Agreement, ...]
    detection: tuple[Detection, ...]
    replicates: Mapping[str, Floats]

    def value(self, name: str, column: int | None) -> float | None:
        """A figure of one vertebra, or (None) its mean over the vertebrae that have it."""
        values = [
            getattr(each if hasattr(each, name) else called, name)
            for each, called in zip(self.agreement, self.detection, strict=True)
        ]
        if column is not None:
            found: float | None = values[column]
            return found
        there = [value for value in values if value is not None]
        return float(np.mean(there)) if there else None

    def interval(self, name: str, column: int | None) -> tuple[float, float] | None:
        """The figure's 95 % interval."""
        replicates = self.replicates[name]
        return resampling.interval(resampling.averaged(replicates) if column is None else replicates[:, column])


@dataclass(frozen=True, kw_only=True)
class Study:
    """``models``: answers by the name that tables show. The truth of film i is ``cohort.films[i]``.

    Every model answers every film of the cohort (Misconfigured otherwise), in any order.
    """

    cohort: Cohort
    models: Mapping[str, Predictions]
    reference: ReferenceTable
    thresholds: ThresholdSet
    resamples: int = resampling.RESAMPLES
    seed: int = 0

    def __post_init__(self) -> None:
        names = [film.film for film in self.cohort.films]
        ordered = {name: _in_order(name, found, names) for name, found in self.models.items()}
        object.__setattr__(self, "models", ordered)

    def __len__(self) -> int:
        return len(self.cohort.films)

    @cached_property
    def patients(self) -> list[str]:
        """The patient of each film."""
        return self.cohort.patient_ids

    @cached_property
    def draws(self) -> resampling.Draws:
        """The resamples of the patients that every interval comes from."""
        return resampling.Draws.of(self.patients, self.resamples, self.seed)

    @cached_property
    def ages(self) -> Floats:
        """Years (n,), NaN where unknown."""
        return np.array([np.nan if film.age is None else film.age for film in self.cohort.films], np.float64)

    @cached_property
    def sexes(self) -> list[str | None]:
        """F, M, O or None."""
        return [film.sex for film in self.cohort.films]

    @cached_property
    def truth(self) -> Floats:
        """DXA BMD (n, 4), g/cm2."""
        return self.cohort.bmd

    @cached_property
    def true_t(self) -> Floats:
        """T-scores (n, 4) of the DXA."""
        return metrics.t_scores(self.truth, self.reference, self.sexes)

    @cached_property
    def positive(self) -> Bools:
        """Osteoporotic vertebrae (n, 4) by DXA."""
        return np.asarray(self.true_t <= metrics.OSTEOPOROSIS)

    @cached_property
    def measured(self) -> dict[str, Measured]:
        """Every model's figures, over the films that it judged."""
        return {name: self._measure(found) for name, found in self.models.items()}

    @property
    def threshold_sets(self) -> tuple[ThresholdSet, ...]:
        """The papers', and the study's own where it is another one."""
        known = any(each.by_vertebra == self.thresholds.by_vertebra for each in PAPER_THRESHOLDS)
        return PAPER_THRESHOLDS if known else (*PAPER_THRESHOLDS, self.thresholds)

    def called(self, model: str, thresholds: ThresholdSet | None = None) -> Bools:
        """Vertebrae (n, 4) whose estimate lies below its threshold."""
        scores = metrics.t_scores(self.models[model].bmd, self.reference, self.sexes)
        return np.asarray(scores < metrics.limits_of(thresholds or self.thresholds))

    def judged(self, model: str) -> Bools:
        """Films (n,) that the model did not refuse."""
        return np.array([code is None for code in self.models[model].refusals], bool)

    def subset(self, films: Bools) -> Study:
        """The study of some films only."""
        indices = np.flatnonzero(films)
        return replace(
            self,
            cohort=self.cohort.subset(indices),
            models={name: _taken(found, indices) for name, found in self.models.items()},
        )

    def of(self, names: Sequence[str]) -> Study:
        """The study of some models only."""
        return replace(self, models={name: self.models[name] for name in names})

    def _measure(self, found: Predictions) -> Measured:
        called = np.asarray(
            metrics.t_scores(found.bmd, self.reference, self.sexes) < metrics.limits_of(self.thresholds)
        )
        replicates = resampling.agreement_replicates(
            self.truth,
            found.bmd,
            self.positive,
            self.draws,
            called=called,
        )
        both = np.isfinite(self.truth) & np.isfinite(found.bmd)
        columns = range(len(VERTEBRAE))
        return Measured(
            agreement=tuple(metrics.agreement(self.truth[:, i], found.bmd[:, i], self.positive[:, i]) for i in columns),
            detection=tuple(metrics.detection(called[both[:, i], i], self.positive[both[:, i], i]) for i in columns),
            replicates=replicates,
        )


def _in_order(name: str, found: Predictions, films: Sequence[str]) -> Predictions:
    place = {film: index for index, film in enumerate(found.films)}
    missing = [film for film in films if film not in place]
    if missing:
        raise Misconfigured(
            f"{name} has no answer for {len(missing)} of the cohort's films, {missing[0]} the first.",
            fix="Evaluate it on the films that it judged (Cohort.subset), or judge the others.",
        )
    return _taken(found, np.array([place[film] for film in films], int))


def _taken(found: Predictions, indices: npt.NDArray[np.int64]) -> Predictions:
    return replace(
        found,
        films=tuple(found.films[index] for index in indices),
        bmd=found.bmd[indices],
        sd=None if found.sd is None else found.sd[indices],
        refusals=tuple(found.refusals[index] for index in indices),
        landmarks=None if found.landmarks is None else found.landmarks[indices],
    )
