"""A film goes in over DICOM; an ORU comes out over MLLP and a bundle over HTTP, from the same outbox."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import message_peers as receivers
from acceptance.node import Node, another_film
from integration import peers

CHINESE = {
    "IssuerOfPatientID": "HOSPITAL",
    "SpecificCharacterSet": "GB18030",
    "PatientName": "王^小明",
    "PatientID": "FICTION-42",
}


def blocks(ris: receivers.MllpReceiver, server: receivers.FhirServer) -> str:
    destinations: list[dict[str, Any]] = [
        {"name": "ris", "protocol": "hl7", "host": "127.0.0.1", "port": ris.port, "assigning_authority": "HOSPITAL"},
        {"name": "fhir", "protocol": "fhir", "url": f"http://127.0.0.1:{server.port}/fhir", "version": "R5"},
    ]
    return json.dumps(destinations)


def test_a_film_becomes_messages(films: Mapping[str, Path], tmp_path: Path) -> None:
    sent = [
        another_film(films["thin"], tmp_path, **CHINESE),
        another_film(films["lateral"], tmp_path, IssuerOfPatientID="HOSPITAL"),
    ]
    (folder := tmp_path / "node").mkdir()
    with receivers.mllp_receiver() as ris, receivers.fhir_server(version="5.0.0") as server:
        node = Node(folder, overrides={"SCREENING_NODE__DESTINATIONS": blocks(ris, server)})
        node.start()
        try:
            assert peers.storescu(node.port, *sent).returncode == 0
            node.settle(2)
            assert node.rows("select destination, kind, error from outbox where state != 'delivered'") == []
            kept = {path: (folder / "archive" / path).read_bytes() for (path,) in node.rows("select path from outbox")}
            log = node.log.read_text()
        finally:
            node.kill()
    assert sorted(ris.received + server.received) == sorted(kept.values())
    assert {Path(path).suffix for path in kept} == {".hl7", ".json"}
    (judged,) = [text for text in map(bytes.decode, ris.received) if "FICTION-42" in text]
    assert "王^小明" in judged
    assert "C0005938^Bone density L1^UML" in judged
    (refused,) = [text for text in map(bytes.decode, ris.received) if "FICTION-42" not in text]
    assert "R-VIEW^Not evaluated: not a frontal view^99SCRNODE" in refused
    assert "C0005938" not in refused
    assert "FICTION" not in log
    assert "王" not in log
