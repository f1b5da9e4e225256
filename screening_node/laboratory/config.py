"""What a training run is told: config/pathways/*.toml, checked key by key."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from screening_node.domain.result import Vertebra
from screening_node.laboratory.toml_reader import Reader
from screening_node.pathways.chest_film.architecture import DetectorArchitecture, EstimatorArchitecture


@dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """K-fold by patient: network k of the ensemble learns from all folds but k, and is measured on k."""

    folds: int = 4
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class InputsConfig:
    """How training films are cut.

    ``views``: how often each film is cut into crops, each time from landmarks moved by ``landmark_jitter_mm`` (SD), so
    that the estimator bears a detector's errors. ``processes`` cut films at the same time, 0 for one a core.
    """

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
    """The ensemble: one network for each fold, or one for each fold and each of L1..L4 where ``per_vertebra``."""

    per_vertebra: bool = False


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A whole run. ``name`` and ``version`` go into the bundle's card; ``source`` is the file, for messages."""

    name: str
    version: str
    reference: str
    split: SplitConfig
    inputs: InputsConfig
    detector: DetectorArchitecture
    detector_stage: StageConfig
    estimator: EstimatorArchitecture
    estimator_stage: StageConfig
    ensemble: MembersConfig
    source: str

    @property
    def sha256(self) -> str:
        """Hash of all that decides the weights, seed and cohort apart."""
        what = asdict(self)
        del what["source"], what["inputs"]["processes"]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()

    def architectures(self) -> list[EstimatorArchitecture]:
        """The networks that each fold trains."""
        if not self.ensemble.per_vertebra:
            return [self.estimator]
        table = self.estimator.to_dict()
        return [EstimatorArchitecture.from_dict(table | {"vertebrae": [v.value]}) for v in Vertebra]


def load(path: Path) -> TrainConfig:
    """Read and check a training configuration; Misconfigured names file, key and what to do."""
    reader = Reader(path)
    data = reader.read("training configuration", "config/pathways")
    reader.only(
        data,
        "",
        {"name", "version", "reference", "split", "inputs", "detector", "detector_training", "estimator",
         "estimator_training", "ensemble"},
    )  # fmt: skip
    config = TrainConfig(
        name=reader.text(data, "name"),
        version=reader.text(data, "version"),
        reference=reader.text(data, "reference"),
        split=reader.numbers(SplitConfig, data, "split"),
        inputs=reader.numbers(InputsConfig, data, "inputs"),
        detector=reader.architecture(DetectorArchitecture, data, "detector"),
        detector_stage=reader.numbers(StageConfig, data, "detector_training"),
        estimator=reader.architecture(EstimatorArchitecture, data, "estimator"),
        estimator_stage=reader.numbers(StageConfig, data, "estimator_training"),
        ensemble=reader.numbers(MembersConfig, data, "ensemble"),
        source=str(path),
    )
    _check_ranges(config, reader)
    return config


def _check_ranges(config: TrainConfig, reader: Reader) -> None:
    reader.check(2 <= config.split.folds <= 50, "split.folds", "must be from 2 to 50")
    check_inputs(config.inputs, reader)
    for key, stage in (("detector_training", config.detector_stage), ("estimator_training", config.estimator_stage)):
        check_stage(stage, key, reader)


def check_inputs(inputs: InputsConfig, reader: Reader) -> None:
    """Misconfigured where a number of [inputs] is impossible."""
    reader.check(inputs.views >= 1, "inputs.views", "must be at least 1")
    reader.check(inputs.landmark_jitter_mm >= 0, "inputs.landmark_jitter_mm", "must not be negative")
    reader.check(inputs.processes >= 0, "inputs.processes", "must not be negative (0: one a core)")


def check_stage(stage: StageConfig, key: str, reader: Reader) -> None:
    """Misconfigured where a number of a training table is impossible."""
    reader.check(stage.epochs >= 1, f"{key}.epochs", "must be at least 1")
    reader.check(stage.batch >= 1, f"{key}.batch", "must be at least 1")
    reader.check(stage.learning_rate > 0, f"{key}.learning_rate", "must be above 0")
    reader.check(stage.weight_decay >= 0, f"{key}.weight_decay", "must not be negative")
    reader.check(stage.optimiser in ("adamw", "sgd"), f"{key}.optimiser", 'must be "adamw" or "sgd"')
    reader.check(stage.precision in ("bf16", "fp32"), f"{key}.precision", 'must be "bf16" or "fp32"')
    reader.check(0 <= stage.warmup < 1, f"{key}.warmup", "must be a share from 0 to below 1")
