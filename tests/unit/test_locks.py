"""The locks agree with pyproject.toml and constraints.txt, and every package in them has hashes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
AFTER = "run scripts/lock after a change of pyproject.toml or constraints.txt"


def key(name: str) -> str:
    """PEP 503: one spelling of a package's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lines: list[str]) -> dict[str, str]:
    found = (re.match(r"([\w.-]+)(?:\[[\w,]+\])?==([^\s;\\]+)", line) for line in lines)
    return {key(match[1]): match[2] for match in found if match}


def locked(name: str) -> dict[str, str]:
    return pins((REPOSITORY / "locks" / name).read_text().splitlines())


@pytest.fixture(scope="module")
def project() -> dict[str, str]:
    table = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    return pins([*table["dependencies"], *table["optional-dependencies"]["postgresql"]])


def test_every_dependency_is_locked_at_its_version(project: dict[str, str]) -> None:
    torch = project.pop("torch")
    everything = locked("node.txt")
    assert {name: everything.get(name) for name in project} == project, AFTER
    assert locked("torch-cuda.txt")["torch"] == torch, AFTER
    assert locked("torch-cpu.txt")["torch"] == f"{torch}+cpu", AFTER
    assert "torch" not in everything


def test_what_they_bring_along_is_locked_as_it_was_tested() -> None:
    tested = pins((REPOSITORY / "constraints.txt").read_text().splitlines())
    everything = locked("node.txt")
    differing = {name for name in tested.keys() & everything.keys() if tested[name] != everything[name]}
    assert differing == set(), AFTER


def test_the_builder_is_locked() -> None:
    table = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    assert locked("build.txt") == pins(table["build-system"]["requires"]), AFTER


@pytest.mark.parametrize("name", ["node.txt", "torch-cuda.txt", "torch-cpu.txt", "build.txt"])
def test_every_package_has_hashes(name: str) -> None:
    text = (REPOSITORY / "locks" / name).read_text()
    blocks = re.findall(r"^[a-zA-Z].*(?:\n[ \t]+.*)*", text, flags=re.M)
    assert len(blocks) == len(pins(text.splitlines()))
    assert [block.split()[0] for block in blocks if not re.search(r"--hash=sha256:[0-9a-f]{64}\b", block)] == []
