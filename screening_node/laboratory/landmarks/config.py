"""What a training of landmark detectors is told: config/landmarks/*.toml, checked key by key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from screening_node.laboratory.config import StageConfig, check_stage
from screening_node.laboratory.landmarks.augmentation import Augmentation
from screening_node.laboratory.landmarks.detector import MixedTraining
from screening_node.laboratory.landmarks.loss import PointWeights
from screening_node.laboratory.toml_reader import Reader
from screening_node.pathways.chest_film.architecture import DetectorArchitecture

_KINDS = ("dag", "heatmap")
_TABLES = ("detector", "pretraining", "tuning", "data", "detector_real", "augmentation")


@dataclass(frozen=True, kw_only=True)
class LandmarkData:
    """``folds`` of the cross-validation on real films; the last ``held_out`` films of the cohort are only scored on.

    ``square``: side of the cached films in pixels, somewhat above the detector's. ``films``: seen in an epoch of the
    tuning.
    """

    folds: int = 5
    held_out: int = 150
    square: int = 256
    films: int = 640


@dataclass(frozen=True, kw_only=True)
class LandmarkConfig:
    """A whole comparison. ``kinds``: the detectors that are compared, otherwise alike; ``source``: the file."""

    name: str
    kinds: tuple[str, ...]
    detector: DetectorArchitecture
    pretraining: StageConfig
    tuning: StageConfig
    data: LandmarkData
    weights: PointWeights
    augmentation: Augmentation
    source: str

    @property
    def sha256(self) -> str:
        """Hash of all that decides the weights, seed and films apart."""
        what = asdict(self)
        del what["source"]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()

    def training(self, kind: str) -> MixedTraining:
        """How the detector of a kind is trained."""
        return MixedTraining(
            architecture=replace(self.detector, kind=kind),
            pretraining=self.pretraining,
            tuning=self.tuning,
            films=self.data.films,
            weights=self.weights,
            augmentation=self.augmentation,
        )


def load(path: Path) -> LandmarkConfig:
    """Read and check a configuration; Misconfigured names file, key and what to do."""
    reader = Reader(path)
    data = reader.read("configuration", "config/landmarks")
    reader.only(data, "", {"name", "kinds", *_TABLES})
    config = LandmarkConfig(
        name=reader.text(data, "name"),
        kinds=_kinds(reader, data),
        detector=reader.architecture(DetectorArchitecture, data, "detector"),
        pretraining=reader.numbers(StageConfig, data, "pretraining"),
        tuning=reader.numbers(StageConfig, data, "tuning"),
        data=reader.numbers(LandmarkData, data, "data"),
        weights=reader.numbers(PointWeights, data, "detector_real"),
        augmentation=reader.numbers(Augmentation, data, "augmentation"),
        source=str(path),
    )
    _check_ranges(config, reader)
    return config


def _kinds(reader: Reader, data: Mapping[str, Any]) -> tuple[str, ...]:
    kinds = data.get("kinds")
    right = isinstance(kinds, list) and bool(kinds) and set(kinds) <= set(_KINDS) and len(set(kinds)) == len(kinds)
    reader.check(right, "kinds", f"must be a list of some of {', '.join(_KINDS)}")
    return tuple(kinds or ())


def _check_ranges(config: LandmarkConfig, reader: Reader) -> None:
    check_stage(config.pretraining, "pretraining", reader)
    check_stage(config.tuning, "tuning", reader)
    reader.check(2 <= config.data.folds <= 50, "data.folds", "must be from 2 to 50")
    reader.check(config.data.held_out >= 1, "data.held_out", "must be at least 1")
    reader.check(config.data.square >= config.detector.size, "data.square", "must not be below the detector's size")
    reader.check(config.data.films >= 1, "data.films", "must be at least 1")
    reader.check(0 < config.weights.share < 1, "detector_real.share", "must lie between 0 and 1")
    for key, value in asdict(config.weights).items():
        reader.check(value >= 0, f"detector_real.{key}", "must not be negative")
    for key, value in asdict(config.augmentation).items():
        reader.check(value >= 0, f"augmentation.{key}", "must not be negative")
    for key in ("mirror", "border", "patch", "blur"):
        reader.check(getattr(config.augmentation, key) <= 1, f"augmentation.{key}", "is a probability, at most 1")
