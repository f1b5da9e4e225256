"""Destinations that get messages: what can be said of them, and what is refused, key by key."""

from __future__ import annotations

from pathlib import Path

import pytest
from unit.cli.site_config import CONFIG

from screening_node import assembly
from screening_node.delivery.destination import FhirDestination, MllpDestination
from screening_node.errors import Misconfigured
from screening_node.reporting.language import Language
from screening_node.reporting.message import Addressing, MessageFormat, MessageSet
from screening_node.settings import Settings, load_settings
from screening_node.settings.messages import FhirSection, Hl7Section

HL7 = """
[[destinations]]
name = "ris"
protocol = "hl7"
host = "192.0.2.20"
port = 2575
"""
FHIR = """
[[destinations]]
name = "fhir"
protocol = "fhir"
url = "https://fhir.example.org/r4/"
tls = { authorities = "ca.pem" }
"""


def load(folder: Path, *destinations: str) -> Settings:
    (folder / "bundle").mkdir(exist_ok=True)
    (folder / "bundle" / "card.toml").write_text("")
    (folder / "node.toml").write_text(CONFIG.format(port=11112, destinations="\n".join(destinations)))
    return load_settings(folder / "node.toml")


def refused(folder: Path, *destinations: str) -> str:
    with pytest.raises(Misconfigured) as caught:
        load(folder, *destinations)
    return str(caught.value)


def test_little_is_needed(tmp_path: Path) -> None:
    settings = load(tmp_path, HL7, FHIR)
    ris, fhir = settings.destinations
    assert isinstance(ris, Hl7Section)
    assert isinstance(fhir, FhirSection)
    assert assembly.destinations(settings)[0] == MllpDestination(name="ris", host="192.0.2.20", port=2575)
    server = assembly.destinations(settings)[1]
    assert isinstance(server, FhirDestination)
    assert (server.host, server.port, server.path, server.fhir_version) == ("fhir.example.org", 443, "/r4", "4.0")
    assert server.tls is not None
    assert server.tls.trust.authorities == tmp_path / "ca.pem"
    assert str(server) == "fhir (FHIR at https://fhir.example.org:443/r4)"


def test_everything_reaches_the_message(tmp_path: Path) -> None:
    more = """language = "de"
sending_application = "NODE"
sending_facility = "X-RAY"
receiving_application = "RIS"
receiving_facility = "HOSPITAL"
processing = "T"
assigning_authority = "HOSPITAL"
"""
    fhir_more = """version = "R5"
language = "ja"
token_file = "fhir.token"
assigning_authority = "HOSPITAL"
patient_system = "urn:oid:1.2.3"
"""
    settings = load(tmp_path, HL7 + more, FHIR + fhir_more)
    assert assembly.object_sets(settings) == {
        "ris": MessageSet(
            format=MessageFormat.ORU_R01,
            addressing=Addressing(
                sending_application="NODE",
                sending_facility="X-RAY",
                receiving_application="RIS",
                receiving_facility="HOSPITAL",
                processing="T",
                assigning_authority="HOSPITAL",
            ),
            language=Language.GERMAN,
        ),
        "fhir": MessageSet(
            format=MessageFormat.FHIR_R5,
            addressing=Addressing(assigning_authority="HOSPITAL", patient_system="urn:oid:1.2.3"),
            language=Language.JAPANESE,
        ),
    }
    server = assembly.destinations(settings)[1]
    assert isinstance(server, FhirDestination)
    assert (server.token, server.fhir_version) == (tmp_path / "fhir.token", "5.0")


def test_the_environment_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENING_NODE__DESTINATIONS__0__PORT", "2576")
    assert assembly.destinations(load(tmp_path, HL7))[0] == MllpDestination(name="ris", host="192.0.2.20", port=2576)


@pytest.mark.parametrize(
    ("change", "key", "reason"),
    [
        ('protocol = "smoke"', "destinations.0", "no such protocol"),
        ('ae_title = "RIS"', "destinations.0.ae_title", "Known keys: assigning_authority, host,"),
        ("port = 0", "destinations.0.port", "greater than or equal to 1"),
        ('processing = "X"', "destinations.0.processing", "'P', 'T' or 'D'"),
        ('sending_application = ""', "destinations.0.sending_application", "at least 1"),
        ('receiving_facility = "a\\nb"', "destinations.0.receiving_facility", "no name for a message"),
        ('language = "tlh"', "destinations.0.language", "'en'"),
    ],
)
def test_hl7_is_checked_key_by_key(change: str, key: str, reason: str, tmp_path: Path) -> None:
    kept = [line for line in HL7.splitlines() if not line.startswith(change.split(" ")[0])]
    said = refused(tmp_path, "\n".join([*kept, change]))
    assert f": {key}: " in said
    assert reason in said
    assert "Fix:" in said


@pytest.mark.parametrize(
    ("change", "key", "reason"),
    [
        ('url = "fhir.example.org"', "destinations.0.url", "no address of a server"),
        ('url = "http://fhir.example.org/r4"', "destinations.0.url", "unencrypted"),
        ('url = "https://user:secret@fhir.example.org/r4"', "destinations.0.url", "token_file"),
        ('url = "https://fhir.example.org/r4?x=1"', "destinations.0.url", "no user, question mark"),
        ('url = "https://fhir.example.org:99999/r4"', "destinations.0.url", "no address of a server"),
        ('url = "http://127.0.0.1:8080/fhir"', "destinations.0", "not https"),
        ("tls = {}", "destinations.0.tls", "cannot be verified"),
        ('version = "DSTU2"', "destinations.0.version", "'R4' or 'R5'"),
        ('patient_system = "HOSPITAL"', "destinations.0.patient_system", "no identifier system"),
        ("port = 443", "destinations.0.port", "Known keys: assigning_authority, language,"),
    ],
)
def test_fhir_is_checked_key_by_key(change: str, key: str, reason: str, tmp_path: Path) -> None:
    kept = [line for line in FHIR.splitlines() if not line.startswith(change.split(" ")[0])]
    said = refused(tmp_path, "\n".join([*kept, change]))
    assert f": {key}: " in said
    assert reason in said
    assert "Fix:" in said
    assert "secret" not in said


def test_https_needs_to_be_verified(tmp_path: Path) -> None:
    assert "cannot be verified" in refused(tmp_path, FHIR.replace("tls =", "# tls ="))


def test_http_is_for_this_machine(tmp_path: Path) -> None:
    settings = load(
        tmp_path, FHIR.replace("https://fhir.example.org/r4/", "http://localhost:8080").replace("tls", "# ")
    )
    (server,) = assembly.destinations(settings)
    assert isinstance(server, FhirDestination)
    assert (server.port, server.path, server.tls) == (8080, "", None)


def test_a_message_does_not_go_to_the_node_itself(tmp_path: Path) -> None:
    own = HL7.replace("192.0.2.20", "127.0.0.1").replace("2575", "11112")
    assert "is this node itself" in refused(tmp_path, own)


def test_names_are_distinct_across_protocols(tmp_path: Path) -> None:
    assert "more than one is named ris" in refused(tmp_path, HL7, FHIR.replace('"fhir"\np', '"ris"\np'))


def test_errors_are_named_by_what_set_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENING_NODE__DESTINATIONS__0__PROCESSING", "X")
    said = refused(tmp_path, HL7)
    assert "Environment variable SCREENING_NODE__DESTINATIONS__0__PROCESSING: destinations.0.processing" in said
