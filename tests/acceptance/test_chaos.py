"""The short form of benchmarks/chaos: few films, kills and faults on either database; nothing lost, nothing doubled."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from integration import peers
from postgresql_server import PostgresqlServer

CHAOS = Path(__file__).parents[2] / "benchmarks" / "chaos"
FILMS, KILLS = 30, 5


@pytest.mark.timeout(600)
@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_nothing_is_lost_and_nothing_doubled(store: str) -> None:
    if store == "postgresql" and (missing := PostgresqlServer.why_not()):
        peers.missing(missing)
    how = f"--films {FILMS} --kills {KILLS} --senders 3 --store {store} --json"
    command = [sys.executable, str(CHAOS), *how.split()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=560, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    counted = json.loads(done.stdout)
    assert counted["acknowledged"] == FILMS
    assert counted["kills"] == KILLS
    assert counted["lost"] == counted["altered"] == counted["doubled"] == 0
    assert counted["without_report"] == counted["with_several_reports"] == 0
