"""Carrying a plan out: cohorts, a detector, every network, and what each answers on the unseen films."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from screening_node.laboratory import splits
from screening_node.laboratory.experiment.plan import CALIBRATION, TEST, TRAIN, ModelPlan, Plan
from screening_node.laboratory.experiment.shortcuts import shortcut_answers
from screening_node.laboratory.folder import Cohort
from screening_node.laboratory.inputs import Crops, inputs_path, prepare
from screening_node.laboratory.jobs import run_all
from screening_node.laboratory.locate import Detector, locate, with_landmarks
from screening_node.laboratory.predictions import Predictions
from screening_node.laboratory.progress import Report, silent
from screening_node.laboratory.runs import Answers, EstimatorTask, run_task

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

#: Share of the training films that each network is calibrated on and does not learn from: one fold of so many.
_FOLDS = 10
TRUE_LANDMARKS = "true landmarks"


@dataclass(frozen=True, kw_only=True)
class Ready:
    """The cohorts with landmarks: ``train`` with its own, ``test`` with the detector's, ``test_true`` with its own."""

    train: Cohort
    test: Cohort
    test_true: Cohort


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a model's networks answered on the unseen films, by seed; ``with_true``: with ROIs at the true landmarks."""

    model: ModelPlan
    by_seed: Mapping[int, Floats]
    with_true: Mapping[int, Floats]

    @property
    def mean(self) -> Floats:
        """The seeds' mean answer (n, 4): an ensemble."""
        mean: Floats = np.mean(list(self.by_seed.values()), axis=0)
        return mean


def find_landmarks(
    cohorts: Mapping[str, Cohort], detector: Detector, cache: Path, device: torch.device, report: Report = silent
) -> Ready:
    """The unseen films' landmarks by the detector, kept in ``cache``."""
    test = cohorts[TEST]
    kept = cache / "test-landmarks.npy"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        np.save(kept, locate(test, detector, device, report=report))
    return Ready(train=cohorts[TRAIN], test=with_landmarks(test, np.load(kept)), test_true=test)


def run_plan(
    plan: Plan,
    ready: Ready,
    out: Path,
    *,
    devices: Sequence[str],
    wanted: Callable[[ModelPlan], bool] = lambda model: True,
    report: Report = silent,
) -> list[Outcome]:
    """Every wanted model, trained for each of its seeds; what was trained before is read back."""
    models = [model for model in plan.models if wanted(model)]
    cache = out / "inputs"
    for cohort, orders in _orders(plan, models, ready):
        prepare(cohort, orders, cache, processes=plan.inputs.processes, report=report)
    tasks = {
        _task(plan, model, seed, ready, cache, out / "networks"): (model, seed)
        for model in models
        for seed in model.seeds
    }
    answers = {tasks[task]: answer for task, answer in run_all(run_task, list(tasks), devices, report)}
    return [_outcome(model, answers) for model in models]


def shortcuts(ready: Ready, *, processes: int = 0) -> dict[str, Floats]:
    """The short cuts' answers on the unseen films."""
    return shortcut_answers(ready.train, ready.test, processes=processes)


def as_predictions(name: str, answers: Floats, cohort: Cohort) -> Predictions:
    """Answers (n, 4) as the tables want them: every film judged, no SD."""
    return Predictions(
        model=name,
        films=tuple(film.film for film in cohort.films),
        bmd=answers,
        sd=None,
        refusals=(None,) * len(cohort.films),
        landmarks=None,
    )


def _outcome(model: ModelPlan, answers: Mapping[tuple[ModelPlan, int], Answers]) -> Outcome:
    own = {seed: answers[model, seed].asked for seed in model.seeds}
    return Outcome(
        model=model,
        by_seed={seed: asked["test"] for seed, asked in own.items()},
        with_true={seed: asked["true"] for seed, asked in own.items() if "true" in asked},
    )


def _task(plan: Plan, model: ModelPlan, seed: int, ready: Ready, cache: Path, folder: Path) -> EstimatorTask:
    train, held_out = splits.split(splits.folds(ready.train.patient_ids, _FOLDS), 0)
    bmd = ready.train.bmd
    if model.shuffled:
        bmd = bmd[np.random.default_rng(seed).permutation(len(bmd))]
    plain = Crops.of(model.architecture)
    asked = {"test": inputs_path(ready.test, plain, cache)}
    if _by_landmarks(model):
        asked["true"] = inputs_path(ready.test_true, plain, cache)
    return EstimatorTask(
        name=f"{model.key}-{seed}",
        architecture=model.architecture,
        stage=plan.stage,
        crops=inputs_path(ready.train, _training_order(plan, model), cache),
        bmd=bmd,
        train=train[: model.films] if model.films else train,
        held_out=held_out,
        asked=asked,
        folder=folder,
        seed=seed,
    )


def _orders(plan: Plan, models: Sequence[ModelPlan], ready: Ready) -> Iterable[tuple[Cohort, list[Crops]]]:
    plain = [Crops.of(model.architecture) for model in models]
    located = [Crops.of(model.architecture) for model in models if _by_landmarks(model)]
    yield ready.train, _distinct(_training_order(plan, model) for model in models)
    yield ready.test, _distinct(plain)
    yield ready.test_true, _distinct(located)


def _training_order(plan: Plan, model: ModelPlan) -> Crops:
    return Crops.of(model.architecture, views=plan.inputs.views, jitter_mm=plan.inputs.landmark_jitter_mm)


def _by_landmarks(model: ModelPlan) -> bool:
    return model.architecture.layout.startswith("rois")


def _distinct(orders: Iterable[Crops]) -> list[Crops]:
    return list(dict.fromkeys(orders))


def cohorts_apart(cohorts: Mapping[str, Cohort]) -> None:
    """Misconfigured where two parts share a patient."""
    for one, other in ((TRAIN, TEST), (TRAIN, CALIBRATION), (CALIBRATION, TEST)):
        splits.check_apart(cohorts[one].patient_ids, cohorts[other].patient_ids, names=(one, other))


def as_generated(cohort: Cohort, name: str) -> Cohort:
    """The cohort under the part's name, for progress and messages."""
    return replace(cohort, name=name)
