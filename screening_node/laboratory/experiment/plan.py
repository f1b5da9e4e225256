"""What an experiment compares: config/experiments/*.toml, checked key by key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

from screening_node.errors import Misconfigured
from screening_node.laboratory.config import InputsConfig, StageConfig, check_inputs, check_stage
from screening_node.laboratory.toml_reader import Reader
from screening_node.pathways.chest_film.architecture import EstimatorArchitecture

#: Parts of the data; each is a phantom cohort of its own.
TRAIN, CALIBRATION, TEST = "train", "calibration", "test"
_PARTS = (TRAIN, CALIBRATION, TEST)
_TOP = {"name", "version", "reference", "thresholds", "cohorts", "inputs", "training", "estimator", "models"}
_MODEL = {"table", "name", "seeds", "films", "epochs", "shuffled"}
_ARCHITECTURE = {field.name for field in fields(EstimatorArchitecture)}


@dataclass(frozen=True, kw_only=True)
class PartPlan:
    """A phantom cohort: so many films of seeds from ``seed`` on."""

    films: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class ModelPlan:
    """One row of a table: a network, trained once for each of ``seeds``.

    ``films``: train on so many of the training films only (0: all); ``epochs``: for so long (0: as all others);
    ``shuffled``: the labels are dealt out at random, so that whatever it learns is chance.
    """

    table: str
    name: str
    architecture: EstimatorArchitecture
    seeds: tuple[int, ...] = (0,)
    films: int = 0
    epochs: int = 0
    shuffled: bool = False

    @property
    def key(self) -> str:
        """The model's name as a file's."""
        return f"{self.table}-{self.name}".lower().replace(" ", "-").replace(",", "").replace("/", "-")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A whole experiment. ``version``: the best model's, as a bundle; ``size``: the films' long side in pixels."""

    name: str
    version: str
    reference: str
    thresholds: str
    size: int
    cohorts: Mapping[str, PartPlan]
    inputs: InputsConfig
    stage: StageConfig
    models: tuple[ModelPlan, ...]
    source: str


def load_plan(path: Path) -> Plan:
    """Read and check an experiment; Misconfigured names file and key."""
    reader = Reader(path)
    data = reader.read("experiment", "config/experiments")
    reader.only(data, "", _TOP)
    cohorts = reader.table(data, "cohorts")
    reader.only(cohorts, "cohorts", {"size", *_PARTS})
    plan = Plan(
        name=reader.text(data, "name"),
        version=reader.text(data, "version"),
        reference=reader.text(data, "reference"),
        thresholds=reader.text(data, "thresholds"),
        size=int(cohorts.get("size", 1024)),
        cohorts={part: reader.numbers(PartPlan, cohorts, part) for part in _PARTS},
        inputs=reader.numbers(InputsConfig, data, "inputs"),
        stage=reader.numbers(StageConfig, data, "training"),
        models=_models(data, reader),
        source=str(path),
    )
    _check(plan, reader)
    return plan


def _models(data: Mapping[str, Any], reader: Reader) -> tuple[ModelPlan, ...]:
    shared, rows = reader.table(data, "estimator"), data.get("models", [])
    reader.check(isinstance(rows, list) and bool(rows), "models", "must list at least one model")
    return tuple(_model(row, number, shared, reader) for number, row in enumerate(rows, start=1))


def _model(row: Mapping[str, Any], number: int, shared: Mapping[str, Any], reader: Reader) -> ModelPlan:
    key = f"models[{number}]"
    reader.only(row, key, _MODEL | _ARCHITECTURE)
    table = {**shared, **{name: value for name, value in row.items() if name in _ARCHITECTURE}}
    try:
        architecture = EstimatorArchitecture.from_dict(table)
    except Misconfigured as error:
        raise Misconfigured(f"{reader.path}: [[{key}]] {error.message}", fix=error.fix) from error
    return ModelPlan(
        table=reader.text(row, "table"),
        name=reader.text(row, "name"),
        architecture=architecture,
        seeds=tuple(row.get("seeds", (0,))),
        films=int(row.get("films", 0)),
        epochs=int(row.get("epochs", 0)),
        shuffled=bool(row.get("shuffled", False)),
    )


def _check(plan: Plan, reader: Reader) -> None:
    check_inputs(plan.inputs, reader)
    check_stage(plan.stage, "training", reader)
    spans = sorted((part.seed, part.seed + part.films, name) for name, part in plan.cohorts.items())
    for (_, end, one), (start, _, other) in pairwise(spans):
        reader.check(end <= start, f"cohorts.{other}", f"draws seeds that {one} has drawn")
    keys = [model.key for model in plan.models]
    reader.check(len(set(keys)) == len(keys), "models", "must differ in table and name")
    for model in plan.models:
        reader.check(0 <= model.films <= plan.cohorts[TRAIN].films, f"{model.key}.films", "must be within the cohort")
        reader.check(model.epochs >= 0, f"{model.key}.epochs", "must not be negative")
        reader.check(bool(model.seeds), f"{model.key}.seeds", "must list at least one seed")
