"""Landmarks of a whole cohort, found as the pathway finds them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import nn

from screening_node.errors import Misconfigured
from screening_node.laboratory.folder import Cohort, CohortFilm
from screening_node.laboratory.inputs import each, film_pyramid
from screening_node.laboratory.progress import Progress, Report, silent
from screening_node.pathways.chest_film.architecture import DetectorArchitecture
from screening_node.pathways.chest_film.landmarks import PixelTransform, build_detector, view_inputs, views_of
from screening_node.pathways.weights import load_bundle

Floats = npt.NDArray[np.float64]

#: What a finished trial of detectors leaves in its folder.
TRIAL = "landmarks.json"


@dataclass(frozen=True, kw_only=True)
class Detector:
    """A trained landmark detector, on the CPU in evaluation mode; ``origin``: what it learnt from, for a card."""

    architecture: DetectorArchitecture
    module: nn.Module
    origin: str = ""

    @property
    def sha256(self) -> str:
        """Hash of the weights."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.module.state_dict().items()):
            digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


def detector_of(folder: Path) -> Detector:
    """The detector of a bundle, or the one that ``screening-node landmarks`` left in its folder.

    BundleInvalid where a bundle does not match its card; Misconfigured where a trial has no detector yet.
    """
    return _detector_of_trial(folder) if (folder / TRIAL).exists() else _detector_of_bundle(folder)


def _detector_of_bundle(folder: Path) -> Detector:
    card = (bundle := load_bundle(folder)).card
    network = card.detectors[0]
    architecture = DetectorArchitecture.from_dict(network.architecture)
    module = bundle.fill(build_detector(architecture), network)
    origin = f"detector of {card.name} {card.version}, which had: {card.training_data}"
    return Detector(architecture=architecture, module=module, origin=origin)


def _detector_of_trial(folder: Path) -> Detector:
    try:
        trial = json.loads((folder / TRIAL).read_text(encoding="utf-8"))
        architecture = DetectorArchitecture.from_dict(
            json.loads((folder / "detector.json").read_text(encoding="utf-8"))
        )
        found = load_detector(architecture, folder / "detector.safetensors")
        films = trial["phantom_films"]["training"], sum(trial["real_films"].values())
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise Misconfigured(
            f"{folder} holds no whole detector: {error}.", fix="Run screening-node landmarks --resume to its end."
        ) from error
    return replace(found, origin="detector trained on {} synthetic and {} real films".format(*films))


def load_detector(architecture: DetectorArchitecture, weights: Path) -> Detector:
    """A detector from its weights."""
    module = build_detector(architecture)
    module.load_state_dict(safetensors.torch.load_file(weights))
    return Detector(architecture=architecture, module=module.eval())


def locate(
    cohort: Cohort, detector: Detector, device: torch.device, *, processes: int = 0, report: Report = silent
) -> Floats:
    """Landmarks (n, 16, 2) in stored pixels: the mean over the pathway's views of each film."""
    module = detector.module.to(device)
    look = partial(_look, architecture=detector.architecture)
    found = []
    for views, images in each(look, cohort.films, processes):
        with torch.inference_mode():
            answers = module(torch.from_numpy(images).float().to(device))[-1].float().cpu().numpy()
        found.append(np.mean([view.to_pixels(answer) for view, answer in zip(views, answers, strict=True)], axis=0))
        report(Progress(stage=f"landmarks {cohort.name}", done=len(found), total=len(cohort.films)))
    return np.stack(found)


def with_landmarks(cohort: Cohort, landmarks: Floats, *, keep: bool = False) -> Cohort:
    """The cohort with other landmarks (n, 16, 2); ``keep`` leaves a film its own where it has all of them."""
    films = tuple(
        film if keep and whole(film) else replace(film, landmarks=points)
        for film, points in zip(cohort.films, landmarks, strict=True)
    )
    return replace(cohort, films=films)


def whole(film: CohortFilm) -> bool:
    """Whether all 16 landmarks of a film are known."""
    return film.landmarks is not None and bool(np.isfinite(film.landmarks).all())


def _look(film: CohortFilm, architecture: DetectorArchitecture) -> tuple[tuple[PixelTransform, ...], npt.NDArray[Any]]:
    pyramid, _ = film_pyramid(film)
    views = views_of(pyramid.shape)
    return views, view_inputs(pyramid, views, architecture).astype(np.float16)
