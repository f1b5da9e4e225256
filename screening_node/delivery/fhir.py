"""FHIR bundles over HTTP: stored bytes are posted as they are, to the server's base address.

The address holds nothing of a patient; redirects are not followed, because they could lead anywhere.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from screening_node.delivery import fhir_answers
from screening_node.delivery.channel import Unreachable
from screening_node.delivery.destination import FhirDestination, Timeouts
from screening_node.delivery.outcomes import of_tls, unavailable
from screening_node.delivery.remarks import words_of
from screening_node.delivery.sockets import connect
from screening_node.errors import DestinationRefused, DestinationUnavailable, UnreadableObject
from screening_node.reporting.reporter import Report
from screening_node.tls import in_words

_LONGEST_ANSWER: Final = 4 * 1024 * 1024
_AGENT: Final = "screening-node"
#: Elements of Patient, HumanName, Identifier and Reference that name somebody.
_IDENTIFYING: Final = ("value", "text", "family", "given", "prefix", "suffix", "display", "birthDate")


@dataclass(frozen=True, kw_only=True, slots=True)
class Parcel:
    """A bundle to send, and the words that it says of the patient."""

    data: bytes = field(repr=False)
    secrets: frozenset[str] = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Answer:
    status: int
    body: bytes = field(repr=False)


class FhirChannel:
    """See ``Channel``. One connection a bundle: a server that is busy should not have to keep ours open."""

    newest_wins = True
    is_open = False

    def __init__(self, destination: FhirDestination, timeouts: Timeouts) -> None:
        self._destination = destination
        self._timeouts = timeouts
        self._socket: socket.socket | None = None

    def load(self, path: Path) -> Parcel:
        """The bundle in a kept file; UnreadableObject where it is none."""
        try:
            data = path.read_bytes()
            return Parcel(data=data, secrets=_secrets(json.loads(data)))
        except OSError as error:
            raise UnreadableObject("The file to send cannot be read.", fix="Check the archive's disk.") from error
        except ValueError as error:
            raise UnreadableObject(
                "The file to send is no FHIR bundle.", fix="Restore the archive from a backup."
            ) from error

    def send(self, parcel: Parcel, coming: Sequence[Parcel]) -> str:
        """Post the bundle: a transaction, so that the server takes all of it or nothing."""
        answer = self._asked("POST", self._destination.path or "/", parcel.data)
        return fhir_answers.of_response(answer.status, answer.body, str(self._destination), parcel.secrets)

    def check(self) -> str:
        """What the server says that it is, such as "FHIR 4.0.1". Raises DestinationUnavailable or DestinationRefused.

        It is asked for its CapabilityStatement, which every FHIR server has to show.
        """
        where = str(self._destination)
        answer = self._asked("GET", f"{self._destination.path}/metadata", None)
        if answer.status != http.client.OK:
            fhir_answers.of_response(answer.status, answer.body, where, frozenset())
        version = _version(answer.body)
        if version is None:
            raise DestinationRefused(f"{where} is no FHIR server.", fix="Correct url of this destination.")
        if not version.startswith(self._destination.fhir_version):
            raise DestinationRefused(
                f"{where} speaks FHIR {version}, not {self._destination.fhir_version}.",
                fix="Correct version of this destination: R4 or R5.",
            )
        return f"FHIR {version}"

    def instead(self, parcel: Parcel, kind: str) -> Report | None:
        """There is no other form of a bundle."""
        return None

    def close(self) -> None:
        """Nothing is kept open."""

    def hang_up(self) -> None:
        """Shut the socket down; whoever reads from it is told at once."""
        if (held := self._socket) is not None:
            with contextlib.suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)

    def _asked(self, method: str, path: str, body: bytes | None) -> _Answer:
        where = str(self._destination)
        headers = self._headers(body is not None)
        try:
            held = connect(self._destination, self._destination.tls, self._timeouts)
        except DestinationUnavailable as error:
            raise Unreachable(error.message, fix=error.fix) from error
        try:
            with self._held(held):
                return self._exchange(held, method, path, headers, body)
        except TimeoutError as error:
            raise unavailable("did not answer in time", where) from error
        except (http.client.HTTPException, ConnectionError, EOFError, ValueError) as error:
            raise unavailable("hung up, or answered with something that is no HTTP", where) from error
        except OSError as error:  # with TLS 1.3 a certificate of ours may be refused as late as this
            raise of_tls(in_words(error), where) from error

    def _exchange(
        self, held: socket.socket, method: str, path: str, headers: dict[str, str], body: bytes | None
    ) -> _Answer:
        connection = http.client.HTTPConnection(self._destination.host, self._destination.port)
        connection.sock = held
        connection.request(method, path, body=body, headers=headers)
        with connection.getresponse() as response:
            return _Answer(status=response.status, body=response.read(_LONGEST_ANSWER))

    @contextlib.contextmanager
    def _held(self, held: socket.socket) -> Iterator[None]:
        """The socket for one exchange: closed afterwards, and ended where the whole takes too long."""
        held.settimeout(self._timeouts.message)
        late = threading.Event()

        def end() -> None:
            late.set()
            self.hang_up()

        timer = threading.Timer(self._timeouts.message, end)
        timer.daemon = True
        self._socket = held
        timer.start()
        try:
            yield
        except (OSError, http.client.HTTPException, ValueError) as error:
            if late.is_set():
                raise TimeoutError from error
            raise
        finally:
            timer.cancel()
            self._socket = None
            held.close()

    def _headers(self, posts: bool) -> dict[str, str]:
        media = f"application/fhir+json; fhirVersion={self._destination.fhir_version}"
        headers = {"Accept": media, "User-Agent": _AGENT, "Connection": "close", "Prefer": "return=minimal"}
        if posts:
            headers["Content-Type"] = media
        if self._destination.token is not None:
            headers["Authorization"] = f"Bearer {self._token(self._destination.token)}"
        return headers

    def _token(self, file: Path) -> str:
        try:
            token = file.read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            raise Unreachable(
                f"{self._destination}: the token cannot be read from {file}.",
                fix="Write it there, readable for the node's user alone; the node keeps trying.",
            ) from error
        if not token.isprintable() or " " in token or not token:
            raise Unreachable(f"{self._destination}: {file} holds no token.", fix="Write the token there, on one line.")
        return token


def _version(body: bytes) -> str | None:
    try:
        statement = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(statement, dict) or statement.get("resourceType") != "CapabilityStatement":
        return None
    version = str(statement.get("fhirVersion"))
    return version if version[:1].isdigit() and len(version) <= 16 and version.isascii() else "of no version"


def _secrets(bundle: Any) -> frozenset[str]:
    """Every word in who the bundle is about: the patient's resource, and what points to it."""
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        raise ValueError("no Bundle")
    resources = [entry["resource"] for entry in bundle.get("entry", [])]
    people = [one for one in resources if one.get("resourceType") == "Patient"]
    people += [one["subject"] for one in resources if "subject" in one]
    return words_of(" ".join(_said_of(people)))


def _said_of(data: Any, key: str = "") -> Iterator[str]:
    """The texts in it that tell one patient from another."""
    if isinstance(data, dict):
        for name, value in data.items():
            yield from _said_of(value, name)
    elif isinstance(data, list):
        for value in data:
            yield from _said_of(value, key)
    elif isinstance(data, str) and key in _IDENTIFYING:
        yield data
