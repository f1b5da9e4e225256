"""A film goes in from a real modality, a Structured Report comes out in a real PACS."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import pydicom
from acceptance.node import another_film, dciodvfy, dsrdump, running_node
from integration import peers


def test_storescu_in_orthanc_out(films: Mapping[str, Path], orthanc: peers.Orthanc, tmp_path: Path) -> None:
    sent = {name: another_film(films[name], tmp_path) for name in ("dense", "thin", "lateral")}
    with running_node(tmp_path / "node", ("orthanc", orthanc.ae_title, orthanc.port)) as node:
        assert peers.echoscu(node.port, "-aec", "NODE").returncode == 0
        done = peers.storescu(node.port, *sent.values())
        assert done.returncode == 0, done.stdout + done.stderr
        node.settle(3)
        exams = {exam["key"]: exam for exam in node.listing("exams", "list")}
        alerts = node.listing("alerts", "list")
        deliveries = node.listing("deliveries", "list")
        assert node.terminate() == 0

    headers = {name: pydicom.dcmread(path, stop_before_pixels=True) for name, path in sent.items()}
    assert {header.SOPInstanceUID for header in headers.values()} == set(exams)
    assert [delivery["state"] for delivery in deliveries] == ["delivered"] * 3
    assert len(alerts) == 1, "only the thin film raises an alarm"

    reports = {}
    for uid in orthanc.sop_instance_uids():
        report = pydicom.dcmread(io.BytesIO(orthanc.file_of(uid)))
        reports[report.StudyInstanceUID] = report
    for name, header in headers.items():
        report = reports[header.StudyInstanceUID]
        assert report.Modality == "SR"
        assert report.PatientID == header.PatientID
        written = orthanc.file_of(report.SOPInstanceUID)
        assert dciodvfy(written, tmp_path) == []
        text = dsrdump(written, tmp_path)
        assert "not for clinical use" in text.lower()
        assert ("g/cm2" in text) == (name != "lateral")


def test_sent_twice_is_stored_once_and_judged_once(films: Mapping[str, Path], tmp_path: Path) -> None:
    film = another_film(films["dense"], tmp_path)
    with (
        peers.storescp(tmp_path / "pacs") as pacs,
        running_node(tmp_path / "node", ("pacs", pacs.ae_title, pacs.port)) as node,
    ):
        for _ in range(2):
            assert peers.storescu(node.port, film).returncode == 0
            node.settle(1)
        assert node.one("select count(*) from instances") == 1
        assert node.one("select count(*) from results") == 1
        assert len(pacs.files()) == 1


def test_films_of_one_patient_share_an_alarm(films: Mapping[str, Path], tmp_path: Path) -> None:
    same = {"PatientID": "FICTION-SAME", "IssuerOfPatientID": "NOWHERE"}
    sent = [another_film(films["thin"], tmp_path, **same) for _ in range(3)]
    with running_node(tmp_path / "node") as node:
        assert peers.dcmsend(node.port, *sent).returncode == 0
        node.settle(3)
        alerts = node.listing("alerts", "list")
        assert len(alerts) == 1
        number = str(alerts[0]["number"])
        assert node.cli("alerts", "acknowledge", number, "--comment", "DXA booked").returncode == 0
        (shown,) = node.listing("alerts", "list")
        assert shown["state"] == "acknowledged"
        actions = [row["action"] for row in node.listing("audit", "list")]
        assert any("acknowledge" in action for action in actions)


def test_a_second_node_on_the_same_store_says_so(tmp_path: Path) -> None:
    with running_node(tmp_path / "node") as node:
        second = node.cli("serve")
        assert second.returncode != 0
        assert "already" in (second.stderr + second.stdout).lower()
        assert not node.ended()


def test_no_identifiers_in_logs(films: Mapping[str, Path], tmp_path: Path) -> None:
    film = another_film(films["thin"], tmp_path, PatientID="SECRET-4711", PatientName="Geheim^Gisela")
    lateral = another_film(films["lateral"], tmp_path, PatientID="SECRET-4712", PatientName="Geheim^Gerda")
    with running_node(tmp_path / "node", ("away", "AWAY", peers.free_port())) as node:
        peers.storescu(node.port, film, lateral)
        peers.wait_until(lambda: node.one("select count(*) from results") == 2, 60)
        peers.wait_until(lambda: node.one("select count(*) from outbox where error is not null") >= 1, 60)
        node.terminate()
        log = node.log.read_text()
    assert "SECRET" not in log
    assert "Geheim" not in log


def test_pacs_away_then_back(films: Mapping[str, Path], tmp_path: Path) -> None:
    port = peers.free_port()
    film = another_film(films["dense"], tmp_path)
    with (
        peers.storescp(tmp_path / "alive") as alive,
        running_node(tmp_path / "node", ("away", "LATER", port), ("alive", alive.ae_title, alive.port)) as node,
    ):
        peers.storescu(node.port, film)
        peers.wait_until(lambda: len(alive.files()) == 1, 60)
        peers.wait_until(lambda: node.one("select count(*) from outbox where error is not null") == 1, 60)
        with peers.storescp(tmp_path / "late", port=port) as late:
            assert node.cli("deliveries", "retry", "--all").returncode == 0
            node.settle(1)
            assert len(late.files()) == 1
