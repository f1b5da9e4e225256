"""The whole experiment: cohorts, difficulty, networks, answers, docs/results.md, and the best ensemble as a bundle."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from screening_node.domain.alarm import ThresholdSet
from screening_node.domain.tscore import ReferenceTable
from screening_node.laboratory.bundle import Contents, told, write
from screening_node.laboratory.experiment.plan import CALIBRATION, TEST, TRAIN, ModelPlan, Plan
from screening_node.laboratory.experiment.results import Findings, average_r, difficulty, markdown
from screening_node.laboratory.experiment.runs import Outcome, ask_all, cohorts_apart, find_landmarks, train_all
from screening_node.laboratory.experiment.shortcuts import shortcut_answers
from screening_node.laboratory.folder import Cohort, open_cohort
from screening_node.laboratory.jobs import pick_devices
from screening_node.laboratory.landmarks.locate import Detector
from screening_node.laboratory.progress import Progress, Report
from screening_node.laboratory.runs import EstimatorTask
from screening_node.laboratory.train import Member
from screening_node.phantom.cohort_folder import CohortOrder, write_cohort

Floats = npt.NDArray[np.float64]
Network = tuple[ModelPlan, int]

RESULTS, TIMES = "results.md", "times.json"


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Where an experiment runs: its folder, its devices, and whom it tells."""

    out: Path
    devices: Sequence[str]
    report: Report

    @classmethod
    def at(cls, out: Path, device: str, jobs: int, report: Report) -> Bench:
        """Misconfigured where the device is not there."""
        return cls(out=out, devices=pick_devices(device, jobs), report=report)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Adds the seconds to OUT/times.json: an experiment that was interrupted counts all its parts."""
        began = time.monotonic()
        yield
        path = self.out / TIMES
        times = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        times[name] = round(times.get(name, 0.0) + time.monotonic() - began, 1)
        path.write_text(json.dumps(times, indent=1) + "\n", encoding="utf-8")


def draw_cohorts(plan: Plan, bench: Bench, reference: ReferenceTable) -> dict[str, Cohort]:
    """The phantom cohorts of the plan in OUT/cohorts, drawn where they are missing; no patient is in two."""
    cohorts = {}
    for name, part in plan.cohorts.items():
        folder = bench.out / "cohorts" / name
        order = CohortOrder(films=part.films, seed=part.seed, size=plan.size)
        with bench.timed(f"cohort {name}"):
            for done in write_cohort(order, folder, reference=reference, processes=plan.inputs.processes):
                bench.report(Progress(stage=f"films {name}", done=done, total=part.films))
        cohorts[name] = replace(open_cohort(folder, reference=reference), name=name)
    cohorts_apart(cohorts)
    return cohorts


def measure(
    plan: Plan,
    cohorts: Mapping[str, Cohort],
    detector: Detector,
    bench: Bench,
    *,
    wanted: Callable[[ModelPlan], bool] = lambda model: True,
) -> tuple[list[Outcome], dict[tuple[ModelPlan, int], EstimatorTask]]:
    """Every wanted model trained, and asked about the unseen films."""
    with bench.timed("training"):
        tasks = train_all(plan, cohorts[TRAIN], bench.out, devices=bench.devices, wanted=wanted, report=bench.report)
    device = torch.device(bench.devices[0])
    with bench.timed("asking"):
        found = find_landmarks(cohorts[TEST], detector, bench.out / "inputs", device, bench.report)
        outcomes = ask_all(plan, tasks, found, cohorts[TEST], bench.out, devices=bench.devices, report=bench.report)
    return outcomes, tasks


def best_bundle(
    plan: Plan,
    tasks: Mapping[tuple[ModelPlan, int], EstimatorTask],
    cohorts: Mapping[str, Cohort],
    detector: Detector,
    bench: Bench,
) -> Path:
    """The best ensemble of the table of models as a bundle.

    Chosen and measured on the calibration part, which no network has learnt from; the unseen films take no part, so
    that what the bundle is worth can be measured on them.
    """
    own = {pair: task for pair, task in tasks.items() if pair[0].table == "models"}
    part = cohorts[CALIBRATION]
    device = torch.device(bench.devices[0])
    found = find_landmarks(part, detector, bench.out / "inputs", device, bench.report)
    outcomes = ask_all(plan, own, found, part, bench.out, devices=bench.devices, report=bench.report)
    answers = {(o.model, seed): values for o in outcomes for seed, values in o.by_seed.items()}
    chosen = best_ensemble(answers, part.bmd)
    members = [own[pair] for pair in chosen]
    contents = Contents(
        name="chest_film",
        version=plan.version,
        reference=plan.reference,
        training_data=f"{told(cohorts[TRAIN])}; {len(members)} networks chosen on {told(part)}",
        phantom=True,
        detector=detector,
        members=[
            Member(name=task.name, architecture=task.architecture, weights=task.weights, fold=0) for task in members
        ],
        truth=part.bmd,
        estimate=np.mean([answers[pair] for pair in chosen], axis=0),
    )
    write(contents, bench.out / "bundle")
    return bench.out / "bundle"


def best_ensemble(answers: Mapping[Network, Floats], truth: Floats) -> list[Network]:
    """Networks added one by one, always the one that the mean's average R gains most by, until none adds anything.

    ``answers`` (n, 4) of each network and ``truth`` (n, 4), g/cm2.
    """
    chosen: list[Network] = []
    best = -np.inf
    while len(chosen) < len(answers):
        tried = {
            pair: average_r(truth, np.mean([answers[one] for one in [*chosen, pair]], axis=0))
            for pair in answers
            if pair not in chosen
        }
        pair = max(tried, key=lambda one: tried[one])
        if tried[pair] <= best:
            break
        chosen, best = [*chosen, pair], tried[pair]
    return chosen


def check_difficulty(
    plan: Plan, cohorts: Mapping[str, Cohort], detector: Detector, bench: Bench
) -> dict[str, tuple[float, float]]:
    """Average R of the single-ROI networks, ours and Wang 2021's: what the phantom's difficulty is set by."""
    outcomes, _ = measure(plan, cohorts, detector, bench, wanted=lambda model: model.table == "single-roi")
    return difficulty(outcomes, cohorts[TEST].bmd)


def reproduce(
    plan: Plan,
    detector: Detector,
    bench: Bench,
    *,
    reference: ReferenceTable,
    thresholds: ThresholdSet,
    command: str,
) -> Path:
    """Run the plan, write OUT/results.md and OUT/bundle, the best ensemble; a killed run goes on where it stopped."""
    bench.out.mkdir(parents=True, exist_ok=True)
    cohorts = draw_cohorts(plan, bench, reference)
    outcomes, tasks = measure(plan, cohorts, detector, bench)
    best_bundle(plan, tasks, cohorts, detector, bench)
    findings = Findings(
        plan=plan,
        test=cohorts[TEST],
        outcomes=outcomes,
        short_cuts=shortcut_answers(cohorts[TRAIN], cohorts[TEST], processes=plan.inputs.processes),
        reference=reference,
        thresholds=thresholds,
        minutes=_minutes(bench.out),
    )
    path = bench.out / RESULTS
    path.write_text(markdown(findings, command), encoding="utf-8")
    return path


def _minutes(out: Path) -> float:
    times = json.loads((out / TIMES).read_text(encoding="utf-8"))
    return float(times["training"] + times["asking"]) / 60
