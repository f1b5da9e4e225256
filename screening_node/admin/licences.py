"""What the node is made of: every installed package and shipped file, its version, its licence and the licence's text.

From the metadata that packages bring along (importlib.metadata), so that what is shown is what is installed.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from pathlib import Path

from screening_node.errors import NotFound

_ROOT = "screening-node"
_TEXT = re.compile(r"(licen[cs]e|copying|notice|authors)", re.IGNORECASE)
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")
_SHIPPED = "with the node"


@dataclass(frozen=True, kw_only=True)
class Part:
    """Something that the node is made of; ``licence`` as its makers write it, ``None`` where they leave it to texts."""

    name: str
    version: str
    licence: str | None
    has_text: bool


@functools.cache  # what is installed does not change while the node runs
def parts() -> tuple[Part, ...]:
    """The node, what it needs, and what it ships of others, by name."""
    packages = sorted((_package(found) for found in _needed().values()), key=lambda part: part.name.lower())
    shipped = (Part(name=name, version=_SHIPPED, licence=licence, has_text=True) for name, licence, _ in _shipped())
    return (*packages, *shipped)


def text(name: str) -> str:
    """The licence texts that come with a part. Raises NotFound."""
    for shipped, _, file in _shipped():
        if shipped == name:
            return file.read_text(encoding="utf-8")
    found = _needed().get(_key(name))
    texts = [] if found is None else [file.read_binary().decode("utf-8", "replace") for file in _texts(found)]
    if not texts:
        raise NotFound("There is no text of such a licence.")
    return "\n\n".join(texts)


def _shipped() -> tuple[tuple[str, str, Traversable], ...]:
    """Others' files in this package: name, licence, its text. The node's own licence is that of some fonts, too."""
    package = resources.files("screening_node")
    fonts = package / "reporting" / "fonts"
    return (
        ("htmx", "0BSD", package / "admin" / "static" / "htmx.LICENSE"),
        ("Fonts: Noto Sans, NanumGothic", "OFL-1.1", fonts / "OFL-1.1.txt"),
        ("Fonts: Droid Sans Fallback, and which is which", "Apache-2.0", fonts / "README.md"),
    )


@functools.cache
def _needed() -> dict[str, metadata.Distribution]:
    """The node's distribution and all that it needs, directly or not, as far as it is installed here."""
    found: dict[str, metadata.Distribution] = {}
    waiting = [_ROOT]
    while waiting:
        name = waiting.pop()
        if _key(name) in found:
            continue
        try:
            found[_key(name)] = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # another platform's, or the node runs from a folder
        waiting += _requirements(found[_key(name)])
    return found


def _requirements(found: metadata.Distribution) -> Iterator[str]:
    """Names of what a package needs; extras are left out: what they bring is no part of the node."""
    for line in found.requires or ():
        requirement, _, marker = line.partition(";")
        name = _NAME.match(requirement.strip())
        if name is not None and "extra" not in marker:
            yield name[0]


def _package(found: metadata.Distribution) -> Part:
    return Part(
        name=found.metadata["Name"],
        version=found.version,
        licence=_licence(found),
        has_text=next(_texts(found), None) is not None,
    )


def _licence(found: metadata.Distribution) -> str | None:
    """License-Expression (PEP 639), else what was written before: one line of License, or the classifiers."""
    for key in ("License-Expression", "License"):
        for line in found.metadata.get_all(key) or []:
            if line.strip() and "\n" not in line and len(line) <= 80 and line != "UNKNOWN":
                return str(line).strip()
    classifiers = found.metadata.get_all("Classifier") or []
    names = [each.rpartition(" :: ")[2] for each in classifiers if each.startswith("License :: ")]
    return ", ".join(name for name in names if name != "OSI Approved") or None


def _texts(found: metadata.Distribution) -> Iterator[metadata.PackagePath]:
    for file in found.files or ():
        if (
            _TEXT.match(file.name)
            and file.suffix.lower() in ("", ".txt", ".md", ".rst")
            and Path(file.locate()).is_file()
        ):
            yield file


def _key(name: str) -> str:
    """PEP 503: one spelling of a package's name."""
    return re.sub(r"[-_.]+", "-", name).lower()
