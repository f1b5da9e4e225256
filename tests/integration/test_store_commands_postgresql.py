"""``screening-node store`` on a real PostgreSQL: moved there by hand, taken down with pg_dump's copy, and back."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from builders import an_instance
from postgresql_server import PostgresqlServer
from typer.testing import CliRunner, Result
from unit.cli.site_config import CONFIG

from screening_node import cli
from screening_node.errors import StoreUnavailable
from screening_node.store import backup, records, schema
from screening_node.store.session import Store


def run(folder: Path, *arguments: str, **environment: str) -> Result:
    command = ["store", *arguments, "--config", str(folder / "node.toml")]
    return CliRunner().invoke(cli.app, command, env=environment)


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A configured node on SQLite with a film."""
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "card.toml").touch()
    (tmp_path / "node.toml").write_text(CONFIG.format(port=11112, destinations=""))
    store = Store(f"sqlite:///{tmp_path}/node.sqlite")
    store.migrate()
    with store.begin() as tx:
        records.record_instance(tx, an_instance())
    store.close()
    return tmp_path


def test_from_one_host_to_a_server_and_between_versions_there(node: Path, postgresql: PostgresqlServer) -> None:
    url = postgresql.empty_database()
    moved = run(node, "move", "--actor", "mia", "--json", SCREENING_NODE_MOVE_TO=url)
    assert moved.exit_code == 0, moved.output
    assert {row["table"]: row["rows"] for row in json.loads(moved.stdout)}["exams"] == 1
    there = {"SCREENING_NODE__STORE__URL": url}
    assert json.loads(run(node, "check", "--json", **there).stdout)[0]["fault"] == "file is missing"

    down = run(node, "migrate", "--to", "0003", "--backup", str(node / "before"), "--json", **there)
    assert json.loads(down.stdout)["tables"] == "0003"
    dump = node / "before" / backup.DUMP
    assert dump.stat().st_mode & 0o077 == 0
    listed = subprocess.run(["pg_restore", "--list", str(dump)], check=True, capture_output=True, text=True).stdout
    assert "TABLE DATA public exams" in listed
    status = json.loads(run(node, "migrate", "--status", "--json", **there).stdout)
    assert (status["tables"], status["this_version"]) == ("0003", schema.head())
    assert run(node, "migrate", **there).exit_code == 0

    store = Store(url)
    with store.read() as tx:
        assert records.exam(tx, 1).key == "1.2.3"
    store.close()


def test_a_dump_that_fails_leaves_no_file_that_looks_like_one(postgresql: PostgresqlServer, tmp_path: Path) -> None:
    nowhere = Store("postgresql+psycopg://node:secret@127.0.0.1:1/node")
    with pytest.raises(StoreUnavailable, match="pg_dump failed") as caught:
        backup.dump(nowhere, tmp_path / "before")
    assert "secret" not in str(caught.value)
    assert not (tmp_path / "before" / backup.DUMP).exists()
