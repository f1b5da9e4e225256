"""The files of deploy/: what they run exists, and what they promise about rights is in them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from integration import peers

from screening_node.settings import load_settings

REPOSITORY = Path(__file__).parents[2]
DEPLOY = REPOSITORY / "deploy"


def test_the_configuration_is_one_that_a_node_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = re.search(r'bundle = "/opt/screening-node/(.+?)"', (DEPLOY / "node.toml").read_text())
    assert inside is not None
    monkeypatch.setenv("SCREENING_NODE__PATHWAYS__CHEST_FILM__BUNDLE", str(REPOSITORY / inside[1]))
    settings = load_settings(DEPLOY / "node.toml")
    assert settings.store.archive == Path("/var/lib/screening-node/archive")


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that exists here, under the user who runs the tests."""
    text = (DEPLOY / "screening-node.service").read_text()
    changed = text.replace("/opt/screening-node/.venv/bin/screening-node", sys.executable)
    assert changed != text
    file = tmp_path / "screening-node.service"
    file.write_text(changed)
    return file


def systemd_analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [peers.require("systemd-analyze", "systemd"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_systemd_finds_nothing_wrong_with_the_unit(unit: Path) -> None:
    done = systemd_analyze("verify", "--man=no", str(unit))
    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_leaves_little_exposed(unit: Path) -> None:
    done = systemd_analyze("security", "--offline=true", "--threshold=20", "--no-pager", str(unit))
    assert done.returncode == 0, done.stdout[-3000:]


def test_containers_run_without_root_and_with_a_read_only_root() -> None:
    container = (DEPLOY / "Containerfile").read_text()
    last = container.rpartition("\nFROM ")[2]
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", last, flags=re.M)
    assert "HEALTHCHECK" in last
    for install in re.findall(r"pip install(.+?)(?:\n[A-Z]|$)", container, flags=re.S):
        assert "--require-hashes" in install or "--editable" in install
    for name in ("compose.yaml", "compose.node.yaml"):
        text = (DEPLOY / name).read_text()
        for promise in ("read_only: true", "cap_drop: [ALL]", "no-new-privileges:true"):
            assert promise in text, f"{name} lacks {promise}"


@pytest.mark.parametrize("word", re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Containerfile").read_text(), re.M))
def test_what_the_container_copies_is_there(word: str) -> None:
    assert [name for name in word.split() if not (REPOSITORY / name).exists()] == []


@pytest.mark.parametrize("file", sorted(DEPLOY.iterdir()), ids=lambda file: file.name)
def test_no_secret_stands_in_a_file_of_ours(file: Path) -> None:
    assert not re.search(r"PRIVATE KEY|PASSWORD: [^/\s]|password=[^\s]", file.read_text())
