"""What can be configured is documented."""

from __future__ import annotations

import types
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from screening_node.settings import Settings

OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"


def _sections(annotation: object) -> Iterator[type[BaseModel]]:
    """The models in an annotation such as ``Section | None`` or ``tuple[Section, ...]``."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if issubclass(annotation, BaseModel):
            yield annotation
        return
    for part in get_args(annotation):
        yield from _sections(part)


def _keys(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = list(_sections(field.annotation))
        if not inner or model is not Settings:
            yield name
        for section in inner:
            yield from _keys(section)


@pytest.mark.parametrize("key", sorted(set(_keys(Settings))))
def test_every_key_is_explained(key: str) -> None:
    text = OPERATIONS.read_text(encoding="utf-8")
    assert f"`{key}`" in text or f".{key}]`" in text or f"{{{key} =" in text or f", {key} =" in text, key
