"""Messages on their way: MLLP and FHIR receivers that take, refuse, are silent, late or gone."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import message_peers as receivers
import pytest
from certificates import Authority, Pair
from integration import peers
from unit.reporting import cases
from unit.reporting.messages import made

from screening_node.delivery.channel import Unreachable
from screening_node.delivery.destination import FhirDestination, MllpDestination, Timeouts
from screening_node.delivery.fhir import FhirChannel
from screening_node.delivery.mllp import MllpChannel
from screening_node.errors import (
    DestinationRefused,
    DestinationUnavailable,
    ScreeningNodeError,
    UnreadableObject,
)
from screening_node.reporting.message import MessageFormat
from screening_node.tls import ClientTls, Identity, Trust

#: For receivers that answer, however busy the machine is; and for those that do not.
PATIENT_ENOUGH = Timeouts(connect=5.0, association=5.0, message=30.0)
QUICK = Timeouts(connect=5.0, association=5.0, message=3.0)
PATIENT = ("Doe", "Jane", "P-1", "19500102", "1950-01-02")


@pytest.fixture
def oru(tmp_path: Path) -> Path:
    return kept(tmp_path, MessageFormat.ORU_R01)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return kept(tmp_path, MessageFormat.FHIR_R4)


def kept(folder: Path, form: MessageFormat) -> Path:
    report = made(folder, cases.result(), form)
    path = folder / f"message{report.suffix}"
    path.write_bytes(report.data)
    return path


def mllp(port: int, tls: ClientTls | None = None) -> MllpDestination:
    return MllpDestination(name="ris", host="127.0.0.1", port=port, tls=tls)


def fhir(port: int, tls: ClientTls | None = None, token: Path | None = None, version: str = "4.0") -> FhirDestination:
    return FhirDestination(
        name="fhir", host="127.0.0.1", port=port, path="/base", fhir_version=version, tls=tls, token=token
    )


def sent_by(channel: MllpChannel | FhirChannel, path: Path) -> ScreeningNodeError | None:
    """What stops it; nothing that is said holds anything of the patient."""
    try:
        parcel = channel.load(path)
        channel.send(parcel, [parcel])  # type: ignore[arg-type, list-item]
    except ScreeningNodeError as error:
        if [word for word in PATIENT if word in f"{error}{error.__cause__}"]:
            pytest.fail("the error says something of the patient")
        return error
    finally:
        channel.close()
    return None


# MLLP


def test_an_oru_is_taken_byte_by_byte(oru: Path) -> None:
    with receivers.mllp_receiver() as ris:
        assert sent_by(MllpChannel(mllp(ris.port), PATIENT_ENOUGH), oru) is None
    assert ris.received == [oru.read_bytes()]


def test_one_connection_serves_several_messages(oru: Path) -> None:
    with receivers.mllp_receiver() as ris:
        channel = MllpChannel(mllp(ris.port), PATIENT_ENOUGH)
        letter = channel.load(oru)
        for _ in range(3):
            assert channel.send(letter, [letter]) == ""
        assert channel.is_open
        channel.close()
    assert (ris.connections, len(ris.received)) == (1, 3)


def test_a_connection_that_was_closed_meanwhile_is_opened_again(oru: Path) -> None:
    with receivers.mllp_receiver() as ris:
        channel = MllpChannel(mllp(ris.port), PATIENT_ENOUGH)
        letter = channel.load(oru)
        channel.send(letter, [letter])
        channel.hang_up()
        assert channel.send(letter, [letter]) == ""
        channel.close()
    assert ris.connections == 2


@pytest.mark.parametrize("code", ["AE", "AR", "CE", "CR"])
def test_a_refusal_is_final(oru: Path, code: str) -> None:
    error = "ERR||PID^1^3|204^Unknown key identifier^HL70357|E||||Patient Doe^Jane P-1 is unknown"
    with receivers.mllp_receiver(receivers.acknowledgement(code, error=error)) as ris:
        found = sent_by(MllpChannel(mllp(ris.port), PATIENT_ENOUGH), oru)
    assert isinstance(found, DestinationRefused)
    assert "unknown key identifier (204) at PID-1.3" in found.message
    assert "is unknown" in found.message


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (receivers.garbage, "no acknowledgement"),
        (receivers.silence, "in time"),
        (receivers.hang_up, "hung up"),
        (receivers.late(4), "in time"),
        (receivers.acknowledgement(control="OTHER"), "no acknowledgement"),
        (receivers.acknowledgement("AE", error="ERR|||207^^HL70357|E"), "207"),
        (receivers.acknowledgement("??"), "does not know"),
        (lambda data: receivers.BEGIN + b"\x00" * 2_000_000, "no acknowledgement"),
    ],
    ids=["garbage", "silence", "hang-up", "late", "of another message", "internal error", "strange code", "endless"],
)
def test_whatever_may_pass_is_tried_again(oru: Path, answer: receivers.Answer, said: str) -> None:
    with receivers.mllp_receiver(answer) as ris:
        found = sent_by(MllpChannel(mllp(ris.port), QUICK), oru)
    assert isinstance(found, DestinationUnavailable)
    assert not isinstance(found, Unreachable)
    assert said in found.message


def test_after_a_late_answer_the_next_message_gets_its_own(oru: Path) -> None:
    """The first answer comes after the wait is over; it must not be taken for one to the second message."""
    with receivers.mllp_receiver(receivers.late(4)) as ris:
        channel = MllpChannel(mllp(ris.port), QUICK)
        letter = channel.load(oru)
        with pytest.raises(DestinationUnavailable):
            channel.send(letter, [letter])
        ris.answer = receivers.acknowledgement("AE")
        with pytest.raises(DestinationRefused):
            channel.send(letter, [letter])
        channel.close()


@pytest.mark.parametrize("protocol", ["hl7", "fhir"])
def test_nobody_is_there(protocol: str, oru: Path, bundle: Path) -> None:
    port = peers.free_port()
    if protocol == "hl7":
        found = sent_by(MllpChannel(mllp(port), QUICK), oru)
    else:
        found = sent_by(FhirChannel(fhir(port), QUICK), bundle)
    assert isinstance(found, Unreachable)


@pytest.mark.parametrize("content", [b"", b"PID|1", b"\xff\xfe", b'{"resourceType": "Patient"}', b"[]"])
def test_a_file_that_is_no_message(content: bytes, tmp_path: Path) -> None:
    (path := tmp_path / "file").write_bytes(content)
    for channel in (MllpChannel(mllp(1), QUICK), FhirChannel(fhir(1), QUICK)):
        assert isinstance(sent_by(channel, path), UnreadableObject)


def test_nothing_of_the_patient_is_in_a_repr(oru: Path, bundle: Path) -> None:
    said = repr(MllpChannel(mllp(1), QUICK).load(oru)) + repr(FhirChannel(fhir(1), QUICK).load(bundle))
    assert not [word for word in PATIENT if word in said]


# FHIR


@pytest.mark.parametrize(
    ("form", "version"), [(MessageFormat.FHIR_R4, "4.0.1"), (MessageFormat.FHIR_R5, "5.0.0")], ids=["R4", "R5"]
)
def test_a_bundle_is_taken_byte_by_byte(form: MessageFormat, version: str, tmp_path: Path) -> None:
    path = kept(tmp_path, form)
    with receivers.fhir_server(version=version) as server:
        assert sent_by(FhirChannel(fhir(server.port, version=version[:3]), PATIENT_ENOUGH), path) is None
    assert server.received == [path.read_bytes()]
    ((method, address, headers),) = server.requests
    assert (method, address) == ("POST", "/base")
    assert headers["Content-Type"] == f"application/fhir+json; fhirVersion={version[:3]}"


def test_a_token_is_shown_and_read_anew(bundle: Path, tmp_path: Path) -> None:
    (token := tmp_path / "token").write_text("first\n")
    with receivers.fhir_server() as server:
        channel = FhirChannel(fhir(server.port, token=token), PATIENT_ENOUGH)
        assert sent_by(channel, bundle) is None
        token.write_text("second\n")
        assert sent_by(channel, bundle) is None
        token.write_text("two words")
        assert isinstance(sent_by(channel, bundle), Unreachable)
        token.unlink()
        assert isinstance(sent_by(channel, bundle), Unreachable)
    assert [headers["Authorization"] for _, _, headers in server.requests] == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 422, 302])
def test_a_client_error_is_final(bundle: Path, status: int) -> None:
    body = receivers.outcome("invalid", "Patient Doe, Jane (P-1) is not valid", "Bundle.entry[1]")
    with receivers.fhir_server(status=status, body=body) as server:
        found = sent_by(FhirChannel(fhir(server.port), PATIENT_ENOUGH), bundle)
    assert isinstance(found, DestinationRefused)
    assert f"HTTP {status}" in found.message


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_error_is_tried_again(bundle: Path, status: int) -> None:
    with receivers.fhir_server(status=status, body=b"<html>") as server:
        found = sent_by(FhirChannel(fhir(server.port), PATIENT_ENOUGH), bundle)
    assert isinstance(found, DestinationUnavailable)


def test_a_server_that_takes_too_long_is_tried_again(bundle: Path) -> None:
    with receivers.fhir_server(delay=4) as server:
        found = sent_by(FhirChannel(fhir(server.port), QUICK), bundle)
    assert isinstance(found, DestinationUnavailable)
    assert "in time" in found.message


def test_a_listener_that_is_no_web_server(bundle: Path) -> None:
    with peers_that_hang_up() as port:
        found = sent_by(FhirChannel(fhir(port), PATIENT_ENOUGH), bundle)
    assert isinstance(found, DestinationUnavailable)


@contextlib.contextmanager
def peers_that_hang_up() -> Iterator[int]:
    """A port whose listener says something of its own and closes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"\x0bMSH|nonsense\x1c\r")

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


@pytest.mark.parametrize(("version", "said"), [("5.0.0", "speaks FHIR 5.0.0"), ("4.0.1", None)])
def test_a_server_is_asked_what_it_is(version: str, said: str | None) -> None:
    with receivers.fhir_server(version=version) as server:
        channel = FhirChannel(fhir(server.port), PATIENT_ENOUGH)
        if said is None:
            assert channel.check() == "FHIR 4.0.1"
        else:
            with pytest.raises(DestinationRefused, match=said):
                channel.check()
    assert server.requests[0][:2] == ("GET", "/base/metadata")


# TLS


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


def shown(authority: Authority, pair: Pair | None, **settings: object) -> ClientTls:
    identity = None if pair is None else Identity(certificate=pair.certificate, key=pair.key)
    return ClientTls(trust=Trust(authorities=authority.certificate), identity=identity, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("protocol", ["hl7", "fhir"])
def test_tls_with_certificates_on_both_sides(protocol: str, authority: Authority, oru: Path, bundle: Path) -> None:
    pair, own = authority.issue("receiver"), authority.issue("node")
    context = receivers.tls_context(pair.certificate, pair.key, authority.certificate)
    tls = shown(authority, own)
    if protocol == "hl7":
        with receivers.mllp_receiver(context=context) as ris:
            assert sent_by(MllpChannel(mllp(ris.port, tls), PATIENT_ENOUGH), oru) is None
            assert sent_by(MllpChannel(mllp(ris.port, shown(authority, None)), PATIENT_ENOUGH), oru) is not None
        assert len(ris.received) == 1
    else:
        with receivers.fhir_server(context) as server:
            assert sent_by(FhirChannel(fhir(server.port, tls), PATIENT_ENOUGH), bundle) is None
            assert sent_by(FhirChannel(fhir(server.port, shown(authority, None)), PATIENT_ENOUGH), bundle) is not None
        assert len(server.received) == 1


@pytest.mark.parametrize("protocol", ["hl7", "fhir"])
def test_a_receiver_that_the_node_does_not_believe(
    protocol: str, authority: Authority, oru: Path, bundle: Path, tmp_path: Path
) -> None:
    pair = authority.issue("receiver")
    context = receivers.tls_context(pair.certificate, pair.key)
    tls = shown(Authority(tmp_path / "other", name="Other", key=1), None)
    if protocol == "hl7":
        with receivers.mllp_receiver(context=context) as ris:
            found = sent_by(MllpChannel(mllp(ris.port, tls), PATIENT_ENOUGH), oru)
        assert ris.received == []
    else:
        with receivers.fhir_server(context) as server:
            found = sent_by(FhirChannel(fhir(server.port, tls), PATIENT_ENOUGH), bundle)
        assert server.received == []
    assert isinstance(found, Unreachable), "certificates get renewed"
    assert "certificate not accepted" in found.message


def test_tls_to_a_receiver_without(authority: Authority, oru: Path) -> None:
    with receivers.mllp_receiver() as ris:
        found = sent_by(MllpChannel(mllp(ris.port, shown(authority, None)), PATIENT_ENOUGH), oru)
        assert isinstance(found, DestinationUnavailable)
        assert ris.received == []
