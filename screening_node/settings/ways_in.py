"""Ways in beside C-STORE: ``[intake.stow]`` and whom it lets in, ``[intake.folder]``, ``[[pull]]``."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from screening_node.settings.access import DestinationTlsSection, ListeningTlsSection, Network, not_empty
from screening_node.settings.base import AeTitle, Host, Port, Section, is_loopback, web_address, wrong
from screening_node.settings.clock import TimeZone
from screening_node.settings.messages import Name


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


class StowSection(Section):
    """DICOMweb STOW-RS; the section's being there switches it on."""

    host: Host = "127.0.0.1"
    port: Port = 8104
    callers: tuple[StowCallerSection, ...] = ()
    tls: ListeningTlsSection | None = None
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


def _base_address(value: str) -> str:
    fix = 'Write its base address alone, for example "https://HOST/dicom-web"; a token stands in token_file.'
    return web_address(value, "a server", fix=fix, plain="patients' data would come unencrypted").rstrip("/")


Code = Annotated[str, Field(pattern=r"^[A-Z0-9_ ]{1,16}$")]


class PullSection(Section):
    """An archive whose films are fetched: over DICOM, or DICOMweb where ``url`` is given."""

    name: Name
    ae_title: AeTitle
    host: Host | None = None
    port: Port | None = None
    retrieve: Literal["move", "get"] = "move"
    url: Annotated[str, AfterValidator(_base_address)] | None = None
    token_file: Path | None = None
    tls: DestinationTlsSection | None = None
    modalities: Annotated[tuple[Code, ...], Field(min_length=1)] = ("CR", "DX")
    body_parts: tuple[Code, ...] = ()
    first_day: dt.date | None = None
    last_day: dt.date | None = None
    window: tuple[dt.time, dt.time] = (dt.time(22), dt.time(5))
    time_zone: TimeZone | None = None
    films_a_minute: Annotated[float, Field(ge=0, le=6000)] = 20
    timeout_seconds: Annotated[float, Field(ge=1, le=120)] = 60

    @field_validator("window", mode="before")
    @classmethod
    def _both_ends(cls, value: object) -> object:
        """As people write it: "22:00-05:00"."""
        return tuple(value.split("-")) if isinstance(value, str) and value.count("-") == 1 else value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.url is None) == (self.host is None):
            raise wrong("it is reached by host and port, or by url", "Give one of the two.")
        if (self.host is None) != (self.port is None):
            raise wrong("host and port belong together", "Give both, or url.")
        if self.url is not None and self.url.startswith("http:") and self.tls is not None:
            raise wrong("tls is given, but the address is not https", "Write https in url, or drop tls.")
        if self.url is not None and self.url.startswith("https:") and self.tls is None:
            raise wrong(
                "the server's certificate cannot be verified",
                "Name who signed it: tls = { authorities = FILE }; the system's own file of authorities will do.",
            )
        if self.last_day is not None and (self.first_day is None or self.last_day < self.first_day):
            raise wrong("last_day has no first_day before it", "Write both, the earlier one as first_day.")
        return self
