"""What every section is made of: the frozen base, kinds of value, and errors that say how to mend them."""

from __future__ import annotations

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


AeTitle = Annotated[str, AfterValidator(_ae_title)]
Port = Annotated[int, Field(ge=1, le=65535)]
Host = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^\S+$")]


class Section(BaseModel):
    """A section of the configuration: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
