"""Detectors compared on phantom and real films: trained, cross-validated, gated, and the better one written."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.torch
from torch import nn

from screening_node.errors import Misconfigured, Permanent
from screening_node.imaging.pyramid import build_pyramid
from screening_node.laboratory import splits
from screening_node.laboratory.folder import Cohort
from screening_node.laboratory.landmarks import detector
from screening_node.laboratory.landmarks.config import LandmarkConfig
from screening_node.laboratory.landmarks.films import LandmarkFilms, cohort_films, seen_views
from screening_node.laboratory.landmarks.locate import TRIAL
from screening_node.laboratory.landmarks.real_films import USUAL, RealFilm, as_landmark_films
from screening_node.laboratory.landmarks.scores import (
    ACROSS,
    ALL,
    KINDS,
    MARGIN,
    by_group,
    film_errors_mm,
    not_worse,
    scores,
)
from screening_node.laboratory.stage import Run
from screening_node.pathways.chest_film import gate
from screening_node.pathways.chest_film.landmarks import film_transform

Floats = npt.NDArray[np.float64]

#: Figures that decide which detector is the better one: the mean of these means over the usual real films. Where films
#: cannot tell two kinds apart, the phantom does, where every point is exact.
DECISIVE = ("clavicle", "C7", ACROSS)
PASSED = "passes"


@dataclass(frozen=True, kw_only=True)
class TrialFilms:
    """All films of a trial. ``real`` as they are trained on, ``as_hung`` the same as a node would receive them."""

    phantom: LandmarkFilms
    held_out: LandmarkFilms
    real: LandmarkFilms
    as_hung: LandmarkFilms
    annotated: tuple[RealFilm, ...]


def trial_films(config: LandmarkConfig, cohort: Cohort, real: tuple[RealFilm, ...], run: Run) -> TrialFilms:
    """The films as arrays; Misconfigured where the cohort is too small or a held-out patient is also trained on."""
    last = len(cohort.films) - config.data.held_out
    if last < 1:
        raise Misconfigured(
            f"{cohort.folder} has {len(cohort.films)} films, of which {config.data.held_out} are to be held out.",
            fix="Bring more films, or lower data.held_out.",
        )
    train, held_out = cohort.subset(range(last)), cohort.subset(range(last, len(cohort.films)))
    splits.check_apart(train.patient_ids, held_out.patient_ids, names=("the training films", "those held out"))
    how, square = config.detector, config.data.square
    return TrialFilms(
        phantom=cohort_films(train, how, square=square, views=False, report=run.report),
        held_out=cohort_films(held_out, how, square=square, views=True, report=run.report),
        real=as_landmark_films(real, how, square=square, upright=True),
        as_hung=as_landmark_films(real, how, square=square, upright=False),
        annotated=real,
    )


def compare(config: LandmarkConfig, films: TrialFilms, run: Run) -> dict[str, Any]:
    """Train and score every kind of detector; leaves KIND.safetensors and, of the better one, detector.safetensors."""
    figures = {kind: _one_kind(config, kind, films, run) for kind in config.kinds}
    best = better_kind(figures, _film_errors(config.kinds, films, run), run.seed)
    weights = (run.folder / f"{best}.safetensors").read_bytes()
    _write(run.folder / "detector.safetensors", weights)
    architecture = config.training(best).architecture.to_dict()
    _write(run.folder / "detector.json", json.dumps(architecture, indent=1).encode())
    return {
        "name": config.name,
        "configuration": config.sha256,
        "seed": run.seed,
        "phantom_films": {"training": len(films.phantom), "held out": len(films.held_out)},
        "real_films": dict(Counter(films.as_hung.groups)),
        "folds": config.data.folds,
        "best": best,
        "mean shape": mean_shape_scores(films, config.data.folds, run.seed),
        "detectors": figures,
    }


def better_kind(figures: Mapping[str, Any], film_errors: Mapping[str, Floats], seed: int) -> str:
    """The kind with the least decisive error on real films; of those that they cannot tell from it, the phantom's best.

    ``film_errors`` (n,) in mm of each kind: the decisive error of each usual real film.
    """
    least = min(figures, key=lambda kind: decisive_mm(figures[kind]["real"]))
    as_good = [kind for kind in figures if kind == least or not_worse(film_errors[kind], film_errors[least], seed=seed)]
    return min(as_good, key=lambda kind: float(figures[kind]["phantom"][ALL]["mean_mm"]))


def decisive_mm(real: Mapping[str, Any]) -> float:
    """The figure that the better detector has less of, in mm."""
    return float(np.mean([real[USUAL][kind]["mean_mm"] for kind in DECISIVE]))


def mean_shape_scores(films: TrialFilms, folds: int, seed: int) -> dict[str, Any]:
    """What always answering with the mean place of each landmark (of the other folds' films) reaches on real films."""
    fold = splits.folds(films.real.patients, folds, seed)
    found = np.stack([np.nanmean(films.real.points[fold != own], axis=0) for own in fold]).astype(np.float64)
    return by_group(found, films.as_hung.points, films.as_hung.side_mm, films.as_hung.groups, seed=seed)


def gate_answers(films: Sequence[RealFilm], views: Floats, limits: gate.GateLimits) -> list[str]:
    """What the pathway's gate says of each film, given where a detector sees the landmarks in each view."""
    return [_gate_answer(film, seen, limits) for film, seen in zip(films, views, strict=True)]


def measured(film: RealFilm, views: Floats) -> gate.Measurements:
    """The gate's numbers of a film; ``views`` (V, 16, 2) in coordinates of the letterboxed square."""
    pyramid = build_pyramid(film.pixels())
    placed = film_transform(pyramid.shape).to_pixels(views)
    return gate.measure(pyramid, (film.pixel_mm, film.pixel_mm), placed.mean(axis=0), placed)


def _gate_answer(film: RealFilm, views: Floats, limits: gate.GateLimits) -> str:
    pyramid = build_pyramid(film.pixels())
    refusal = gate.check_pixels(pyramid, (film.pixel_mm, film.pixel_mm), limits)
    refusal = refusal or gate.judge(measured(film, views), limits)
    return PASSED if refusal is None else refusal.text


def _one_kind(config: LandmarkConfig, kind: str, films: TrialFilms, run: Run) -> dict[str, Any]:
    how = config.training(kind)
    start = detector.pretrain(f"{kind}-phantom", how, films.phantom, films.held_out, run)
    before = seen_views(start, films.as_hung.views)
    crossed, _ = detector.cross_validate(
        kind, start, how, films.phantom, films.real, films.as_hung, films.held_out, run, folds=config.data.folds
    )
    final = detector.train_detector_mixed(f"{kind}-final", start, how, films.phantom, films.real, films.held_out, run)
    _write(run.folder / f"{kind}.safetensors", safetensors.torch.save(_state(final)))
    np.savez_compressed(run.folder / f"{kind}.npz", names=np.array(films.as_hung.names), crossed=crossed, before=before)
    return {
        "phantom": _phantom_scores(final, films, run),
        "phantom, trained on phantom only": _phantom_scores(start, films, run),
        "real": _real_scores(crossed, films, run),
        "real, trained on phantom only": _real_scores(before, films, run),
        "gate": _gate_counts(crossed, films),
    }


def _phantom_scores(network: nn.Module, films: TrialFilms, run: Run) -> dict[str, Any]:
    held_out = films.held_out
    found = seen_views(network, held_out.views).mean(axis=1)
    return scores(found, held_out.points, held_out.side_mm, seed=run.seed)


def _real_scores(views: Floats, films: TrialFilms, run: Run) -> dict[str, Any]:
    real = films.as_hung
    return by_group(views.mean(axis=1), real.points, real.side_mm, real.groups, seed=run.seed)


def _film_errors(kinds: Sequence[str], films: TrialFilms, run: Run) -> dict[str, Floats]:
    real = films.as_hung
    usual = np.array(real.groups) == USUAL
    errors = {}
    for kind in kinds:
        with np.load(run.folder / f"{kind}.npz") as kept:
            found = kept["crossed"].mean(axis=1)
        errors[kind] = film_errors_mm(found[usual], real.points[usual], real.side_mm[usual], DECISIVE)
    return errors


def _gate_counts(views: Floats, films: TrialFilms) -> dict[str, dict[str, int]]:
    answers = gate_answers(films.annotated, views, gate.GateLimits())
    groups = films.as_hung.groups
    return {
        group: dict(Counter(answer for answer, own in zip(answers, groups, strict=True) if own == group).most_common())
        for group in sorted(set(groups))
    }


def _state(network: nn.Module) -> dict[str, Any]:
    return {name: tensor.detach().cpu().float().contiguous() for name, tensor in network.state_dict().items()}


def table(figures: Mapping[str, Any]) -> str:
    """The comparison as Markdown: one table for real films, one for phantom films, one for the gate."""
    kinds = list(figures["detectors"])
    real = {"mean shape": figures["mean shape"][USUAL]} | {
        f"{kind}, {name}": figures["detectors"][kind][key][USUAL]
        for kind in kinds
        for name, key in (("phantom only", "real, trained on phantom only"), ("cross-validated", "real"))
    }
    phantom = {kind: figures["detectors"][kind]["phantom"] for kind in kinds}
    others = {
        f"{kind}, {group}": figures["detectors"][kind]["real"][group]
        for kind in kinds
        for group in figures["real_films"]
        if group != USUAL
    }
    parts = [
        f"## Real films ({figures['real_films'][USUAL]} usual ones), mm\n\n{_rows(real)}",
        f"## Real films, the others, mm\n\n{_rows(others)}",
        f"## Phantom films held out ({figures['phantom_films']['held out']}), mm\n\n{_rows(phantom)}",
    ]
    return "\n\n".join(parts) + "\n"


def write(figures: Mapping[str, Any], folder: Path) -> None:
    """landmarks.json and landmarks.md."""
    _write(folder / TRIAL, json.dumps(figures, indent=1).encode())
    _write(folder / "landmarks.md", table(figures).encode())


def _rows(columns: Mapping[str, Mapping[str, Any]]) -> str:
    kinds = [*KINDS, MARGIN, ACROSS, ALL]
    head = "| points | " + " | ".join(columns) + " |\n|" + "---|" * (len(columns) + 1)
    lines = [f"| {kind} | " + " | ".join(_cell(column[kind]) for column in columns.values()) + " |" for kind in kinds]
    return "\n".join([head, *lines])


def _cell(figure: Mapping[str, Any]) -> str:
    if not figure["points"]:
        return "-"
    low, high = figure["interval_mm"]
    within = f"{figure['within_10_mm']:.0%} / {figure['within_20_mm']:.0%}"
    return f"{figure['mean_mm']:.1f} ({low:.1f} to {high:.1f}); {within}"


def _write(path: Path, content: bytes) -> None:
    part = path.with_suffix(".part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    except OSError as error:
        raise Permanent(
            f"{path} cannot be written: {error.strerror}.", fix="Make room, or name another --out."
        ) from error
