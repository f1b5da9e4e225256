"""Trained networks as a weight bundle: safetensors and card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.torch

from screening_node.domain import histogram
from screening_node.domain.result import Vertebra
from screening_node.errors import Misconfigured
from screening_node.laboratory import metrics
from screening_node.laboratory.config import TrainConfig
from screening_node.laboratory.folder import Cohort
from screening_node.laboratory.jobs import pick_devices
from screening_node.laboratory.landmarks.locate import Detector, detector_of
from screening_node.laboratory.progress import Report, silent
from screening_node.laboratory.train import Member, train_detector, train_ensemble
from screening_node.pathways import registry
from screening_node.pathways.weights import Card, Network, write_bundle

Floats = npt.NDArray[np.float64]

_PHANTOM_USE = (
    "Showing and testing the node's whole route on synthetic films. Not for clinical use: the estimators have never "
    "seen a real film."
)
_PHANTOM_LIMITS = "Phantom-trained, not for clinical use. A single film never rules disease out."
_SITE_USE = "Validation on the site's own films. Not for clinical use before the site has validated it."
_SITE_LIMITS = "Not validated, not for clinical use. A single film never rules disease out."
_LEAST_SD = 0.005


def train_bundle(
    config: TrainConfig,
    cohort: Cohort,
    out: Path,
    *,
    detector: Path | None = None,
    device: str = "auto",
    jobs: int = 1,
    seed: int = 0,
    report: Report = silent,
) -> Path:
    """Train what is missing in ``out``, measure each film by the networks that never saw its patient, write a bundle.

    ``detector``: a bundle whose detector is taken instead of training one. Gives the bundle's folder, ``out``/bundle.
    The same configuration, cohort, seed and number of jobs give the same weights on the same machine, interrupted
    or not: the same command goes on where a killed run stopped.
    """
    _check_reference(config, cohort)
    out.mkdir(parents=True, exist_ok=True)
    devices = pick_devices(device, jobs)
    chosen = _detector(config, cohort, out, detector, devices[0], seed, report)
    trained = train_ensemble(config, cohort, chosen, out, devices=devices, seed=seed, report=report)
    contents = Contents(
        name=config.name,
        version=config.version,
        reference=config.reference,
        training_data=describe(cohort, config, seed),
        phantom=cohort.phantom,
        detector=chosen,
        members=trained.members,
        truth=cohort.bmd,
        estimate=trained.out_of_fold,
    )
    write(contents, out / "bundle")
    return out / "bundle"


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What goes into a bundle. ``truth``, ``estimate`` (n, 4) in g/cm2: films that the members had not learnt from."""

    name: str
    version: str
    reference: str
    training_data: str
    phantom: bool
    detector: Detector
    members: Sequence[Member]
    truth: Floats = field(repr=False)
    estimate: Floats = field(repr=False)


def write(contents: Contents, folder: Path) -> Card:
    """The networks as files, and a card with what was measured on films that they had not learnt from."""
    files: dict[str, Any] = {"detector.safetensors": contents.detector.module.state_dict()}
    files |= {member.weights.name: safetensors.torch.load_file(member.weights) for member in contents.members}
    architecture = contents.detector.architecture.to_dict()
    card = Card(
        name=contents.name,
        version=contents.version,
        pathway=registry.CHEST_FILM,
        intended_use=_PHANTOM_USE if contents.phantom else _SITE_USE,
        limits_of_use=_PHANTOM_LIMITS if contents.phantom else _SITE_LIMITS,
        reference=contents.reference,
        training_data="; ".join(filter(None, (contents.training_data, contents.detector.origin))),
        metrics=figures(contents.truth, contents.estimate),
        residual_sd=residual_sd(contents.truth, contents.estimate),
        detectors=(Network(file="detector.safetensors", sha256="", architecture=architecture),),
        members=tuple(_network(member) for member in contents.members),
    )
    return write_bundle(folder, card, files)


def describe(cohort: Cohort, config: TrainConfig, seed: int) -> str:
    """One sentence on the training data, for the card."""
    return (
        f"{told(cohort)}; {config.split.folds} folds by patient, each network trained on all but one; run seed {seed}; "
        f"configuration {config.sha256[:16]}"
    )


def told(cohort: Cohort) -> str:
    """How many films of what kind a cohort has."""
    source = f"synthetic films of phantom {cohort.generator}" if cohort.phantom else "films of the site's own cohort"
    seeds = [film.seed for film in cohort.films if film.seed is not None]
    span = f", seeds {min(seeds)} to {max(seeds)}" if seeds else ""
    return f"{len(cohort.films)} {source} ({len(set(cohort.patient_ids))} patients{span})"


def residual_sd(truth: Floats, estimate: Floats) -> dict[str, float]:
    """RMS error in g/cm2 by vertebra, which the card states as the residual SD."""
    rms = np.sqrt(np.nanmean((estimate - truth) ** 2, axis=0))
    return {vertebra.value: round(max(float(sd), _LEAST_SD), 4) for vertebra, sd in zip(Vertebra, rms, strict=True)}


def figures(truth: Floats, estimate: Floats) -> dict[str, Any]:
    """What the card states: films, R and RMSE by vertebra, and how the films' mean BMD is spread.

    From truth and estimate (n, 4) in g/cm2.
    """
    numbers: dict[str, Any] = {"unseen_films": len(truth)}
    for column, vertebra in enumerate(Vertebra):
        known = np.isfinite(truth[:, column]) & np.isfinite(estimate[:, column])
        one, other = truth[known, column], estimate[known, column]
        numbers[f"{vertebra.value}_r"] = round(metrics.correlation(one, other) or 0.0, 3)
        numbers[f"{vertebra.value}_rmse"] = round(float(np.sqrt(np.mean((other - one) ** 2))), 4)
    numbers[histogram.METRIC] = histogram.Histogram.of(histogram.film_means(estimate.tolist())).to_table()
    return numbers


def _network(member: Member) -> Network:
    architecture = member.architecture
    return Network(
        file=member.weights.name,
        sha256="",
        architecture=architecture.to_dict(),
        vertebrae=architecture.vertebrae,
    )


def _detector(
    config: TrainConfig,
    cohort: Cohort,
    out: Path,
    given: Path | None,
    device: str,
    seed: int,
    report: Report,
) -> Detector:
    import torch

    if given is not None:
        return detector_of(given)
    return train_detector(config, cohort, out, device=torch.device(device), seed=seed, report=report)


def _check_reference(config: TrainConfig, cohort: Cohort) -> None:
    named = (cohort.reference or config.reference).split()[0]
    if named != config.reference:
        raise Misconfigured(
            f"{config.source}: reference is {config.reference}, but the T-scores of {cohort.folder} are by {named}.",
            fix=f"Change reference in {config.source}.",
        )
