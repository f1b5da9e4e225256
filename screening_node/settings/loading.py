"""From config file and environment to Settings: merge, resolve paths and names, check, name every error.

Order of strength: environment, then file, then defaults. A relative path in the file is relative to the file's
folder; one in an environment variable too, so that a variable can replace a key word for word.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import EnvSettingsSource, SettingsError

from screening_node.errors import Misconfigured
from screening_node.settings.sections import ENVIRONMENT_PREFIX, PROTOCOLS, Settings
from screening_node.settings.tables import read_toml

DEFAULT = Path("config") / "node.toml"
REPOSITORY = Path(__file__).resolve().parents[2]
_SQLITE = "sqlite:///"
#: Keys that a configuration file must not hold: what each is, and the key that names a file with it.
_SECRETS = {
    "key_pem": ("private key", "key"),
    "client_secret": ("client secret", "client_secret_file"),
    "token": ("token", "token_file"),
    "apprise_url": ("channel's address", "apprise_url_file"),
}


def default_file() -> Path:
    """``config/node.toml`` of the current folder, or else the one that came with the package."""
    return DEFAULT if DEFAULT.is_file() else REPOSITORY / DEFAULT


def load_settings(file: Path | None = None) -> Settings:
    """Settings from ``file`` (default: ``default_file()``) and the environment.

    Raises Misconfigured that lists every error: file or variable, key, reason, fix.
    """
    file = (file or default_file()).resolve()
    table = read_toml(file)
    wrong = [*_unknown_variables(), *_secrets_in(table, file)]
    merged = _resolved(_merged(table, _environment()), file.parent)
    try:
        settings = Settings(**merged)
    except ValidationError as error:
        wrong += [_explained(item, file) for item in error.errors()]
    if wrong:
        raise Misconfigured("\n".join(wrong))
    return settings


def _environment() -> dict[str, Any]:
    try:
        return EnvSettingsSource(Settings)()
    except SettingsError as error:
        raise Misconfigured(
            f"Environment {ENVIRONMENT_PREFIX}...: {error}.", fix="Lists are written as JSON, for example [40, 90]."
        ) from error


def _unknown_variables() -> Iterator[str]:
    """pydantic-settings passes over variables whose section it does not know; a misspelt one must be said."""
    for name in sorted(os.environ):
        section = name.upper().removeprefix(ENVIRONMENT_PREFIX).split("__")[0].lower()
        if name.upper().startswith(ENVIRONMENT_PREFIX) and section not in Settings.model_fields:
            known = ", ".join(sorted(Settings.model_fields))
            yield f"Environment variable {name}: no section [{section}]. Fix: unset it, or use one of: {known}."


def _secrets_in(data: Any, file: Path, place: str = "") -> Iterator[str]:
    """Secrets stand in files of their own, or in the environment; a configuration file gets around."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        where = f"{place}{key}"
        if key in _SECRETS:
            what, instead = _SECRETS[key]
            yield f"{file}: {where}: a {what}. Fix: Write it to a file named by {instead}, or set it by environment."
        yield from _secrets_in(value, file, f"{where}.")


def _merged(base: Any, over: Any) -> Any:
    """``over`` laid upon ``base``; a dictionary of "0", "1", ... upon a list changes those of its items."""
    if isinstance(base, dict) and isinstance(over, dict):
        return {**base, **{key: _merged(base[key], value) if key in base else value for key, value in over.items()}}
    if isinstance(over, dict) and over and all(key.isdigit() for key in over):
        items = dict(enumerate(base if isinstance(base, list) else []))
        for key, value in over.items():
            items[int(key)] = _merged(items.get(int(key), {}), value)
        return [items[index] for index in sorted(items)]
    return over


def _resolved(merged: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Relative paths and the names of tables as absolute paths."""
    places: dict[tuple[str, ...], Callable[[str], str]] = {
        ("store", "url"): lambda value: _database(value, folder),
        ("store", "archive"): lambda value: str(folder / value),
        ("intake", "folder", "path"): lambda value: str(folder / value),
        ("admin", "certificate"): lambda value: str((folder / value).resolve()),
        ("admin", "key"): lambda value: str((folder / value).resolve()),
        ("pathways", "chest_film", "bundle"): lambda value: str((folder / value).resolve()),
        ("pathways", "chest_film", "reference"): lambda value: str(find_table(value, folder, "references")),
        ("pathways", "chest_film", "thresholds"): lambda value: str(find_table(value, folder, "thresholds")),
    }
    for file in ("client_secret_file", "authorities"):
        places["admin", "oidc", file] = lambda value: str(folder / value)
    for tokens in (("destinations", "*"), ("intake", "stow", "callers", "*"), ("pull", "*")):
        places[(*tokens, "token_file")] = lambda value: str(folder / value)
    places["notifications", "channels", "*", "apprise_url_file"] = lambda value: str(folder / value)
    for file in ("certificate", "key", "authorities", "revocations"):
        for section in (("node", "tls"), ("destinations", "*", "tls"), ("intake", "stow", "tls"), ("pull", "*", "tls")):
            places[(*section, file)] = lambda value: str(folder / value)
    for place, resolve in places.items():
        merged = _changed(merged, place, resolve)
    return merged


def _changed(data: Any, place: tuple[str, ...], change: Callable[[str], str]) -> Any:
    """A copy of ``data`` with the text at ``place`` changed ("*": in every item); as it was where there is none."""
    if not place:
        return change(data) if isinstance(data, str) and data else data
    if isinstance(data, list) and place[0] == "*":
        return [_changed(item, place[1:], change) for item in data]
    if not isinstance(data, dict) or place[0] not in data:
        return data
    return {**data, place[0]: _changed(data[place[0]], place[1:], change)}


def _database(url: str, folder: Path) -> str:
    if not url.startswith(_SQLITE) or url == _SQLITE:
        return url
    return _SQLITE + str((folder / url.removeprefix(_SQLITE)).resolve())


def find_table(value: str, folder: Path, kind: str) -> Path:
    """The file of a reference table or threshold set; ``kind`` is "references" or "thresholds".

    A path, relative to ``folder``, where it ends in .toml; else the name of one in ``folder``, or of one of ours.
    """
    if value.endswith(".toml"):
        return (folder / value).resolve()
    beside = folder / kind / f"{value}.toml"
    return beside if beside.is_file() else REPOSITORY / "config" / kind / f"{value}.toml"


def _explained(item: ErrorDetails, file: Path) -> str:
    place = _written(item["loc"])
    key = ".".join(str(part) for part in place)
    reason = item["msg"] if item["type"] == "site" else item["msg"][:1].lower() + item["msg"][1:]
    return f"{_origin(place, file)}: {key}: {reason}. Fix: {_fix(item)}"


def _written(place: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """The place as a site writes it: pydantic puts a destination's protocol behind its number."""
    if len(place) > 2 and place[0] == "destinations" and place[2] in PROTOCOLS:
        return (*place[:2], *place[3:])
    return place


def _origin(place: tuple[int | str, ...], file: Path) -> str:
    """The environment variable that set the value (or the whole list or section around it), else the file."""
    set_here = {name.upper(): name for name in os.environ}
    for length in range(len(place), 0, -1):
        name = ENVIRONMENT_PREFIX + "__".join(str(part) for part in place[:length]).upper()
        if name in set_here:
            return f"Environment variable {set_here[name]}"
    return str(file)


def _fix(item: ErrorDetails) -> str:
    key = str(item["loc"][-1])
    if item["type"] == "site":
        return str(item["ctx"]["fix"])
    if item["type"] == "missing":
        return f"Add the key {key}; config/node.toml of the repository shows it."
    if item["type"] == "extra_forbidden":
        known = _known_keys(item["loc"][:-1])
        near = difflib.get_close_matches(key, known, n=1)
        return (f"Did you mean {near[0]}? " if near else "Remove it. ") + f"Known keys: {', '.join(known)}."
    return f"Correct the value of {key}; config/node.toml of the repository shows an example."


def _known_keys(place: tuple[int | str, ...]) -> list[str]:
    """The keys of the section at ``place``."""
    fields: Mapping[str, Any] = Settings.model_fields
    for part in place:
        if part in PROTOCOLS:
            fields = PROTOCOLS[str(part)].model_fields
        elif isinstance(part, str):
            fields = _fields_of(fields[part].annotation) or fields
    return sorted(fields)


def _fields_of(annotation: Any) -> Mapping[str, Any] | None:
    """The fields of a section, or of the sections in a list or behind an alternative."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation.model_fields
    return next((found for inner in get_args(annotation) if (found := _fields_of(inner)) is not None), None)
