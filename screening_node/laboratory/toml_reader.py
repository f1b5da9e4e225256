"""TOML files of the laboratory, taken apart key by key: no unknown key, no wrong type, no default for a misspelling."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from screening_node.errors import Misconfigured


class Reader:
    """Takes tables apart; every complaint names the file and the key."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, what: str, folder: str) -> dict[str, Any]:
        """The whole file; ``what`` it should be and the ``folder`` of good ones stand in the complaint."""
        try:
            return tomllib.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise Misconfigured(
                f"The {what} {self.path} cannot be read: {error}.", fix=f"Name a TOML file as in {folder}."
            ) from error

    def check(self, right: bool, key: str, what: str) -> None:
        """Misconfigured where it is not right."""
        if not right:
            raise Misconfigured(f"{self.path}: {key} {what}.", fix=f"Change {key} in {self.path}.")

    def only(self, table: Mapping[str, Any], where: str, known: set[str]) -> None:
        """No key but the known ones."""
        for key in table:
            name = f"{where}.{key}" if where else key
            self.check(key in known, name, f"is not known here; known are {', '.join(sorted(known))}")

    def text(self, data: Mapping[str, Any], key: str) -> str:
        """A text that is not empty."""
        value = data.get(key)
        self.check(isinstance(value, str) and bool(value), key, "must be a text")
        return str(value)

    def table(self, data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        """A table, as it stands."""
        value = data.get(key)
        self.check(isinstance(value, dict), key, "must be a table")
        return dict(value or {})

    def architecture(self, kind: Any, data: Mapping[str, Any], key: str) -> Any:
        """A network's architecture from its table."""
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
