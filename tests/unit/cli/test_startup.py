"""What a person meets first: help, version, and commands that start quickly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pydicom
import pytest
from typer.testing import CliRunner

from screening_node import __version__
from screening_node.cli import app

COMMANDS = (
    "serve screen demo send train evaluate phantom alerts exams deliveries patients audit admin doctor".split()  # noqa: SIM905
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    done = CliRunner().invoke(app, [command, "--help"])
    assert done.exit_code == 0
    assert "Usage" in done.output


def test_help_says_that_the_weights_are_not_for_clinical_use() -> None:
    assert "not for clinical use" in " ".join(CliRunner().invoke(app, ["--help"]).output.split())


def test_the_version_is_said() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout.strip() == __version__


def test_the_command_line_loads_neither_torch_nor_networks_of_dicom() -> None:
    code = "import sys, screening_node.cli; print({'torch', 'pynetdicom', 'highdicom'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_phantom_film_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    for name in ("one.dcm", "two.dcm"):
        done = CliRunner().invoke(
            app, ["phantom", "film", "--seed", "5", "--size", "512", "--out", str(tmp_path / name), "--json"]
        )
        assert done.exit_code == 0, done.output
    assert (tmp_path / "one.dcm").read_bytes() == (tmp_path / "two.dcm").read_bytes()
    assert pydicom.dcmread(tmp_path / "one.dcm").Modality == "DX"
