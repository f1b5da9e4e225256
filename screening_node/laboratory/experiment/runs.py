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
from screening_node.laboratory.folder import Cohort
from screening_node.laboratory.inputs import Crops, inputs_path, prepare
from screening_node.laboratory.jobs import run_all
from screening_node.laboratory.landmarks.locate import Detector, locate, with_landmarks
from screening_node.laboratory.predictions import Predictions
from screening_node.laboratory.progress import Report, silent
from screening_node.laboratory.runs import EstimatorTask, Question, ask_network, train_network

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

#: Share of the training films that each network is calibrated on and does not learn from: one fold of so many.
_FOLDS = 10
_FOUND, _TRUE = "found", "true"


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

    @property
    def mean_with_true(self) -> Floats:
        """The same, with ROIs at the true landmarks."""
        mean: Floats = np.mean(list(self.with_true.values()), axis=0)
        return mean


def train_all(
    plan: Plan,
    train: Cohort,
    out: Path,
    *,
    devices: Sequence[str],
    wanted: Callable[[ModelPlan], bool] = lambda model: True,
    report: Report = silent,
) -> dict[tuple[ModelPlan, int], EstimatorTask]:
    """Every wanted model, trained for each of its seeds; what was trained before is left alone."""
    models = [model for model in plan.models if wanted(model)]
    orders = _distinct(_training_order(plan, model) for model in models)
    prepare(train, orders, out / "inputs", processes=plan.inputs.processes, report=report)
    # Every model's first seed before any second: an interrupted run leaves whole tables.
    pairs = sorted(((m, seed) for m in models for seed in m.seeds), key=lambda pair: pair[0].seeds.index(pair[1]))
    tasks = {(model, seed): _task(plan, model, seed, train, out) for model, seed in pairs}
    for _ in run_all(train_network, list(tasks.values()), devices, report):
        pass
    return tasks


def find_landmarks(
    test: Cohort, detector: Detector, cache: Path, device: torch.device, report: Report = silent
) -> Cohort:
    """The unseen films with the landmarks that the detector finds, kept in ``cache``."""
    kept = cache / f"landmarks-{test.name}-{detector.sha256[:16]}.npy"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        np.save(kept, locate(test, detector, device, report=report))
    return with_landmarks(test, np.load(kept))


def ask_all(
    plan: Plan,
    tasks: Mapping[tuple[ModelPlan, int], EstimatorTask],
    found: Cohort,
    true: Cohort,
    out: Path,
    *,
    devices: Sequence[str],
    report: Report = silent,
) -> list[Outcome]:
    """What every network says of the unseen films, ROIs placed by the detector (``found``) and by the truth."""
    cache, models = out / "inputs", list(dict.fromkeys(model for model, _ in tasks))
    located = [model for model in models if _by_landmarks(model)]
    prepare(found, _distinct(Crops.of(m.architecture) for m in models), cache, report=report)
    prepare(true, _distinct(Crops.of(m.architecture) for m in located), cache, report=report)
    asked: dict[Question, tuple[str, ModelPlan, int]] = {}
    for (model, seed), task in tasks.items():
        for kind, cohort in ((_FOUND, found), *([(_TRUE, true)] if model in located else [])):
            crops = inputs_path(cohort, Crops.of(model.architecture), cache)
            asked[Question(network=task, crops=crops)] = (kind, model, seed)
    answers = {asked[question]: answer for question, answer in run_all(ask_network, list(asked), devices, report)}
    return [_outcome(model, answers) for model in models]


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


def _outcome(model: ModelPlan, answers: Mapping[tuple[str, ModelPlan, int], Floats]) -> Outcome:
    def of(kind: str) -> dict[int, Floats]:
        return {seed: answers[kind, model, seed] for seed in model.seeds if (kind, model, seed) in answers}

    return Outcome(model=model, by_seed=of(_FOUND), with_true=of(_TRUE))


def _task(plan: Plan, model: ModelPlan, seed: int, cohort: Cohort, out: Path) -> EstimatorTask:
    train, held_out = splits.split(splits.folds(cohort.patient_ids, _FOLDS), 0)
    bmd = cohort.bmd
    if model.shuffled:
        bmd = bmd[np.random.default_rng(seed).permutation(len(bmd))]
    return EstimatorTask(
        name=f"{model.key}-{seed}",
        architecture=model.architecture,
        stage=replace(plan.stage, epochs=model.epochs or plan.stage.epochs),
        crops=inputs_path(cohort, _training_order(plan, model), out / "inputs"),
        bmd=bmd,
        train=train[: model.films] if model.films else train,
        held_out=held_out,
        folder=out / "networks",
        seed=seed,
    )


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
