"""One network's training: epochs, learning rate, log and checkpoints, the same whether or not it was interrupted.

Every random choice of an epoch derives from (run seed, network, epoch), so that a run resumed from its last
checkpoint takes the very steps that an uninterrupted one would have taken.
"""

from __future__ import annotations

import csv
import hashlib
import math
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from screening_node.errors import Misconfigured
from screening_node.laboratory.config import StageConfig
from screening_node.laboratory.progress import Progress, Report

#: What a batch needs from disk, from the films' indices and the loader's generator; run ahead on a thread of its own.
Load = Callable[[Tensor, torch.Generator], Any]
#: Loss of a batch, from what was loaded and the epoch's generator.
Loss = Callable[[nn.Module, Any, torch.Generator], Tensor]
#: Named figures of the validation part.
Check = Callable[[nn.Module], dict[str, float]]

_MOMENTUM = 0.9
_GRADIENT_LIMIT = 1.0


@dataclass(frozen=True, kw_only=True)
class Run:
    """What all networks of a run share: where files go, device, seed, and the configuration's hash."""

    folder: Path
    device: torch.device
    seed: int
    config_sha256: str
    resume: bool
    report: Report


def indices_only(batch: Tensor, generator: torch.Generator) -> Tensor:
    """A ``Load`` for those who fetch their data in the loss."""
    return batch


def train_stage(
    name: str,
    model: nn.Module,
    config: StageConfig,
    films: int,
    *,
    loss: Loss,
    check: Check,
    run: Run,
    load: Load = indices_only,
) -> nn.Module:
    """Train ``model`` over ``films`` films; leaves NAME.ckpt and NAME.csv in the run's folder.

    The log has a row an epoch: loss, the check's figures, films a second, and the share of the time that the device
    waited for data.
    """
    # Not channels-last: on a CPU, GroupNorm's backward pass is some ten times slower in that layout.
    model = model.to(run.device)
    optimiser = _optimiser(model, config)
    checkpoint = run.folder / f"{name}.ckpt"
    start = _restore(checkpoint, model, optimiser, run) if run.resume else 0
    steps = math.ceil(films / config.batch)
    for epoch in range(start, config.epochs):
        figures = _epoch(name, model, optimiser, config, films, epoch, load, loss, run)
        model.eval()
        figures |= check(model)
        _save(checkpoint, model, optimiser, epoch + 1, run)
        _log(run.folder / f"{name}.csv", epoch, figures, fresh=epoch == 0)
        note = " ".join(f"{key} {value:.4g}" for key, value in figures.items())
        run.report(Progress(stage=name, done=(epoch + 1) * steps, total=config.epochs * steps, note=note))
    return model.eval()


def derived_seed(*parts: object) -> int:
    """A 63-bit seed from anything that has a stable text."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def learning_rate(config: StageConfig, step: int, steps: int) -> float:
    """Linear warm-up, then half a cosine down to zero."""
    warm = max(round(config.warmup * steps), 1)
    if step < warm:
        return config.learning_rate * (step + 1) / warm
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(steps - warm, 1)))


def autocast(config: StageConfig, device: torch.device) -> torch.autocast:
    """bfloat16 where the configuration asks for it."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=config.precision == "bf16")


def _epoch(
    name: str,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    config: StageConfig,
    films: int,
    epoch: int,
    load: Load,
    loss: Loss,
    run: Run,
) -> dict[str, float]:
    """One pass over the films in an order of the epoch's own; gives the mean loss and how fast it went."""
    generator = torch.Generator(run.device).manual_seed(derived_seed(run.seed, name, epoch))
    order = torch.Generator().manual_seed(derived_seed(run.seed, name, epoch, "order"))
    batches = torch.split(torch.randperm(films, generator=order), config.batch)
    model.train()
    total, waited, began = 0.0, 0.0, time.perf_counter()
    with ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(load, batches[0], order)
        for number in range(len(batches)):
            asked = time.perf_counter()
            data = coming.result()
            waited += time.perf_counter() - asked
            if number + 1 < len(batches):
                coming = ahead.submit(load, batches[number + 1], order)
            step = epoch * len(batches) + number
            _set_rate(optimiser, config, step, config.epochs * len(batches))
            total += _step(model, optimiser, config, loss, data, generator, run.device)
            run.report(Progress(stage=name, done=step + 1, total=config.epochs * len(batches)))
    spent = time.perf_counter() - began
    return {"loss": total / len(batches), "films_per_second": films / spent, "waited": waited / spent}


def _step(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    config: StageConfig,
    loss: Loss,
    data: Any,
    generator: torch.Generator,
    device: torch.device,
) -> float:
    """One step down the gradient; gives the batch's loss."""
    with autocast(config, device):
        value = loss(model, data, generator)
    optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(value)
    nn.utils.clip_grad_norm_(model.parameters(), _GRADIENT_LIMIT)
    optimiser.step()
    return float(value.detach())


def _optimiser(model: nn.Module, config: StageConfig) -> torch.optim.Optimizer:
    if config.optimiser == "sgd":
        return torch.optim.SGD(
            model.parameters(), lr=config.learning_rate, momentum=_MOMENTUM, weight_decay=config.weight_decay
        )
    return torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)


def _set_rate(optimiser: torch.optim.Optimizer, config: StageConfig, step: int, steps: int) -> None:
    for group in optimiser.param_groups:
        group["lr"] = learning_rate(config, step, steps)


def _save(path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, epochs: int, run: Run) -> None:
    """Write beside and rename: a run killed while it saves keeps the checkpoint before."""
    state = {
        "model": model.state_dict(),
        "optimiser": optimiser.state_dict(),
        "epochs": epochs,
        "seed": run.seed,
        "config": run.config_sha256,
    }
    part = path.with_suffix(".part")
    torch.save(state, part)
    os.replace(part, path)


def _restore(path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, run: Run) -> int:
    """Load a checkpoint, if there is one; gives the number of epochs done."""
    if not path.exists():
        return 0
    state: dict[str, Any] = torch.load(path, map_location=run.device, weights_only=True)
    if (state["seed"], state["config"]) != (run.seed, run.config_sha256):
        raise Misconfigured(
            f"The checkpoint {path} is of another configuration or seed.",
            fix="Resume with the configuration and --seed it was begun with, or choose another --out.",
        )
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    return int(state["epochs"])


def _log(path: Path, epoch: int, figures: dict[str, float], *, fresh: bool) -> None:
    with path.open("w" if fresh else "a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        if fresh:
            writer.writerow(["epoch", *figures])
        writer.writerow([epoch + 1, *(f"{value:.6g}" for value in figures.values())])
