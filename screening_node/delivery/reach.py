"""Whether a destination is there, asked of it now, without sending anything that might be filed."""

from __future__ import annotations

from screening_node.delivery.destination import AnyDestination, FhirDestination, MllpDestination, Timeouts
from screening_node.delivery.fhir import FhirChannel
from screening_node.delivery.sender import echo
from screening_node.delivery.sockets import connect


def answer_of(destination: AnyDestination, *, calling_ae: str, timeouts: Timeouts) -> str:
    """What shows that somebody is there, as the end of a sentence that begins with the destination.

    C-ECHO for a PACS; the capability statement of a FHIR server; a connection, with TLS where there is some, for HL7.
    Raises DestinationUnavailable, DestinationRefused or Misconfigured.
    """
    if isinstance(destination, MllpDestination):
        connect(destination, destination.tls, timeouts).close()
        return "accepts connections; whether it takes messages, the first one shows"
    if isinstance(destination, FhirDestination):
        return f"answers as {FhirChannel(destination, timeouts).check()}"
    echo(destination, calling_ae=calling_ae, timeouts=timeouts)
    return "answers C-ECHO"
