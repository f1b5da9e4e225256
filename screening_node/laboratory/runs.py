"""One estimator as a task that any process and device can take: trained, asked, and its answers kept."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

from screening_node.laboratory.config import StageConfig
from screening_node.laboratory.estimators import Floats, Indices, ask, train_estimator
from screening_node.laboratory.inputs import open_inputs
from screening_node.laboratory.progress import Progress, Report
from screening_node.laboratory.stage import Run
from screening_node.pathways.chest_film.architecture import EstimatorArchitecture
from screening_node.pathways.chest_film.estimator import build_estimator


@dataclass(frozen=True, kw_only=True, eq=False)
class EstimatorTask:
    """Train one network on the films ``train`` of ``crops``, and hold out ``held_out`` to watch and calibrate it.

    ``crops`` is a path of ``inputs.inputs_path``; ``bmd`` (n, 4) belongs to it. ``folder`` gets NAME.safetensors,
    NAME.csv (the log), NAME.npz (what it answered on ``held_out``) and, until it is done, a checkpoint.
    """

    name: str
    architecture: EstimatorArchitecture
    stage: StageConfig
    crops: Path
    bmd: Floats = field(repr=False)
    train: Indices = field(repr=False)
    held_out: Indices = field(repr=False)
    folder: Path
    seed: int = 0

    @property
    def sha256(self) -> str:
        """Hash of all that decides the weights."""
        table = [self.name, self.seed, self.architecture.to_dict(), asdict(self.stage), self.crops.parent.name]
        digest = hashlib.sha256(json.dumps(table, sort_keys=True).encode())
        for array in (self.bmd, self.train, self.held_out):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    @property
    def weights(self) -> Path:
        """The trained network."""
        return self.folder / f"{self.name}.safetensors"


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """A trained network, and the crops (an array of ``inputs.prepare``) that it is to answer for."""

    network: EstimatorTask
    crops: Path

    @property
    def kept(self) -> Path:
        """Where the answers are kept."""
        return self.network.folder / f"{self.network.name}-{self.crops.parent.name}.npz"


def train_network(task: EstimatorTask, device: torch.device, report: Report) -> Floats:
    """Train, and give the answers (len(held_out), V) in g/cm2 on the films held out.

    A task that was done before is read back, one that was killed goes on at its last epoch.
    """
    task.folder.mkdir(parents=True, exist_ok=True)
    kept = task.folder / f"{task.name}.npz"
    done = _read(kept, task.sha256)
    if done is not None and task.weights.exists():
        return done
    run = Run(folder=task.folder, device=device, seed=task.seed, config_sha256=task.sha256, resume=True, report=report)
    crops = open_inputs(task.crops)
    model = train_estimator(task.name, task.architecture, task.stage, crops, task.bmd, task.train, task.held_out, run)
    tensors = {key: value.contiguous().cpu() for key, value in model.state_dict().items()}
    safetensors.torch.save_file(tensors, task.weights)
    answers = ask(model, crops, task.held_out, task.stage, device)
    _write(kept, task.sha256, answers)  # last: it says that the task is done
    (task.folder / f"{task.name}.ckpt").unlink(missing_ok=True)
    return answers


def ask_network(question: Question, device: torch.device, report: Report) -> Floats:
    """What a trained network answers (n, V) in g/cm2 on other films; asked once, then read back."""
    task = question.network
    done = _read(question.kept, task.sha256)
    if done is not None:
        return done
    model = build_estimator(task.architecture)
    model.load_state_dict(safetensors.torch.load_file(task.weights))
    crops = open_inputs(question.crops)
    answers = ask(model.to(device), crops, np.arange(len(crops)), task.stage, device)
    _write(question.kept, task.sha256, answers)
    report(Progress(stage="answers", done=1, total=1, note=task.name))
    return answers


def _write(path: Path, task: str, answers: Floats) -> None:
    part = path.with_suffix(".part.npz")
    np.savez(part, task=np.array(task), answers=answers)
    part.replace(path)


def _read(path: Path, task: str) -> Floats | None:
    if not path.exists():
        return None
    with np.load(path) as kept:
        answers: Floats = kept["answers"]
        return answers if str(kept["task"]) == task else None
