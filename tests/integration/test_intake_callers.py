"""The list of allowed callers, met by DCMTK's programs under several AE titles."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest
from factory import make_dx, save
from integration import peers
from integration.nodes import IntakeRunner, RunningIntake

from screening_node.intake.callers import AllowedCaller
from screening_node.store import tables

HERE, ELSEWHERE = ip_network("127.0.0.0/8"), ip_network("192.0.2.0/24")
LIST = (
    AllowedCaller(ae_title="ROOM1", networks=(HERE,)),
    AllowedCaller(ae_title="ROOM2", networks=(ELSEWHERE,)),
)


def refusals(intake: RunningIntake) -> list[tuple[str, str, int]]:
    rows = [row for row in intake.rows(tables.audit) if row.action == "association.refused"]
    return [(row.actor, row.detail["reason"], row.detail["times"]) for row in rows]


def test_a_listed_caller_is_let_in(run_an_intake: IntakeRunner, tmp_path: Path) -> None:
    with run_an_intake(allow=LIST) as intake:
        film = make_dx()
        assert peers.storescu(intake.port, save(film, tmp_path / "film.dcm"), calling="ROOM1").returncode == 0
        assert list(intake.kept()) == [film.SOPInstanceUID]
        assert refusals(intake) == []


@pytest.mark.parametrize(
    ("calling", "reason"),
    [
        ("ROOM2", "address not allowed for this AE title"),
        ("STRANGER", "calling AE title not allowed"),
        ("room1", "calling AE title not allowed"),
    ],
)
def test_others_are_rejected_logged_and_shown(
    run_an_intake: IntakeRunner, tmp_path: Path, caplog: pytest.LogCaptureFixture, calling: str, reason: str
) -> None:
    with run_an_intake(allow=LIST) as intake:
        answer = peers.storescu(intake.port, save(make_dx(), tmp_path / "film.dcm"), calling=calling)
        assert answer.returncode != 0
        assert "Result: Rejected Permanent, Source: Service User" in answer.stdout + answer.stderr
        assert "Reason: Calling AE Title Not Recognized" in answer.stdout + answer.stderr
        assert intake.kept() == {}
        assert intake.spooled() == []
        peers.wait_until(lambda: refusals(intake))  # the answer goes out first
        assert refusals(intake) == [(calling, reason, 1)]
    assert f"Refused an association of {calling} at 127.0.0.1: {reason}" in caplog.text


def test_a_caller_that_tries_for_ever_is_written_down_once(run_an_intake: IntakeRunner) -> None:
    with run_an_intake(allow=LIST) as intake:
        for _ in range(5):
            assert peers.echoscu(intake.port, "-aet", "SCANNER").returncode != 0
        assert peers.echoscu(intake.port, "-aet", "ROOM1").returncode == 0
        peers.wait_until(lambda: refusals(intake))
        assert refusals(intake) == [("SCANNER", "calling AE title not allowed", 1)]


def test_an_empty_list_lets_everybody_in(intake: RunningIntake) -> None:
    assert peers.echoscu(intake.port, "-aet", "ANYBODY").returncode == 0
