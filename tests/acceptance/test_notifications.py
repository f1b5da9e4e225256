"""A film raises an alarm, and people hear of it once, though receiver and node were away meanwhile."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path

import notification_peers as receivers
import pytest
from acceptance.node import Node, another_film
from integration import peers
from notification_peers import SECRET

NAME, NUMBER = "FICTION^Fanny", "FICTION-4711"
OWED = "select count(*) from outbox where kind = 'notification' and sop_instance_uid like 'alarm/%'"


@pytest.mark.timeout(600)
def test_an_alarm_reaches_people_once(films: Mapping[str, Path], tmp_path: Path) -> None:
    film = another_film(films["thin"], tmp_path, PatientName=NAME, PatientID=NUMBER)
    port = peers.free_port()
    channels = [{"name": "duty", "apprise_url": f"json://user:{SECRET}@127.0.0.1:{port}/{SECRET}"}]
    (folder := tmp_path / "node").mkdir()
    node = Node(folder, overrides={"SCREENING_NODE__NOTIFICATIONS__CHANNELS": json.dumps(channels)})
    node.start()
    try:
        peers.wait_until(lambda: node.one("select count(*) from notices") == 1)  # it watches
        assert peers.storescu(node.port, film).returncode == 0
        peers.wait_until(lambda: node.one(f"{OWED} and error is not null"), 120)
        node.kill()
        node.start()
        with receivers.webhook(port=port) as hook:
            (row,) = node.listing("deliveries", "list", "--destination", "duty")
            assert (row["kind"], row["exam"], row["sop_instance_uid"]) == ("notification", None, "alarm/1")
            peers.wait_until(lambda: node.one(f"{OWED} and state = 'delivered'") == 1)
            peers.storescu(node.port, film)  # the same film again changes nothing
            assert node.cli("exams", "retry", "1").returncode == 0
            peers.wait_until(lambda: node.one("select count(*) from jobs where state = 'done'") == 2, 120)
            assert node.terminate() == 0
        log = node.log.read_text()
    finally:
        if not node.ended():
            node.kill()
    (got,) = hook.received
    assert got["title"] == "NODE: 1 new alarm"
    assert "- alert 1" in got["message"]
    assert "not for clinical use" in got["message"]
    today = dt.date.today().isoformat()
    for word in (NAME, "Fanny", NUMBER, today):
        assert word not in str(got)
    for word in (SECRET, "Fanny", NUMBER):
        assert word not in log
