"""kill -9 at any point: what was acknowledged is judged and reported exactly once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pydicom
from acceptance.node import Node, another_film, running_node
from integration import peers

ROUNDS = 20


def _kill_worker_in_mid_film(node: Node, job: int) -> None:
    """Kill whoever holds the job as soon as somebody does; it may also be over already."""
    peers.wait_until(lambda: node.one("select state from jobs where id = ?", job) != "queued", 60)
    node.kill_worker(job)


def test_kill_nine_twenty_times(films: Mapping[str, Path], tmp_path: Path) -> None:
    uids = []
    killed_holding = 0
    with (
        peers.storescp(tmp_path / "pacs") as pacs,
        running_node(tmp_path / "node", ("pacs", pacs.ae_title, pacs.port)) as node,
    ):
        for turn in range(ROUNDS):
            film = another_film(films["thin" if turn % 3 else "dense"], tmp_path)
            uids.append(pydicom.dcmread(film, stop_before_pixels=True).SOPInstanceUID)
            assert peers.storescu(node.port, film).returncode == 0, "acknowledged"
            job = node.one("select max(id) from jobs")
            if turn % 2:
                peers.wait_until(lambda job=job: node.one("select state from jobs where id = ?", job) != "queued", 60)
                killed_holding += node.kill_worker(job)
            else:
                node.kill()
                killed_holding += node.one("select state from jobs where id = ?", job) != "done"
                node.start()
        node.settle(ROUNDS, 240)

        assert killed_holding >= ROUNDS // 2, "too many films were over before the blow fell"
        assert sorted(uid for (uid,) in node.rows("select sop_instance_uid from instances")) == sorted(uids)
        assert node.rows("select count(*), count(distinct exam_id) from results where current") == [(ROUNDS, ROUNDS)]
        assert node.one("select count(*) from results") == ROUNDS
        assert node.rows("select state, count(*) from jobs group by state") == [("done", ROUNDS)]
        assert node.rows("select state, count(*) from outbox group by state") == [("delivered", ROUNDS)]
        reported = [_source_of(path) for path in pacs.files()]
        assert sorted(reported) == sorted(uids), "one report for each film, and no second one"
        thin = sum(1 for turn in range(ROUNDS) if turn % 3)
        assert node.one("select count(*) from alarms") == thin


def _source_of(report: Path) -> str:
    dataset = pydicom.dcmread(report)
    return str(
        dataset.CurrentRequestedProcedureEvidenceSequence[0]
        .ReferencedSeriesSequence[0]
        .ReferencedSOPSequence[0]
        .ReferencedSOPInstanceUID
    )
