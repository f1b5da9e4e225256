"""From films to patients: truth, alarm and refusal of each person (Wang et al. 2022, section IV.F)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from screening_node.domain.alarm import ThresholdSet
from screening_node.laboratory import metrics
from screening_node.laboratory.evaluation.study import VERTEBRAE, Study

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Patients:
    """p patients.

    ``lowest`` (p,): lowest T-score by DXA, NaN without any; ``osteoporotic`` (p,): how many vertebrae are,
    -1 where not all four were measured; ``judged``: any film was; ``called``: any judged film crosses a threshold.
    """

    lowest: npt.NDArray[np.float64]
    osteoporotic: npt.NDArray[np.int64]
    judged: Bools
    called: Bools


def gather(study: Study, model: str, thresholds: ThresholdSet | None = None) -> Patients:
    """A cohort's patients, by one model and threshold set: several films of a person give one alarm."""
    names, codes = np.unique(np.asarray(study.patients, dtype=object).astype(str), return_inverse=True)
    by_vertebra = np.full((len(names), len(VERTEBRAE)), np.nan)
    np.fmin.at(by_vertebra, codes, study.true_t)
    judged, called = np.zeros(len(names), bool), np.zeros(len(names), bool)
    np.logical_or.at(judged, codes, study.judged(model))
    np.logical_or.at(called, codes, study.called(model, thresholds).any(axis=1))
    whole = np.isfinite(by_vertebra).all(axis=1)
    count = np.where(whole, (by_vertebra <= metrics.OSTEOPOROSIS).sum(axis=1), -1)
    lowest = np.fmin.reduce(by_vertebra, axis=1, initial=np.nan)
    return Patients(lowest=lowest, osteoporotic=count, judged=judged, called=called)
