"""Destinations that get messages: ``[[destinations]]`` with ``protocol = "hl7"`` or ``protocol = "fhir"``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, model_validator

from screening_node.reporting.language import Language
from screening_node.settings.access import DestinationTlsSection
from screening_node.settings.base import Host, Port, Section, web_address, wrong

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


def _field(value: str) -> str:
    if len(value) > 180 or not value.isprintable() or value != value.strip():
        raise wrong(f"{value!r} is no name for a message", "Use at most 180 printable characters, no space at an end.")
    return value


def _uri(value: str) -> str:
    if not value.startswith(("urn:", "http://", "https://")) or not value.isascii() or not value.isprintable():
        raise wrong(f"{value!r} is no identifier system", 'Write a URI, for example "urn:oid:1.2.3" or "https://...".')
    return value


def _address(value: str) -> str:
    fix = 'Write its base address alone, for example "https://HOST/fhir"; a token stands in token_file.'
    return web_address(value, "a server", fix=fix, plain="patients' data would go out unencrypted").rstrip("/")


Text = Annotated[str, AfterValidator(_field)]


class Hl7Section(Section):
    """A receiver of HL7 v2 messages over MLLP."""

    name: Name
    protocol: Literal["hl7"]
    host: Host
    port: Port
    tls: DestinationTlsSection | None = None
    language: Language = Language.ENGLISH
    sending_application: Annotated[Text, Field(min_length=1)] = "SCREENING_NODE"
    sending_facility: Text = ""
    receiving_application: Text = ""
    receiving_facility: Text = ""
    processing: Literal["P", "T", "D"] = "P"
    assigning_authority: Text = ""


class FhirSection(Section):
    """A FHIR server."""

    name: Name
    protocol: Literal["fhir"]
    url: Annotated[str, AfterValidator(_address)]
    version: Literal["R4", "R5"] = "R4"
    tls: DestinationTlsSection | None = None
    language: Language = Language.ENGLISH
    token_file: Path | None = None
    assigning_authority: Text = ""
    patient_system: Annotated[str, AfterValidator(_uri)] | None = None

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        if self._parts.scheme == "https" and self.tls is None:
            raise wrong(
                "the server's certificate cannot be verified",
                "Name who signed it: tls = { authorities = FILE }; the system's own file of authorities will do.",
            )
        if self._parts.scheme == "http" and self.tls is not None:
            raise wrong("tls is given, but the address is not https", "Write https in url, or drop tls.")
        return self

    @property
    def _parts(self) -> SplitResult:
        return urlsplit(self.url)

    @property
    def host(self) -> str:
        """The server's host."""
        return self._parts.hostname or ""

    @property
    def port(self) -> int:
        """The server's port."""
        return self._parts.port or (443 if self._parts.scheme == "https" else 80)

    @property
    def path(self) -> str:
        """The path of the base address, without a slash at its end."""
        return self._parts.path
