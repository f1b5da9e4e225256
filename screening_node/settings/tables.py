"""Reference tables and threshold sets from TOML files (config/references, config/thresholds, or a site's own)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from screening_node.domain.alarm import ThresholdSet
from screening_node.domain.result import Vertebra
from screening_node.domain.tscore import ANY, ReferenceRow, ReferenceTable
from screening_node.errors import Misconfigured

_FileT = TypeVar("_FileT", bound=BaseModel)
_Name = Annotated[str, Field(min_length=1, max_length=64)]
#: g/cm2; no lumbar spine lies outside, so that a table in mg/cm2 is noticed at start.
_Density = Annotated[float, Field(gt=0.0, lt=3.0)]
_Threshold = Annotated[float, Field(gt=-6.0, lt=3.0)]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")
    sex: Annotated[str, Field(pattern=rf"^(F|M|{ANY})$")]
    vertebra: Annotated[str, Field(pattern=rf"^(L[1-4]|{ANY})$")]
    mean: _Density
    sd: _Density


class _ReferenceFile(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: _Name
    version: _Name
    title: str
    maker: str
    population: str
    source: str
    rows: Annotated[list[_Row], Field(min_length=1)]


class _ThresholdFile(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: _Name
    version: _Name | None = None
    source: str
    by_vertebra: dict[Vertebra, _Threshold]


def load_reference_table(path: Path) -> ReferenceTable:
    """The young-adult means and SDs in ``path``; Misconfigured names file, key and reason."""
    data = _validated(_ReferenceFile, path)
    rows = tuple(ReferenceRow(**row.model_dump()) for row in data.rows)
    _refuse_twice(path, rows)
    return ReferenceTable(**{**data.model_dump(), "rows": rows})


def load_threshold_set(path: Path) -> ThresholdSet:
    """The alarm thresholds in ``path``, one for each of L1..L4, named with their version where they have one.

    Misconfigured names file, key and reason.
    """
    data = _validated(_ThresholdFile, path)
    missing = [str(vertebra) for vertebra in Vertebra if vertebra not in data.by_vertebra]
    if missing:
        raise Misconfigured(
            f"{path}: [by_vertebra] has no {', '.join(missing)}.", fix="Give each of L1 to L4 a threshold (a T-score)."
        )
    name = data.name if data.version is None else f"{data.name} {data.version}"
    return ThresholdSet(name=name, source=data.source, by_vertebra=dict(data.by_vertebra))


def _refuse_twice(path: Path, rows: tuple[ReferenceRow, ...]) -> None:
    keys = [(row.sex, row.vertebra) for row in rows]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise Misconfigured(
            f"{path}: [[rows]] has more than one row for " + "; ".join(f"sex {sex}, {v}" for sex, v in twice) + ".",
            fix="Keep one row for each sex and vertebra.",
        )


def read_toml(path: Path) -> dict[str, Any]:
    """The file as a dictionary; Misconfigured where it is absent, unreadable or no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path}: not a TOML file: {error}.", fix="Correct that line.") from error
    except OSError as error:
        raise Misconfigured(f"{path}: cannot be read: {error.strerror}.", fix="Check its name and rights.") from error


def _validated(model: type[_FileT], path: Path) -> _FileT:
    try:
        return model.model_validate(read_toml(path))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise Misconfigured(f"{path}: {wrong}.", fix="Correct those keys.") from error
