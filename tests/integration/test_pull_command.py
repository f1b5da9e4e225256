"""``screening-node pull``: by hand, against a real archive; said in words, and in JSON for scripts."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from integration import archives, peers
from integration.archives import MARCH_11, MARCH_12, Filled, films_of
from typer.testing import CliRunner, Result
from unit.cli.site_config import CONFIG

from screening_node import cli
from screening_node.errors import AlreadyRunning, Misconfigured, NotFound, SourceUnavailable
from screening_node.store import pulls, tables
from screening_node.store.session import Store


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[Filled]:
    with archives.dcmqrscp(tmp_path / "pacs", peers.free_port()) as running:
        yield running


@pytest.fixture
def config(tmp_path: Path, pacs: Filled) -> Path:
    return configured(tmp_path, pacs.where.port)


def configured(folder: Path, port: int) -> Path:
    block = (
        f'[[pull]]\nname = "pacs"\nae_title = "QRSCP"\nhost = "127.0.0.1"\nport = {port}\n'
        'retrieve = "get"\nfilms_a_minute = 0\ntimeout_seconds = 10\n'
    )
    (folder / "bundle").mkdir(exist_ok=True)
    (folder / "bundle" / "card.toml").write_text("")
    file = folder / "node.toml"
    file.write_text(CONFIG.format(port=peers.free_port(), destinations=block))
    return file


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ["pull", "--config", str(config), "--source", "pacs", *arguments])


def test_a_range_of_days(config: Path, pacs: Filled) -> None:
    pacs.fill([*films_of(MARCH_11, 2), *films_of(MARCH_12, 1)])
    done = run(config, "--from", "2024-03-11", "--to", "2024-03-12", "--json")
    assert done.exit_code == 0, done.output
    told = [(row["day"], row["state"], row["taken"]) for row in json.loads(done.stdout)]
    assert told == [("2024-03-12", "done", 1), ("2024-03-11", "done", 2)]
    again = run(config, "--from", "2024-03-11")
    assert again.exit_code == 0
    assert "2024-03-11" in again.stdout
    assert "2024-03-12" not in again.stdout
    assert len(json.loads(run(config, "--status", "--json").stdout)) == 2


def test_what_is_asked_wrongly(config: Path) -> None:
    assert run(config).exit_code == 2
    assert run(config, "--from", "2024-03-12", "--to", "2024-03-11").exit_code == 2
    done = CliRunner().invoke(cli.app, ["pull", "--config", str(config), "--source", "absent", "--status"])
    assert isinstance(done.exception, NotFound)
    assert "Known: pacs" in done.exception.fix


def test_an_archive_that_is_away(tmp_path: Path) -> None:
    done = run(configured(tmp_path, peers.free_port()), "--from", "2024-03-11")
    assert isinstance(done.exception, SourceUnavailable)
    (row,) = json.loads(run(tmp_path / "node.toml", "--status", "--json").stdout)
    assert (row["state"], "cannot be reached" in row["error"]) == ("open", True)


def test_a_command_that_was_killed(config: Path, pacs: Filled, tmp_path: Path) -> None:
    pacs.fill(films_of(MARCH_11, 3))
    assert run(config, "--status").exit_code == 0, "makes the store"
    command = [sys.executable, "-m", "screening_node", "pull", "--config", str(config), "--source", "pacs"]
    command += ["--from", "2024-03-11", "--films-a-minute", "1"]
    store = Store(f"sqlite:///{tmp_path / 'node.sqlite'}")
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as killed:
        peers.wait_until(lambda: count(store, tables.instances) == 1, 60)
        killed.kill()
    assert run(config, "--from", "2024-03-11").exit_code == 0
    (day,) = pulls.days(store, "pacs")
    assert (day.state, day.counts) == (pulls.DayState.DONE, pulls.Counts(found=3, taken=2, there=1))
    assert count(store, tables.instances) == count(store, tables.jobs) == 3
    store.close()


def count(store: Store, table: sa.Table) -> int:
    with store.read() as tx:
        return int(tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def test_while_another_process_fetches(config: Path, tmp_path: Path) -> None:
    assert run(config, "--status").exit_code == 0, "makes the store"
    store = Store(f"sqlite:///{tmp_path / 'node.sqlite'}")
    assert pulls.take_lease(store, "pacs", "another", seconds=60, now=dt.datetime.now(dt.UTC))
    store.close()
    done = run(config, "--from", "2024-03-11")
    assert isinstance(done.exception, AlreadyRunning)
    assert isinstance(done.exception, Misconfigured), "exit code 2"
