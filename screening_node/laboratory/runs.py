"""One estimator as a task that any process and device can take: trained, asked, and its answers kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

from screening_node.laboratory.config import StageConfig
from screening_node.laboratory.estimators import Floats, Indices, ask, train_estimator
from screening_node.laboratory.inputs import open_inputs
from screening_node.laboratory.progress import Report
from screening_node.laboratory.stage import Run
from screening_node.pathways.chest_film.architecture import EstimatorArchitecture


@dataclass(frozen=True, kw_only=True, eq=False)
class EstimatorTask:
    """Train one network on the films ``train`` of ``crops``, hold out ``held_out``, then answer for every array asked.

    ``crops`` and the values of ``asked`` are paths of ``inputs.prepare``; ``bmd`` (n, 4) belongs to ``crops``.
    ``folder`` gets NAME.safetensors, NAME.csv (the log), NAME.npz (the answers) and, until it is done, a checkpoint.
    """

    name: str
    architecture: EstimatorArchitecture
    stage: StageConfig
    crops: Path
    bmd: Floats = field(repr=False)
    train: Indices = field(repr=False)
    held_out: Indices = field(repr=False)
    asked: Mapping[str, Path] = field(default_factory=dict)
    folder: Path
    seed: int = 0

    @property
    def sha256(self) -> str:
        """Hash of all that decides the weights and answers."""
        table = [self.name, self.seed, self.architecture.to_dict(), asdict(self.stage)]
        table += [self.crops.parent.name, {name: path.parent.name for name, path in self.asked.items()}]
        digest = hashlib.sha256(json.dumps(table, sort_keys=True).encode())
        for array in (self.bmd, self.train, self.held_out):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    @property
    def weights(self) -> Path:
        """The trained network."""
        return self.folder / f"{self.name}.safetensors"


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What a trained network answered, g/cm2: ``held_out`` (len(task.held_out), V), and for each array asked (n, V)."""

    held_out: Floats
    asked: Mapping[str, Floats]


def run_task(task: EstimatorTask, device: torch.device, report: Report) -> Answers:
    """Train and ask; a task that was done before is read back, one that was killed goes on at its last epoch."""
    task.folder.mkdir(parents=True, exist_ok=True)
    done = _read(task)
    if done is not None:
        return done
    run = Run(folder=task.folder, device=device, seed=task.seed, config_sha256=task.sha256, resume=True, report=report)
    crops = open_inputs(task.crops)
    model = train_estimator(task.name, task.architecture, task.stage, crops, task.bmd, task.train, task.held_out, run)
    answers = Answers(
        held_out=ask(model, crops, task.held_out, task.stage, device),
        asked={name: _ask_all(model, path, task.stage, device) for name, path in task.asked.items()},
    )
    safetensors.torch.save_file(
        {key: value.contiguous().cpu() for key, value in model.state_dict().items()}, task.weights
    )
    _write(task, answers)
    return answers


def _ask_all(model: torch.nn.Module, path: Path, stage: StageConfig, device: torch.device) -> Floats:
    crops = open_inputs(path)
    return ask(model, crops, np.arange(len(crops)), stage, device)


def _write(task: EstimatorTask, answers: Answers) -> None:
    """The answers last: their file says that the task is done."""
    arrays = {"held_out": answers.held_out, **{f"asked_{name}": values for name, values in answers.asked.items()}}
    part = task.folder / f"{task.name}.part.npz"
    np.savez(part, task=np.array(task.sha256), **arrays)  # type: ignore[arg-type]
    part.replace(task.folder / f"{task.name}.npz")
    (task.folder / f"{task.name}.ckpt").unlink(missing_ok=True)


def _read(task: EstimatorTask) -> Answers | None:
    path = task.folder / f"{task.name}.npz"
    if not path.exists() or not task.weights.exists():
        return None
    with np.load(path) as kept:
        if str(kept["task"]) != task.sha256:
            return None
        return Answers(held_out=kept["held_out"], asked={name: kept[f"asked_{name}"] for name in task.asked})
