"""Receivers of messages for tests: HL7 over MLLP and FHIR over HTTP, on loopback, strict about what they take.

Each answers as a test scripts it; in the end all that it got is validated, which takes longer than a sender waits.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import hl7
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.core import Message
from hl7apy.factories import datatype_factory
from hl7apy.parser import parse_message

from screening_node.tls import Identity, ServerTls, Trust, serving

BEGIN, END = b"\x0b", b"\x1c\r"

#: From the message to the bytes that are sent back; None hangs up, "" sends nothing.
Answer = Callable[[bytes], "bytes | str | None"]


def strict(data: bytes) -> Message:
    """The message as hl7apy reads it with every check that it has; python-hl7 must be able to read it, too.

    hl7apy 1.3.5 takes every OBX-5 for an ST, which may have 199 characters, whatever OBX-2 says: longer texts are
    checked as what they are (65536 characters), and left out of the whole.
    """
    text = data.decode("utf-8")
    assert text.endswith("\r")
    assert "\n" not in text
    lines = [_without_long_text(line) for line in text.split("\r")]
    message = parse_message("\r".join(lines), validation_level=VALIDATION_LEVEL.STRICT)
    message.validate()
    assert len(hl7.parse(text)) == text.count("\r")
    return message


def _without_long_text(line: str) -> str:
    fields = line.split("|")
    if fields[0] == "OBX" and fields[2] in ("FT", "TX") and len(fields[5]) > 199:
        datatype_factory(fields[2], fields[5], version="2.5.1", validation_level=VALIDATION_LEVEL.STRICT)
        fields[5] = "long"
    return "|".join(fields)


def control_id(data: bytes) -> str:
    """MSH-10."""
    return data.decode("utf-8").split("\r")[0].split("|")[9]


def acknowledgement(code: str = "AA", *, text: str = "", error: str = "", control: str | None = None) -> Answer:
    """An answer with this code; ``error`` is a whole ERR segment, ``control`` another control ID than ours."""

    def answer(data: bytes) -> bytes:
        segments = [
            f"MSH|^~\\&|RIS|HOSPITAL|||20260304||ACK^R01^ACK|{control_id(data)}A|P|2.5.1",
            f"MSA|{code}|{control or control_id(data)}|{text}",
            *([error] if error else []),
        ]
        return BEGIN + "".join(f"{segment}\r" for segment in segments).encode() + END

    return answer


def garbage(_data: bytes) -> bytes:
    """What a web server might say."""
    return b"HTTP/1.1 400 Bad Request\r\n\r\n"


def silence(_data: bytes) -> str:
    """Nothing, and the line stays open."""
    return ""


def hang_up(_data: bytes) -> None:
    """Nothing, and the line is closed."""
    return


def late(seconds: float) -> Answer:
    """A sound answer, too late."""

    def answer(data: bytes) -> bytes | str | None:
        time.sleep(seconds)
        return acknowledgement()(data)

    return answer


@dataclass
class MllpReceiver:
    """A listener; ``answer`` may be changed while it runs."""

    answer: Answer
    context: ssl.SSLContext | None = None
    port: int = 0
    received: list[bytes] = field(default_factory=list)
    connections: int = 0

    def serve(self, connection: socket.socket) -> None:
        """One connection, message by message."""
        with contextlib.suppress(OSError), connection:
            secure = connection if self.context is None else self.context.wrap_socket(connection, server_side=True)
            with secure:
                self._converse(secure)

    def _converse(self, connection: socket.socket) -> None:
        self.connections += 1
        buffer = b""
        while received := connection.recv(65536):
            buffer += received
            while END in buffer:
                frame, _, buffer = buffer.partition(END)
                answer = self._taken(frame)
                if answer is None:
                    return
                connection.sendall(answer if isinstance(answer, bytes) else b"")

    def _taken(self, frame: bytes) -> bytes | str | None:
        data = frame.removeprefix(BEGIN)
        self.received.append(data)
        return self.answer(data)


@contextlib.contextmanager
def mllp_receiver(answer: Answer | None = None, context: ssl.SSLContext | None = None) -> Iterator[MllpReceiver]:
    """A running receiver; that every message was valid is checked at the end."""
    receiver = MllpReceiver(answer=answer or acknowledgement(), context=context)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        receiver.port = listener.getsockname()[1]
        stop, conversations = threading.Event(), []

        def accept() -> None:
            while not stop.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                connection.settimeout(10)
                thread = threading.Thread(target=receiver.serve, args=(connection,), daemon=True)
                conversations.append((thread, connection))
                thread.start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield receiver
        finally:
            stop.set()
            accepting.join()
            for thread, connection in conversations:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                thread.join(10)
    for data in set(receiver.received):
        strict(data)


@dataclass
class FhirServer:
    """A server; ``status`` and ``body`` are what a POST is answered with, after ``delay`` seconds."""

    version: str = "4.0.1"
    status: int = 200
    body: Any = None
    delay: float = 0.0
    port: int = 0
    received: list[bytes] = field(default_factory=list)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)


def bundle(data: bytes, *, r5: bool) -> Any:
    """A bundle as the models of fhir.resources read it."""
    if r5:
        from fhir.resources.bundle import Bundle
    else:
        from fhir.resources.R4B.bundle import Bundle
    return Bundle.model_validate_json(data)


def outcome(code: str, text: str, *places: str) -> dict[str, Any]:
    """An OperationOutcome."""
    issue = {"severity": "error", "code": code, "diagnostics": text, "expression": list(places)}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


@contextlib.contextmanager
def fhir_server(context: ssl.SSLContext | None = None, **settings: Any) -> Iterator[FhirServer]:
    """A running server; that every bundle was valid is checked at the end."""
    server = FhirServer(**settings)

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            server.requests.append((self.command, self.path, dict(self.headers)))
            statement = {"resourceType": "CapabilityStatement", "fhirVersion": server.version}
            self.answered(200, statement)

        def do_POST(self) -> None:
            server.requests.append((self.command, self.path, dict(self.headers)))
            data = self.rfile.read(int(self.headers["Content-Length"]))
            server.received.append(data)
            time.sleep(server.delay)
            entries = [{"response": {"status": "201 Created"}} for _ in json.loads(data)["entry"]]
            taken = {"resourceType": "Bundle", "type": "transaction-response", "entry": entries}
            self.answered(server.status, taken if server.body is None else server.body)

        def answered(self, status: int, body: Any) -> None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            with contextlib.suppress(OSError):
                self.send_response(status)
                self.send_header("Content-Type", "application/fhir+json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    class Listener(ThreadingHTTPServer):
        def finish_request(self, request: Any, address: Any) -> None:
            with contextlib.suppress(OSError):
                secure = request if context is None else context.wrap_socket(request, server_side=True)
                with secure:
                    super().finish_request(secure, address)

        def shutdown_request(self, request: Any) -> None:
            with contextlib.suppress(OSError):
                super().shutdown_request(request)

    listener = Listener(("127.0.0.1", 0), Handler)
    server.port = listener.server_address[1]
    thread = threading.Thread(target=listener.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()
    for data in set(server.received):
        bundle(data, r5=server.version.startswith("5"))


def tls_context(certificate: Any, key: Any, authority: Any | None = None) -> ssl.SSLContext:
    """What a receiver with TLS listens with; with an authority it wants certificates of those who call."""
    trust = None if authority is None else Trust(authorities=authority)
    return serving(ServerTls(identity=Identity(certificate=certificate, key=key), trust=trust)).get()
