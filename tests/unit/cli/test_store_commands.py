"""``screening-node store``: check, backup, restore, vacuum, as an admin calls them."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from builders import an_instance
from cli.site_config import CONFIG
from typer.testing import CliRunner, Result

from screening_node import __version__, cli
from screening_node.errors import AlreadyRunning, Misconfigured, NotFound
from screening_node.queue import queue
from screening_node.service import single_run
from screening_node.store import records, schema
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


def test_the_tables_are_told_taken_down_with_a_backup_and_up_again(node: Path, tmp_path: Path) -> None:
    told = json.loads(run(node, "migrate", "--status", "--json").stdout)
    assert (told["tables"], told["pending"]) == (schema.head(), [])
    refused = run(node, "migrate", "--to", "0003")
    assert "--backup FOLDER" in str(refused.exception)
    down = run(node, "migrate", "--to", "0003", "--backup", str(tmp_path / "before"), "--actor", "mia", "--json")
    told = json.loads(down.stdout)
    assert told["tables"] == "0003"
    assert told["pending"][0]["number"] == "0004"
    assert (tmp_path / "before" / "node.sqlite").is_file()
    told = json.loads(run(node, "migrate", "--status", "--json").stdout)
    assert told["tables"] == "0003", "asking changes nothing"
    assert run(node, "migrate").exit_code == 0
    arguments = ["audit", "list", "--json", "--config", str(node / "node.toml")]
    rows = json.loads(CliRunner().invoke(cli.app, arguments).stdout)
    assert [(row["action"], row["detail"]["from"], row["detail"]["to"]) for row in reversed(rows)] == [
        ("store.migrate", schema.head(), "0003"),
        ("store.migrate", "0003", schema.head()),
    ]


def test_nothing_migrates_under_a_running_node(node: Path, tmp_path: Path) -> None:
    assert run(node, "migrate", "--to", "0003", "--backup", str(tmp_path / "before")).exit_code == 0
    with single_run(node / "archive" / "node.lock"):
        for arguments in (["migrate"], ["check"]):
            done = run(node, *arguments)
            assert isinstance(done.exception, AlreadyRunning), arguments
            assert f"process {os.getpid()}, version {__version__}" in str(done.exception)
    assert json.loads(run(node, "migrate", "--status", "--json").stdout)["tables"] == "0003"


def test_a_move_by_hand(node: Path, tmp_path: Path) -> None:
    moved = run(node, "move", "--to", f"sqlite:///{tmp_path}/other.sqlite", "--actor", "mia", "--json")
    assert moved.exit_code == 0
    assert {"exams", "audit", "outbox"} <= {row["table"] for row in json.loads(moved.stdout)}
    again = run(node, "move", "--to", f"sqlite:///{tmp_path}/other.sqlite")
    assert "its table audit holds rows" in str(again.exception)


def test_retention_by_hand(node: Path) -> None:
    refused = run(node, "retain")
    assert "[retention] has no rule" in str(refused.exception)
    with (node / "node.toml").open("a") as file:
        file.write("[retention]\njudged_days = 10\nfailed_days = 5\n")
    archive, old = Archive(node / "archive"), dt.datetime.now(dt.UTC) - dt.timedelta(days=7)
    temp = archive.spool()
    temp.write_bytes(b"film")
    path = archive.keep(temp, "1.2")
    store = Store(f"sqlite:///{node}/node.sqlite")
    with store.begin() as tx:
        records.record_instance(tx, an_instance("1.2", b"film", path=path, received_at=old))
    (row,) = _dry_run(node)
    assert (row["exam"], row["goes"], row["kept_because"]) == (1, False, "it is still to be judged")
    with store.begin() as tx:
        queue.cancel(tx, 1, now=old)
    store.close()
    (row,) = _dry_run(node)
    assert (row["goes"], row["why"], row["bytes"]) == (True, "failed, 7 days old; kept for 5", 4)
    assert archive.path(path).is_file()
    done = json.loads(run(node, "retain", "--json").stdout)
    assert done == {"removed": 1, "bytes": 4, "kept": 0}
    assert not archive.path(path).is_file()
    assert _dry_run(node) == []


def _dry_run(node: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(run(node, "retain", "--dry-run", "--json").stdout)
    return rows


@pytest.fixture
def patient(node: Path) -> Path:
    """A node with one patient, and a file that says who that is."""
    store = Store(f"sqlite:///{node}/node.sqlite")
    with store.begin() as tx:
        records.record_instance(tx, an_instance("1.2", b"film"))
        queue.cancel(tx, 1, now=dt.datetime.now(dt.UTC))
    store.close()
    (node / "who.toml").write_text('patient_id = "P1"\n')
    return node


def test_a_patient_is_forgotten_once_that_is_meant(patient: Path) -> None:
    config = ["--config", str(patient / "node.toml")]
    asked = CliRunner().invoke(cli.app, ["store", "purge-patient", *config], input="P1\n\nno\n")
    assert asked.exit_code == 1
    assert "1 exams" in asked.stderr
    done = run(patient, "purge-patient", "--identity", str(patient / "who.toml"), "--yes", "--actor", "mia", "--json")
    assert json.loads(done.stdout)["exams"] == 1
    again = run(patient, "purge-patient", "--identity", str(patient / "who.toml"), "--yes")
    assert isinstance(again.exception, NotFound)


def test_a_patient_is_exported_by_an_identity_from_standard_input(patient: Path, tmp_path: Path) -> None:
    arguments = ["store", "export-patient", str(tmp_path / "out"), "--identity", "-", "--json"]
    config = ["--config", str(patient / "node.toml")]
    done = CliRunner().invoke(cli.app, [*arguments, *config], input='patient_id = "P1"\n')
    assert json.loads(done.stdout) == {"films": 0, "missing": 1}, "its file was never there"
    assert (tmp_path / "out" / "manifest.json").is_file()


@pytest.mark.parametrize(
    "text", ["patient_id = P1", 'name = "P1"', 'patient_id = "P1"\nname = "x"', "patient_id = 1", ""]
)
def test_an_identity_that_is_none_is_refused_without_being_quoted(patient: Path, text: str) -> None:
    (patient / "who.toml").write_text(text)
    refused = run(patient, "purge-patient", "--identity", str(patient / "who.toml"), "--yes")
    assert isinstance(refused.exception, Misconfigured)
    assert "P1" not in str(refused.exception)


def test_no_identity_can_be_written_on_the_command_line(patient: Path) -> None:
    assert run(patient, "purge-patient", "P1", "--yes").exit_code == 2
    assert run(patient, "export-patient", str(patient / "out"), "P1").exit_code == 2
    assert not (patient / "out").exists()
