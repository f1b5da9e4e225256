"""Hours of the day, as a site writes them."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from screening_node.settings.base import wrong


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (OSError, ValueError, KeyError) as error:  # ZoneInfo raises them all
        raise wrong(
            f"{value!r} is no time zone that this machine knows", 'Write a name such as "Europe/Berlin" or "UTC".'
        ) from error
    return value


TimeZone = Annotated[str, AfterValidator(_time_zone)]
Hour = Annotated[int, Field(ge=0, le=23)]
Minute = Annotated[int, Field(ge=0, le=59)]
