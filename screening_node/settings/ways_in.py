"""Ways in beside C-STORE: ``[intake.stow]`` and whom it lets in, ``[intake.folder]``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from screening_node.settings.access import Network, TlsSection, not_empty
from screening_node.settings.base import AeTitle, Host, Port, Section, is_loopback, wrong


class StowCallerSection(Section):
    """Who may send: from where, and with which token. ``name`` is kept as the sender of its films."""

    name: AeTitle
    addresses: Annotated[tuple[Network, ...] | None, AfterValidator(not_empty)] = None
    token_file: Path | None = None
    token: SecretStr | None = None

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        if self.token is not None and self.token_file is not None:
            raise wrong("the token is given twice", "Drop token_file, or unset the environment variable of token.")
        if self.addresses is None and not self.has_token:
            raise wrong("it says nothing of who may send", "Give token_file, addresses, or both.")
        return self

    @property
    def has_token(self) -> bool:
        """Whether it has to show one."""
        return self.token is not None or self.token_file is not None


class StowTlsSection(TlsSection):
    """TLS of the port for STOW-RS."""

    client_certificates: bool = False

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.certificate is None:
            raise wrong("a port with TLS needs a certificate", "Name certificate and key, both as PEM files.")
        if self.client_certificates and self.authorities is None:
            raise wrong(
                "client certificates are wanted, but none can be verified",
                "Name the authorities that signed them, or drop client_certificates.",
            )
        return self


class StowSection(Section):
    """DICOMweb STOW-RS; the section's being there switches it on."""

    host: Host = "127.0.0.1"
    port: Port = 8104
    callers: tuple[StowCallerSection, ...] = ()
    tls: StowTlsSection | None = None
    max_requests: Annotated[int, Field(ge=1, le=256)] = 16
    max_request_mib: Annotated[int, Field(ge=1, le=65536)] = 4096

    @model_validator(mode="after")
    def _tokens_stay_secret(self) -> Self:
        if self.tls is None and not is_loopback(self.host) and any(caller.has_token for caller in self.callers):
            raise wrong(
                "tokens and films would cross the network in the clear",
                'Add [intake.stow.tls]; or host = "127.0.0.1", behind a proxy of this machine that speaks TLS.',
            )
        names = [caller.name for caller in self.callers]
        if len(set(names)) < len(names):
            raise wrong("two callers have one name", "Give each a name of its own.")
        return self


class FolderSection(Section):
    """A folder whose files are taken in; the section's being there switches it on."""

    path: Path
    poll_seconds: Annotated[float, Field(ge=0.1, le=3600)] = 5
    settle_seconds: Annotated[float, Field(ge=0.1, le=3600)] = 10
