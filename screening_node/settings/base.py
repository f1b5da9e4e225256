"""What every section is made of: the frozen base, kinds of value, and errors that say how to mend them."""

from __future__ import annotations

import json
import re
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError


def wrong(message: str, fix: str) -> PydanticCustomError:
    """A validation error that carries how to mend it."""
    return PydanticCustomError("site", "{reason}", {"reason": message, "fix": fix})


def _ae_title(value: str) -> str:
    """PS3.5 table 6.2-1, AE: 1 to 16 characters of the default repertoire, no backslash, no control characters."""
    if not re.fullmatch(r"[ -\[\]-~]{1,16}", value) or value != value.strip():
        raise wrong(
            f"{value!r} is no AE title",
            "Use 1 to 16 ASCII characters, no backslash, no space at either end, for example SCREENING_NODE.",
        )
    return value


def split_url(value: str) -> SplitResult | None:
    """The parts of an address; None where its port makes no sense."""
    try:
        parts = urlsplit(value)
        return parts if parts.port != 0 else None
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether a host of an address is this machine, whatever a name server says."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def web_address(value: str, what: str, *, fix: str, plain: str | None = None) -> str:
    """An address of ``what``, http or https, without user, query and fragment; ``plain`` says why http will not do.

    Raises what ``wrong`` makes. Plain http to this machine itself always does.
    """
    parts = split_url(value)
    if parts is None or not parts.hostname or parts.scheme not in ("http", "https"):
        raise wrong(f"{value!r} is no address of {what}", fix)
    if parts.username is not None or parts.query or parts.fragment or not value.isascii() or not value.isprintable():
        raise wrong("an address holds no user, question mark or hash", fix)
    if plain is not None and parts.scheme == "http" and not is_loopback(parts.hostname):
        raise wrong(plain, "Write https; http is for this machine (127.0.0.1).")
    return value


def listed(value: object) -> object:
    """A list, or one that an environment variable holds as JSON: pydantic-settings reads none below a list."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


AeTitle = Annotated[str, AfterValidator(_ae_title)]
Port = Annotated[int, Field(ge=1, le=65535)]
Host = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^\S+$")]


class Section(BaseModel):
    """A section of the configuration: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
