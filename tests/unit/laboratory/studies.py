"""Cohorts and predictions in memory, whose figures can be worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from builders import a_reference

from screening_node.domain.alarm import ThresholdSet
from screening_node.domain.result import LANDMARK_NAMES, Vertebra
from screening_node.laboratory.evaluation.study import Study
from screening_node.laboratory.folder import Cohort, CohortFilm
from screening_node.laboratory.predictions import Predictions

Floats = npt.NDArray[np.float64]

#: T = (BMD - 1) / 0.1: T -2.5 is 0.75 g/cm2.
REFERENCE = a_reference()
FLEX = ThresholdSet(name="flex", source="", by_vertebra=dict(zip(Vertebra, (-2.2, -2.1, -2.0, -1.9), strict=True)))
POINTS = np.stack([np.arange(16.0) * 10, np.arange(16.0) * 7 + 5], axis=1)


def film(number: int, bmd: Sequence[float] | Floats, **facts: Any) -> CohortFilm:
    """A film of a patient of its own, with true landmarks."""
    told = {
        "row": number + 2,
        "film": f"films/{number}.dcm",
        "path": Path(f"/nowhere/{number}.dcm"),
        "patient_id": f"P{number}",
        "sex": "FM"[number % 2],
        "age": 45 + number % 40,
        "bmi": None,
        "bmd": np.array(bmd, np.float64),
        "landmarks": POINTS,
    }
    return CohortFilm(**(told | facts))


def cohort(films: Sequence[CohortFilm], *, generator: str | None = None) -> Cohort:
    return Cohort(folder=Path("/nowhere"), name="ward <7> & co", films=tuple(films), generator=generator)


def answers(of: Cohort, bmd: Floats, model: str = "one", **facts: Any) -> Predictions:
    """A model that judged every film whose ``bmd`` is there."""
    refused = np.isnan(bmd).all(axis=1)
    told = {
        "model": model,
        "films": tuple(each.film for each in of.films),
        "bmd": bmd,
        "sd": np.where(np.isnan(bmd), np.nan, 0.08),
        "refusals": tuple("landmarks-implausible" if code else None for code in refused),
        "landmarks": np.repeat(POINTS[None], len(bmd), axis=0),
    }
    return Predictions(**(told | facts))


def study(of: Cohort, *models: Predictions, resamples: int = 60) -> Study:
    return Study(
        cohort=of,
        models={each.model: each for each in models},
        reference=REFERENCE,
        thresholds=FLEX,
        resamples=resamples,
    )


def usual(films: int = 120, *, generator: str | None = "anatomical anatomical-1", seed: int = 3) -> Study:
    """Two models of different worth on a cohort with findings, ages, sexes and landmarks."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(0.9, 0.13, (films, 1)) + rng.normal(0, 0.05, (films, 4))
    shown = [("effusion",) if number % 5 == 0 else () for number in range(films)]
    of = cohort([film(number, truth[number], findings=shown[number]) for number in range(films)], generator=generator)
    good = truth + rng.normal(0.01, 0.05, truth.shape)
    good[::17] = np.nan
    found = POINTS + rng.normal(0, 20, (films, len(LANDMARK_NAMES), 2))
    poor = answers(of, truth + rng.normal(0, 0.15, truth.shape), "thumbnail", sd=None, landmarks=None)
    return study(of, replace(answers(of, good, "attentive"), landmarks=found), poor)
