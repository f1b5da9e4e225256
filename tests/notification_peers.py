"""Receivers of notifications for tests: a webhook over HTTP and a mail server, real ones on loopback."""

from __future__ import annotations

import contextlib
import email
import email.policy
import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

#: In every address of a test, so that a leak is found.
SECRET = "hunter2-token"


@dataclass
class Webhook:
    """What was posted; ``statuses`` are answered in order, the last one from then on."""

    port: int
    statuses: list[int] = field(default_factory=lambda: [200])
    received: list[dict[str, Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The Apprise address."""
        return f"json://user:{SECRET}@127.0.0.1:{self.port}/{SECRET}"

    def status(self) -> int:
        """The next answer."""
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]

    @property
    def titles(self) -> list[str]:
        """What was received, by title."""
        return [message["title"] for message in self.received]


@contextlib.contextmanager
def webhook(*statuses: int, port: int = 0) -> Iterator[Webhook]:
    """A web server that takes JSON; one that refuses has received nothing."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = told.status()
            if status == 200:
                told.received.append(json.loads(body))
            self.send_response(status)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"words")

        def log_message(self, format: str, *args: Any) -> None:
            """Tests' output stays quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    told = Webhook(port=server.server_address[1], statuses=list(statuses or (200,)))
    with _serving(server):
        yield told


@dataclass
class MailServer:
    """The mails that were taken; ``refuses``: what is answered to RCPT TO."""

    port: int
    refuses: str | None = None
    received: list[EmailMessage] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The Apprise address."""
        names = f"from=node-{SECRET}@hospital.example&to=duty-{SECRET}@hospital.example"
        return f"mailto://127.0.0.1:{self.port}?{names}&mode=insecure&format=text"


@contextlib.contextmanager
def mail_server(refuses: str | None = None) -> Iterator[MailServer]:
    """RFC 5321 as far as a mail needs it."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 ready")
            while line := self.rfile.readline():
                verb = line[:4].upper().strip()
                if verb == b"DATA":
                    self._say("354 go on")
                    self._take()
                elif verb == b"RCPT" and told.refuses:
                    self._say(told.refuses)
                else:
                    self._say("221 bye" if verb == b"QUIT" else "250 fine")
                    if verb == b"QUIT":
                        return

        def _take(self) -> None:
            lines = []
            while (line := self.rfile.readline()) != b".\r\n":
                lines.append(line)
            mail = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
            told.received.append(cast(EmailMessage, mail))
            self._say("250 taken")

        def _say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told = MailServer(port=server.server_address[1], refuses=refuses)
    with _serving(server):
        yield told


@contextlib.contextmanager
def silent_server() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


@contextlib.contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
