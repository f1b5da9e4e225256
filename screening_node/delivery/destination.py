"""Where objects are sent to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from screening_node.tls import ClientTls


@dataclass(frozen=True, kw_only=True, slots=True)
class Destination:
    """A storage SCP. ``name`` is what people call it, in settings, outbox and logs; ``tls`` is None for plain DICOM."""

    name: str
    ae_title: str
    host: str
    port: int
    tls: ClientTls | None = None

    def __str__(self) -> str:
        return f"{self.name} ({self.ae_title} at {self.host}:{self.port}{' with TLS' if self.tls else ''})"


@dataclass(frozen=True, kw_only=True, slots=True)
class MllpDestination:
    """A receiver of HL7 v2 messages over MLLP; ``tls`` is None for plain TCP."""

    name: str
    host: str
    port: int
    tls: ClientTls | None = None

    def __str__(self) -> str:
        return f"{self.name} (HL7 at {self.host}:{self.port}{' with TLS' if self.tls else ''})"


@dataclass(frozen=True, kw_only=True, slots=True)
class FhirDestination:
    """A FHIR server by its base address; ``tls`` is None where that is not https.

    ``token`` is a file with a bearer token, read anew for every connection; ``fhir_version`` such as "4.0" goes into
    the media type.
    """

    name: str
    host: str
    port: int
    path: str
    fhir_version: str
    tls: ClientTls | None = None
    token: Path | None = None

    def __str__(self) -> str:
        scheme = "https" if self.tls else "http"
        return f"{self.name} (FHIR at {scheme}://{self.host}:{self.port}{self.path})"


@dataclass(frozen=True, kw_only=True, slots=True)
class NotificationDestination:
    """A channel to people. Its Apprise address is a secret: given, or in a file that is read anew for every message."""

    name: str
    address: str | None = field(default=None, repr=False)
    address_file: Path | None = None

    def __str__(self) -> str:
        return f"{self.name} (notifications)"


#: What gets reports, and with channels to people all that the outbox can owe something.
AnyDestination = Destination | MllpDestination | FhirDestination
AnyReceiver = AnyDestination | NotificationDestination


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeouts:
    """Seconds to wait: for the connection, for an answer to an association request, and to a message."""

    connect: float = 10.0
    association: float = 30.0
    message: float = 60.0
