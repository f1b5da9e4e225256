"""What was measured of a bundle, read back from evaluation.json and landmarks.json for its model card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from screening_node.errors import Misconfigured
from screening_node.laboratory.evaluate import SHA_LETTERS, WEIGHTS
from screening_node.laboratory.evaluation.files import DATA, FORMAT
from screening_node.laboratory.evaluation.table import Row
from screening_node.pathways.weights import Card

_AGAIN = "Write it anew with `screening-node evaluate --cohort DIR --bundle BUNDLE --true-landmarks --out DIR`."
_LANDMARKS_AGAIN = "Name the landmarks.json that `screening-node landmarks` wrote for this bundle's detector."


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """An evaluation as far as it is about one bundle; ``model`` is the bundle's name in its tables."""

    model: str
    facts: Mapping[str, str]
    left_out: Sequence[str]
    tables: Mapping[str, Sequence[Row]]

    def rows(self, table: str, **wanted: Any) -> list[Row]:
        """The bundle's rows of a table, those with the values wanted; none where the evaluation lacks the table."""
        named = {"model": self.model} | wanted
        return [row for row in self.tables.get(table, ()) if all(row.get(key) == named[key] for key in named)]


def read_evaluation(path: Path, card: Card) -> Evidence:
    """evaluation.json, or the folder that holds it.

    Misconfigured where it is none, or of other weights than the card's.
    """
    file = path / DATA if path.is_dir() else path
    data = _json(file, _AGAIN)
    if data.get("format") != FORMAT:
        raise Misconfigured(f"{file} is no evaluation: its format is {data.get('format')!r}.", fix=_AGAIN)
    facts, tables = data["facts"], {key: table["rows"] for key, table in data["tables"].items()}
    return Evidence(
        model=_model(file, card, facts, tables), facts=facts, left_out=data.get("left_out", ()), tables=tables
    )


def read_landmarks(path: Path, card: Card) -> Mapping[str, Any]:
    """landmarks.json with ``own``: the figures of the bundle's kind of detector; Misconfigured where it has none."""
    figures = _json(path, _LANDMARKS_AGAIN)
    kind = card.detectors[0].architecture.get("kind")
    if kind not in figures.get("detectors", {}):
        raise Misconfigured(f"{path} has no figures of detectors of the kind {kind!r}.", fix=_LANDMARKS_AGAIN)
    return {**figures, "own": figures["detectors"][kind]}


def _model(file: Path, card: Card, facts: Mapping[str, str], tables: Mapping[str, Sequence[Row]]) -> str:
    """The bundle's name in the tables; two bundles of one name and version have their weights' hash behind it."""
    plain = f"{card.name} {card.version}"
    known = {row["model"] for row in tables.get("overview", ())}
    for name in (plain, f"{plain} ({card.weights_sha256[:8]})"):
        if name in known and card.weights_sha256[:SHA_LETTERS] in facts.get(WEIGHTS, card.weights_sha256):
            return name
    raise Misconfigured(
        f"{file} is not about {plain} with the weights {card.weights_sha256[:SHA_LETTERS]}, but about: "
        f"{facts.get('Models', 'nothing')} ({facts.get(WEIGHTS, 'weights unknown')}).",
        fix=_AGAIN,
    )


def _json(file: Path, fix: str) -> Mapping[str, Any]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise Misconfigured(f"{file} cannot be read: {error.strerror}.", fix=fix) from error
    except ValueError as error:
        raise Misconfigured(f"{file} is not JSON: {error}.", fix=fix) from error
    if not isinstance(data, dict):
        raise Misconfigured(f"{file} holds a {type(data).__name__}, not a table of figures.", fix=fix)
    return data
