"""Landmarks of a whole cohort, found as the pathway finds them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.torch
import torch
from torch import nn

from screening_node.laboratory.folder import Cohort, CohortFilm
from screening_node.laboratory.inputs import each, film_pyramid
from screening_node.laboratory.progress import Progress, Report, silent
from screening_node.pathways.chest_film.architecture import DetectorArchitecture
from screening_node.pathways.chest_film.landmarks import PixelTransform, build_detector, view_inputs, views_of
from screening_node.pathways.weights import load_bundle

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Detector:
    """A trained landmark detector, on the CPU in evaluation mode."""

    architecture: DetectorArchitecture
    module: nn.Module

    @property
    def sha256(self) -> str:
        """Hash of the weights."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.module.state_dict().items()):
            digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


def detector_of(bundle_folder: Path) -> Detector:
    """The detector of a bundle; BundleInvalid where it does not match its card."""
    bundle = load_bundle(bundle_folder)
    network = bundle.card.detectors[0]
    architecture = DetectorArchitecture.from_dict(network.architecture)
    return Detector(architecture=architecture, module=bundle.fill(build_detector(architecture), network))


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
