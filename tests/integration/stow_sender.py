"""A STOW-RS server on a thread of the test, and senders that can be as wrong as real ones."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from integration.nodes import RunningIntake

from screening_node.imaging.header import patient_of
from screening_node.intake.files import Limits
from screening_node.intake.stow.app import StowRules
from screening_node.intake.stow.server import StowConfig, run_stow
from screening_node.pathways.registry import route
from screening_node.store.archive import Archive
from screening_node.store.session import Store

RELATED = 'multipart/related; type="application/dicom"; boundary=frontier'
NO_LIMITS = Limits(min_free_bytes=0)

StowRunner = Callable[..., AbstractContextManager[RunningIntake]]


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A response: its status, its headers, and what it says of each object."""

    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)

    @property
    def module(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    def kept(self) -> list[str]:
        """SOP Instance UIDs of Referenced SOP Sequence."""
        return [item["00081155"]["Value"][0] for item in self._items("00081199")]

    def failed(self) -> dict[str, int]:
        """Failure Reasons of Failed SOP Sequence by SOP Instance UID."""
        return {item["00081155"]["Value"][0]: item["00081197"]["Value"][0] for item in self._items("00081198")}

    def others(self) -> list[int]:
        """Failure Reasons of Other Failures Sequence."""
        return [item["00081197"]["Value"][0] for item in self._items("0008119A")]

    def _items(self, tag: str) -> list[dict[str, Any]]:
        return list(self.module.get(tag, {}).get("Value", []))


def related(files: Sequence[bytes], *, kind: str = "application/dicom", boundary: str = "frontier") -> bytes:
    """A multipart/related message."""
    head = f"\r\n--{boundary}\r\nContent-Type: {kind}\r\n\r\n".encode()
    return b"".join(head + file for file in files) + f"\r\n--{boundary}--\r\n".encode()


def post(
    port: int,
    body: bytes,
    path: str = "/studies",
    *,
    method: str = "POST",
    context: ssl.SSLContext | None = None,
    **headers: str,
) -> Answered:
    """One request; ``headers`` with underscores for hyphens."""
    plain = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    secure = None if context is None else http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)
    connection = secure or plain
    try:
        named = {"Content-Type": RELATED} | {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named, encode_chunked="Transfer_Encoding" in headers)
        response = connection.getresponse()
        return Answered(
            status=response.status,
            headers={name.lower(): value for name, value in response.getheaders()},
            body=response.read(),
        )
    finally:
        connection.close()


def open_request(port: int, length: int, *, path: str = "/studies") -> socket.socket:
    """A connection over which a request has begun: its body is still to come."""
    peer = socket.create_connection(("127.0.0.1", port), timeout=20)
    head = f"POST {path} HTTP/1.1\r\nHost: node\r\nContent-Type: {RELATED}\r\nContent-Length: {length}\r\n\r\n"
    peer.sendall(head.encode())
    return peer


def status_line(peer: socket.socket) -> bytes:
    """The first line of what comes back; empty where the connection ended."""
    with peer.makefile("rb") as answer:
        return answer.readline()


@contextmanager
def running_stow(
    store: Store, archive: Archive, *, limits: Limits = NO_LIMITS, tls: Any = None, **rules: Any
) -> Iterator[RunningIntake]:
    """STOW-RS on a thread; stopped, and gone, on exit."""
    stop, ready, port = threading.Event(), threading.Event(), [0]

    def listening(at: int) -> None:
        port[0] = at
        ready.set()

    config = StowConfig(host="127.0.0.1", port=0, rules=StowRules(**rules), limits=limits, tls=tls, drain_seconds=1.0)
    arguments = (config, store, archive, route, patient_of, stop, listening)
    thread = threading.Thread(target=run_stow, args=arguments)
    thread.start()
    try:
        assert ready.wait(10)
        yield RunningIntake(port=port[0], ae_title="NODE", store=store, archive=archive)
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()
