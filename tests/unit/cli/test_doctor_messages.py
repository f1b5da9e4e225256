"""``screening-node doctor`` on receivers of messages."""

from __future__ import annotations

import json
from pathlib import Path

import message_peers as receivers
from cli.site_config import CONFIG
from cli.test_doctor import examined
from integration import peers


def configure(site: Path, *destinations: dict[str, object]) -> None:
    blocks = [
        "[[destinations]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in one.items())
        for one in destinations
    ]
    site.write_text(CONFIG.format(port=peers.free_port(), destinations="\n".join(blocks)))


def hl7(port: int) -> dict[str, object]:
    return {"name": "ris", "protocol": "hl7", "host": "127.0.0.1", "port": port}


def fhir(port: int) -> dict[str, object]:
    return {"name": "server", "protocol": "fhir", "url": f"http://127.0.0.1:{port}/fhir"}


def test_receivers_that_are_there(site: Path) -> None:
    with receivers.mllp_receiver() as ris, receivers.fhir_server() as server:
        configure(site, hl7(ris.port), fhir(server.port))
        _, found = examined(site)
    assert found["destination ris"]["state"] == "ok"
    assert "accepts connections" in found["destination ris"]["message"]
    assert "answers as FHIR 4.0.1" in found["destination server"]["message"]
    assert ris.received == server.received == [], "nothing that might be filed is sent"


def test_receivers_that_are_away_or_something_else(site: Path) -> None:
    with receivers.fhir_server(version="5.0.0") as server:
        configure(site, hl7(peers.free_port()), fhir(server.port))
        code, found = examined(site)
    assert code == 1
    assert "cannot be reached" in found["destination ris"]["message"]
    assert "speaks FHIR 5.0.0, not 4.0" in found["destination server"]["message"]
    assert found["destination ris"]["fix"]
    assert "R4 or R5" in found["destination server"]["fix"]
