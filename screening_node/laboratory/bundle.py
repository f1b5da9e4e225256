"""Trained networks as a weight bundle: safetensors, card, and a model card in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from screening_node.domain.alarm import ThresholdSet
from screening_node.domain.result import Estimate, Vertebra
from screening_node.domain.tscore import ReferenceTable
from screening_node.errors import Misconfigured
from screening_node.laboratory import evaluate, model_card, train
from screening_node.laboratory.cohort import VALIDATION, seeds_of
from screening_node.laboratory.config import TrainConfig
from screening_node.laboratory.evaluate import Judged
from screening_node.laboratory.progress import Report, silent
from screening_node.pathways import registry
from screening_node.pathways.chest_film.admission import AdmissionRules
from screening_node.pathways.chest_film.pathway import ChestFilmPathway
from screening_node.pathways.weights import Card, Network, load_bundle, write_bundle
from screening_node.phantom.film import PHANTOM_VERSION

INTENDED_USE = (
    "Showing and testing the node's whole route on synthetic films. Not for clinical use: the weights have never seen "
    "a real film."
)
LIMITS_OF_USE = "Phantom-trained, not for clinical use. A single film never rules disease out."
#: Stands in the card until the residual SD has been measured.
_UNMEASURED_SD = 0.15
_LEAST_SD = 0.005


def train_bundle(
    config: TrainConfig,
    out: Path,
    *,
    reference: ReferenceTable,
    thresholds: ThresholdSet,
    device: str = "auto",
    seed: int = 0,
    resume: bool = False,
    report: Report = silent,
) -> Path:
    """Render, train, measure on the validation part, write; gives the bundle's folder, ``out``/bundle.

    The same configuration and seed give the same weights on the same machine, interrupted (``resume``) or not.
    """
    if reference.name != config.reference:
        raise Misconfigured(
            f"{config.source}: reference is {config.reference}, but {reference.name} was given.",
            fix=f"Change reference in {config.source}.",
        )
    chosen = train.pick_device(device)
    detector, members = train.train_networks(config, out, device=chosen, seed=seed, resume=resume, report=report)
    folder = out / "bundle"
    write_networks(config, folder, detector, members, seed=seed)
    judged = judge_validation(config, folder, reference, thresholds, device=chosen, report=report)
    finish_card(folder, judged, reference, thresholds)
    summary = evaluate.figures(judged, reference=reference, thresholds=thresholds)
    model_card.write(folder, summary, f"screening-node train --config {config.source} --seed {seed} --out {out}")
    return folder


def write_networks(
    config: TrainConfig, folder: Path, detector: nn.Module, members: Sequence[nn.Module], *, seed: int
) -> Card:
    """The networks as files and a card whose residual SD is not measured yet."""
    architectures = config.member_architectures()
    files = {"detector.safetensors": detector.state_dict()}
    files |= {f"member-{number}.safetensors": member.state_dict() for number, member in enumerate(members, start=1)}
    card = Card(
        name=config.name,
        version=config.version,
        pathway=registry.CHEST_FILM,
        intended_use=INTENDED_USE,
        limits_of_use=LIMITS_OF_USE,
        reference=config.reference,
        training_data=(
            f"{config.cohort.train} synthetic films of phantom {PHANTOM_VERSION}, seeds from {config.cohort.seed}; "
            f"{config.cohort.validation} more for validation; run seed {seed}; configuration {config.sha256[:16]}"
        ),
        metrics={},
        residual_sd={vertebra.value: _UNMEASURED_SD for vertebra in Vertebra},
        detectors=(Network(file="detector.safetensors", sha256="", architecture=config.detector.to_dict()),),
        members=tuple(
            Network(
                file=f"member-{number}.safetensors",
                sha256="",
                architecture=architecture.to_dict(),
                vertebrae=architecture.vertebrae,
            )
            for number, architecture in enumerate(architectures, start=1)
        ),
    )
    return write_bundle(folder, card, files)


def judge_validation(
    config: TrainConfig,
    folder: Path,
    reference: ReferenceTable,
    thresholds: ThresholdSet,
    *,
    device: torch.device,
    report: Report = silent,
) -> list[Judged]:
    """The validation films, judged end to end by the bundle in ``folder``."""
    pathway = ChestFilmPathway.load(folder, device, AdmissionRules(reference=reference), thresholds=thresholds)
    seeds = seeds_of(config, VALIDATION)
    return evaluate.judge_films(pathway, seeds, processes=config.cohort.processes, report=report)


def finish_card(folder: Path, judged: Sequence[Judged], reference: ReferenceTable, thresholds: ThresholdSet) -> Card:
    """Put the measured residual SD and figures into the card; the weights stay as they are."""
    bundle = load_bundle(folder)
    summary = evaluate.figures(judged, reference=reference, thresholds=thresholds)
    files = {network.file: bundle.tensors(network) for network in (*bundle.card.detectors, *bundle.card.members)}
    card = replace(bundle.card, residual_sd=residual_sd(judged), metrics=flat(summary))
    return write_bundle(folder, card, files)


def residual_sd(judged: Sequence[Judged]) -> dict[str, float]:
    """RMS error in g/cm2 by vertebra over the judged films, which the card states as the residual SD."""
    passed = [film for film in judged if isinstance(film.answer, Estimate)]
    if len(passed) < 2:
        return {vertebra.value: _UNMEASURED_SD for vertebra in Vertebra}
    errors = np.array([evaluate.estimated_bmd(film) - film.truth.bmd for film in passed])
    rms = np.sqrt(np.mean(errors**2, axis=0))
    return {vertebra.value: round(max(float(sd), _LEAST_SD), 4) for vertebra, sd in zip(Vertebra, rms, strict=True)}


def flat(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The figures that a card states, by name: films, landmark error, R and RMSE by vertebra."""
    numbers: dict[str, Any] = {"validation_films": summary["films"], "refused": sum(summary["refused"].values())}
    if "landmarks" in summary:
        numbers["landmark_error_mm"] = round(summary["landmarks"]["mean_mm"], 2)
    for vertebra, row in summary.get("bmd", {}).get("vertebrae", {}).items():
        numbers[f"{vertebra}_r"] = round(row["r"] or 0.0, 3)
        numbers[f"{vertebra}_rmse"] = round(row["rmse"], 4)
    return numbers
