"""Who may call, and by what certificates: ``[node] allow``, ``[node.tls]`` and ``tls`` of a destination."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from screening_node.settings.base import AeTitle, Host, Port, Section, wrong


def _network(value: object) -> IPv4Network | IPv6Network:
    try:
        return ip_network(str(value))
    except ValueError as error:
        raise wrong(
            f"{value!r} is no address or network",
            "Write an address (192.0.2.7) or a network with its own first address (192.0.2.0/24, 2001:db8::/32).",
        ) from error


def not_empty(value: tuple[IPv4Network | IPv6Network, ...] | None) -> tuple[IPv4Network | IPv6Network, ...] | None:
    """A list of addresses that is there has some."""
    if value == ():
        raise wrong("an empty list of addresses lets nobody in", "Leave addresses out to allow every address.")
    return value


Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]


class AllowSection(Section):
    """One caller that is let in: its AE title ("*" for any), where it may call from, and the name it must prove."""

    ae_title: AeTitle
    addresses: Annotated[tuple[Network, ...] | None, AfterValidator(not_empty)] = None
    certificate: Annotated[str, Field(min_length=1)] | None = None


class TlsSection(Section):
    """A certificate with its key (by file, or as text by environment), and whom to trust. PEM throughout.

    That there is a key shows when the node starts: commands of an admin run without the service's environment.
    """

    certificate: Path | None = None
    key: Path | None = None
    key_pem: SecretStr | None = None
    key_password: SecretStr | None = None
    authorities: Path | None = None
    revocations: Path | None = None

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.key is not None and self.key_pem is not None:
            raise wrong("the private key is given twice", "Drop key, or unset the environment variable of key_pem.")
        if self.certificate is None and (self.key is not None or self.key_pem is not None):
            raise wrong("a private key without its certificate", "Name certificate and key, both as PEM files.")
        if self.revocations is not None and self.authorities is None:
            raise wrong("revocations without authorities say nothing", "Name the authorities, too.")
        return self


class ListeningTlsSection(TlsSection):
    """TLS of a port that the node listens on; ``client_certificates``: callers have to show one."""

    client_certificates: bool = False

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.certificate is None:
            raise wrong("a port with TLS needs a certificate", "Name certificate and key, both as PEM files.")
        if self.client_certificates and self.authorities is None:
            raise wrong(
                "client certificates are wanted, but none can be verified",
                "Name the authorities that signed them, or write client_certificates = false.",
            )
        return self


class NodeTlsSection(ListeningTlsSection):
    """A second port that speaks TLS, with rules of its own. 2762 is the port registered for DICOM over TLS."""

    host: Host | None = None
    port: Port = 2762
    client_certificates: bool = True
    allow: tuple[AllowSection, ...] = ()

    @model_validator(mode="after")
    def _names_that_are_shown(self) -> Self:
        if not self.client_certificates and any(entry.certificate for entry in self.allow):
            raise wrong("allow names certificates that clients do not show", "Drop client_certificates = false.")
        return self


class DestinationTlsSection(TlsSection):
    """How a PACS is called over TLS."""

    server_name: Host | None = None
    verify_name: bool = True

    @model_validator(mode="after")
    def _verifiable(self) -> Self:
        if self.authorities is None:
            raise wrong(
                "the PACS's certificate cannot be verified",
                "Name as authorities the PEM file of who signed it, or the certificate itself.",
            )
        return self
