"""Where objects are sent to."""

from __future__ import annotations

from dataclasses import dataclass

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
class Timeouts:
    """Seconds to wait: for the connection, for an answer to an association request, and to a message."""

    connect: float = 10.0
    association: float = 30.0
    message: float = 60.0
