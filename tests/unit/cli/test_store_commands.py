"""``screening-node store``: check, backup, restore, vacuum, as an admin calls them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cli.site_config import CONFIG
from typer.testing import CliRunner, Result

from screening_node import cli
from screening_node.service import single_run
from screening_node.store.archive import Archive
from screening_node.store.session import Store


@pytest.fixture
def node(tmp_path: Path) -> Path:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "card.toml").touch()
    (tmp_path / "node.toml").write_text(CONFIG.format(port=11112, destinations=""))
    store = Store(f"sqlite:///{tmp_path}/node.sqlite")
    store.migrate()
    store.close()
    Archive(tmp_path / "archive").keep_report(b"report", "2.25.1")
    return tmp_path


def run(node: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ["store", *arguments, "--config", str(node / "node.toml")])


def test_from_a_backup_to_a_restored_node(node: Path, tmp_path: Path) -> None:
    done = run(node, "backup", str(tmp_path / "backup"), "--actor", "mia", "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"files": 0, "copied": 0})
    refused = run(node, "restore", str(tmp_path / "backup"))
    assert "is there already" in str(refused.exception)
    (node / "node.sqlite").unlink()
    shutil.rmtree(node / "archive")
    assert run(node, "restore", str(tmp_path / "backup")).exit_code == 0
    checked = run(node, "check", "--json")
    assert (checked.exit_code, json.loads(checked.stdout)) == (0, [])
    assert run(node, "vacuum").exit_code == 0


def test_a_backup_is_audited(node: Path, tmp_path: Path) -> None:
    run(node, "backup", str(tmp_path / "backup"), "--actor", "mia")
    arguments = ["audit", "list", "--json", "--config", str(node / "node.toml")]
    (row,) = json.loads(CliRunner().invoke(cli.app, arguments).stdout)
    assert (row["actor"], row["action"], row["subject"]) == ("mia", "store.backup", str(tmp_path / "backup"))


def test_a_running_node_is_not_restored(node: Path, tmp_path: Path) -> None:
    run(node, "backup", str(tmp_path / "backup"))
    (node / "node.sqlite").unlink()
    with single_run(node / "archive" / "node.lock"):
        done = run(node, "restore", str(tmp_path / "backup"))
    assert "Another node" in str(done.exception)
    assert not (node / "node.sqlite").exists()


def test_what_is_lost_is_an_error(node: Path) -> None:
    broken = node / "node.sqlite"
    broken.write_bytes(broken.read_bytes()[:8192])
    assert run(node, "check").exit_code != 0
