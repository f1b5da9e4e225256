"""What acknowledgements and HTTP answers mean."""

import json
from http import HTTPStatus
from typing import Any

import pytest
from message_peers import outcome

from screening_node.delivery import fhir_answers, mllp_answers
from screening_node.delivery.mllp_answers import Acknowledgement, of_acknowledgement
from screening_node.errors import DestinationRefused, DestinationUnavailable

SECRETS = frozenset({"doe", "jane"})


def ack(code: str, *segments: str, text: str = "", header: str = r"MSH|^~\&|RIS||||||ACK|1|P|2.5.1") -> bytes:
    return "\r".join([header, f"MSA|{code}|ID1|{text}", *segments]).encode()


def read(data: bytes) -> Acknowledgement:
    answer = mllp_answers.read(data)
    assert answer is not None
    return answer


@pytest.mark.parametrize("code", ["AA", "CA"])
def test_taken(code: str) -> None:
    answer = read(ack(code))
    assert answer.control_id == "ID1"
    assert of_acknowledgement(answer, "ris", SECRETS) == ""


@pytest.mark.parametrize("code", ["AE", "AR", "CE", "CR"])
def test_refused_with_the_receivers_reason(code: str) -> None:
    error = "ERR||PID^1^3^1^4|101^Required field missing^HL70357|E||||Patient Doe has no authority"
    with pytest.raises(DestinationRefused) as caught:
        of_acknowledgement(read(ack(code, error, text="Rejected")), "ris", SECRETS)
    message = caught.value.message
    assert message.startswith("ris refused the message with")
    assert f"({code})" in message
    assert "required field missing (101) at PID-1.3.1.4" in message
    assert '"Rejected"' in message
    assert '"Patient … has no authority"' in message
    assert caught.value.fix


@pytest.mark.parametrize("code", ["206", "207"])
def test_a_receiver_that_failed_may_not_fail_tomorrow(code: str) -> None:
    with pytest.raises(DestinationUnavailable, match=code):
        of_acknowledgement(read(ack("AE", f"ERR|||{code}^^HL70357|E")), "ris", SECRETS)


def test_without_a_reason() -> None:
    with pytest.raises(DestinationRefused, match="gave no reason"):
        of_acknowledgement(read(ack("AE")), "ris", SECRETS)


def test_the_errors_of_older_versions_are_read() -> None:
    answer = read(ack("AE", "ERR|PID^1^5^102&Data type error&HL70357", header=r"MSH|^~\&|RIS||||||ACK|1|P|2.3.1"))
    with pytest.raises(DestinationRefused, match=r"data type error \(102\) at PID-1.5"):
        of_acknowledgement(answer, "ris", SECRETS)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 400 Bad Request",
        rb"MSH|^~\&",
        rb"MSH|^~\&|RIS||||||ACK|1|P|2.5.1",
        b"MSH|^~\\&|RIS||||||ACK|1|P|2.5.1\rMSA|AA",
        b"\xff\xfe\x00",
        ack("AA", "MSA|AR|ID1"),
    ],
)
def test_no_acknowledgement(data: bytes) -> None:
    assert mllp_answers.read(data) is None


def test_other_delimiters_line_ends_and_versions_are_read() -> None:
    answer = read(b"MSH#*~\\&#RIS######ACK#1#P#2.9\r\nMSA#AA#ID1\r\n")
    assert (answer.code, answer.control_id) == ("AA", "ID1")


def test_a_code_that_hl7_does_not_know() -> None:
    with pytest.raises(DestinationUnavailable, match="does not know"):
        of_acknowledgement(read(ack("OK")), "ris", SECRETS)


def test_its_repr_holds_no_words() -> None:
    assert repr(read(ack("AE", text="Doe^Jane"))) == "Acknowledgement(AE)"


def answered(status: int, body: Any = b"") -> str:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return fhir_answers.of_response(status, data, "fhir", SECRETS)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_http_taken(status: int) -> None:
    assert answered(status) == ""


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_http_later(status: int) -> None:
    with pytest.raises(DestinationUnavailable, match=f"HTTP {status}"):
        answered(status)


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 405, 409, 412, 415, 422, 501])
def test_http_never(status: int) -> None:
    with pytest.raises(DestinationRefused, match=f"HTTP {status}") as caught:
        answered(status)
    assert caught.value.fix


def test_an_outcome_in_words() -> None:
    body = outcome("required", "Patient Jane Doe: no identifier", "Bundle.entry[2].resource.subject", "Doe")
    with pytest.raises(DestinationRefused) as caught:
        answered(422, body)
    said = 'required at Bundle.entry[2].resource.subject "Patient … no identifier"'
    assert caught.value.message == f"fhir refused the bundle with HTTP 422 ({HTTPStatus(422).phrase}): {said}."


def test_a_server_that_takes_only_some_of_it() -> None:
    entries = [{"response": {"status": status}} for status in ("201 Created", "422 Unprocessable")]
    with pytest.raises(DestinationRefused, match="entry 2 was answered with HTTP 422"):
        answered(200, {"resourceType": "Bundle", "type": "batch-response", "entry": entries})


@pytest.mark.parametrize("body", [b"<html>", b"[" * 5000, b"[1]", b'{"issue": 1}', b'{"issue": [1, {"code": 5}]}'])
def test_bodies_that_are_no_outcome(body: bytes) -> None:
    with pytest.raises(DestinationRefused, match="HTTP 400"):
        answered(400, body)
