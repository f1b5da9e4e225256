"""A configured site with a bundle of untrained networks that refuses nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cli.site_config import CONFIG
from pathways.networks_for_tests import OPEN_GATE, make_bundle

from screening_node.phantom.dicom_film import write_film
from screening_node.phantom.film import LATERAL


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("SCREENING_NODE"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a frontal and a lateral film."""
    folder = tmp_path_factory.mktemp("films")
    write_film(1, folder / "frontal.dcm", size=640)
    write_film(2, folder / "lateral.dcm", size=640, kind=LATERAL)
    return folder


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The site's configuration file."""
    make_bundle(tmp_path / "bundle", gate=OPEN_GATE)
    (tmp_path / "node.toml").write_text(CONFIG.format(port=11112, destinations=""))
    return tmp_path / "node.toml"
