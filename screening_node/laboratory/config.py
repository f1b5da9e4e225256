"""What a training run is told: config/pathways/*.toml, checked key by key."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from screening_node.domain.result import Vertebra
from screening_node.errors import Misconfigured
from screening_node.pathways.chest_film.architecture import DetectorArchitecture, EstimatorArchitecture
from screening_node.phantom.film import PHANTOM_VERSION


@dataclass(frozen=True, kw_only=True)
class CohortConfig:
    """How many films to draw, from which seed on, and how they are cut.

    ``views``: how often each training film is cut into crops, each time from landmarks moved by
    ``landmark_jitter_mm`` (SD), so that the estimator bears a detector's errors. ``processes``: 0 for one a core.
    """

    train: int
    validation: int
    seed: int
    views: int = 2
    landmark_jitter_mm: float = 3.0
    processes: int = 0


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """How one network is trained. ``optimiser`` "adamw" or "sgd" (momentum 0.9); ``warmup`` is a share of the run.

    ``precision`` "bf16" computes convolutions in bfloat16 where the processor can (much faster), "fp32" never.
    """

    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float = 1e-4
    optimiser: str = "adamw"
    warmup: float = 0.05
    precision: str = "bf16"


@dataclass(frozen=True, kw_only=True)
class MembersConfig:
    """The ensemble: ``members`` networks, or as many for each of L1..L4 where ``per_vertebra``."""

    members: int
    per_vertebra: bool = False


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A whole run. ``name`` and ``version`` go into the bundle's card; ``source`` is the file, for messages."""

    name: str
    version: str
    reference: str
    cohort: CohortConfig
    detector: DetectorArchitecture
    detector_stage: StageConfig
    estimator: EstimatorArchitecture
    estimator_stage: StageConfig
    ensemble: MembersConfig
    source: str

    @property
    def cohort_key(self) -> str:
        """Hash of all that decides the cached inputs."""
        what = [
            PHANTOM_VERSION,
            {key: value for key, value in asdict(self.cohort).items() if key != "processes"},
            self.detector.size,
            asdict(self.detector.normalisation),
            self.estimator.size,
            self.estimator.roi_scale,
            asdict(self.estimator.normalisation),
        ]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def sha256(self) -> str:
        """Hash of all that decides the weights, seed apart."""
        what = asdict(self)
        del what["source"], what["cohort"]["processes"]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()

    def member_architectures(self) -> list[EstimatorArchitecture]:
        """One architecture for each network of the ensemble."""
        if not self.ensemble.per_vertebra:
            return [self.estimator] * self.ensemble.members
        table = self.estimator.to_dict()
        each = [EstimatorArchitecture.from_dict(table | {"vertebrae": [v.value]}) for v in Vertebra]
        return [architecture for architecture in each for _ in range(self.ensemble.members)]


def load(path: Path) -> TrainConfig:
    """Read and check a training configuration; Misconfigured names file, key and what to do."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Misconfigured(
            f"The training configuration {path} cannot be read: {error}.", fix="Name a TOML file as in config/pathways."
        ) from error
    reader = _Reader(path)
    reader.only(
        data,
        "",
        {"name", "version", "reference", "cohort", "detector", "detector_training", "estimator", "estimator_training",
         "ensemble"},
    )  # fmt: skip
    config = TrainConfig(
        name=reader.text(data, "name"),
        version=reader.text(data, "version"),
        reference=reader.text(data, "reference"),
        cohort=reader.numbers(CohortConfig, data, "cohort"),
        detector=reader.architecture(DetectorArchitecture, data, "detector"),
        detector_stage=reader.numbers(StageConfig, data, "detector_training"),
        estimator=reader.architecture(EstimatorArchitecture, data, "estimator"),
        estimator_stage=reader.numbers(StageConfig, data, "estimator_training"),
        ensemble=reader.numbers(MembersConfig, data, "ensemble"),
        source=str(path),
    )
    _check_ranges(config, reader)
    return config


def _check_ranges(config: TrainConfig, reader: _Reader) -> None:
    cohort = config.cohort
    reader.check(2 <= cohort.train <= 1_000_000, "cohort.train", "must be from 2 to 1,000,000")
    reader.check(cohort.validation >= 2, "cohort.validation", "must be at least 2")
    reader.check(cohort.seed >= 0, "cohort.seed", "must not be negative")
    reader.check(cohort.views >= 1, "cohort.views", "must be at least 1")
    reader.check(cohort.landmark_jitter_mm >= 0, "cohort.landmark_jitter_mm", "must not be negative")
    reader.check(cohort.processes >= 0, "cohort.processes", "must not be negative (0: one a core)")
    reader.check(config.ensemble.members >= 1, "ensemble.members", "must be at least 1")
    for key, stage in (("detector_training", config.detector_stage), ("estimator_training", config.estimator_stage)):
        reader.check(stage.epochs >= 1, f"{key}.epochs", "must be at least 1")
        reader.check(stage.batch >= 1, f"{key}.batch", "must be at least 1")
        reader.check(stage.learning_rate > 0, f"{key}.learning_rate", "must be above 0")
        reader.check(stage.weight_decay >= 0, f"{key}.weight_decay", "must not be negative")
        reader.check(stage.optimiser in ("adamw", "sgd"), f"{key}.optimiser", 'must be "adamw" or "sgd"')
        reader.check(stage.precision in ("bf16", "fp32"), f"{key}.precision", 'must be "bf16" or "fp32"')
        reader.check(0 <= stage.warmup < 1, f"{key}.warmup", "must be a share from 0 to below 1")


class _Reader:
    """Takes tables apart; every complaint names the file and the key."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def check(self, right: bool, key: str, what: str) -> None:
        if not right:
            raise Misconfigured(f"{self.path}: {key} {what}.", fix=f"Change {key} in {self.path}.")

    def only(self, table: Mapping[str, Any], where: str, known: set[str]) -> None:
        for key in table:
            name = f"{where}.{key}" if where else key
            self.check(key in known, name, f"is not known here; known are {', '.join(sorted(known))}")

    def text(self, data: Mapping[str, Any], key: str) -> str:
        value = data.get(key)
        self.check(isinstance(value, str) and bool(value), key, "must be a text")
        return str(value)

    def table(self, data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        value = data.get(key)
        self.check(isinstance(value, dict), key, "must be a table")
        return dict(value or {})

    def architecture(self, kind: Any, data: Mapping[str, Any], key: str) -> Any:
        table = self.table(data, key)
        try:
            return kind.from_dict(table)
        except Misconfigured as error:
            raise Misconfigured(f"{self.path}: [{key}] {error.message}", fix=error.fix) from error

    def numbers(self, kind: Any, data: Mapping[str, Any], key: str) -> Any:
        """A flat frozen dataclass of int, float, bool and str from a table."""
        table = self.table(data, key)
        types = {field.name: str(field.type) for field in fields(kind)}
        self.only(table, key, set(types))
        values: dict[str, Any] = {}
        for name, value in table.items():
            given = "float" if type(value) is int and types[name] == "float" else type(value).__name__
            self.check(given == types[name], f"{key}.{name}", f"must be of type {types[name]}")
            values[name] = float(value) if types[name] == "float" else value
        try:
            return kind(**values)
        except TypeError as error:
            raise Misconfigured(
                f"{self.path}: [{key}] is not complete: {error}.", fix="Add the missing key."
            ) from error
