"""What the node is made of: taken from what is installed, with licences and their texts."""

from __future__ import annotations

from importlib import metadata

import pytest

from screening_node.admin import licences
from screening_node.errors import NotFound


def test_every_dependency_is_listed_with_its_version_and_licence() -> None:
    listed = {licences._key(part.name): part for part in licences.parts()}
    pins = [line for line in metadata.requires("screening-node") or () if "extra ==" not in line]
    assert len(pins) > 20
    for pin in pins:
        name, _, version = pin.partition("==")
        part = listed[licences._key(name)]
        assert part.version.partition("+")[0] == version
        assert part.licence or part.has_text, name


def test_what_dependencies_bring_along_is_listed_and_tools_are_not() -> None:
    names = {licences._key(part.name) for part in licences.parts()}
    assert {"markupsafe", "sympy", "cffi"} <= names
    assert names.isdisjoint({"pytest", "ruff", "mypy", "playwright"})


def test_what_is_shipped_is_listed_with_its_text() -> None:
    shipped = [part for part in licences.parts() if part.version == "with the node"]
    assert [part.licence for part in shipped] == ["0BSD", "OFL-1.1", "Apache-2.0"]
    assert "SIL OPEN FONT LICENSE" in licences.text("Fonts: Noto Sans, NanumGothic")
    assert "Zero-Clause BSD" in licences.text("htmx")


def test_every_text_that_is_offered_is_there() -> None:
    for part in licences.parts():
        if part.has_text:
            assert licences.text(part.name).strip(), part.name


@pytest.mark.parametrize("name", ["", "nothing", "../pyproject.toml", "/etc/passwd", "pytest"])
def test_other_names_lead_nowhere(name: str) -> None:
    with pytest.raises(NotFound):
        licences.text(name)
