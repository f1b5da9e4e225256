"""Whom the node tells of alarms, dead letters and troubles: ``[notifications]``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from screening_node.notifications.topics import Topic
from screening_node.settings.base import Section, listed, web_address, wrong
from screening_node.settings.clock import Hour, Minute, TimeZone
from screening_node.settings.messages import Name


def _page(value: str) -> str:
    fix = 'Write scheme, host and port, as a browser does: "https://HOST:8180".'
    return web_address(value, "a page", fix=fix).rstrip("/")


class ChannelSection(Section):
    """One way to people, by its Apprise address, and what they want to hear of.

    That there is an address shows when the node starts: commands of an admin run without the service's environment.
    """

    name: Name
    apprise_url: SecretStr | None = None
    apprise_url_file: Path | None = None
    about: Annotated[tuple[Topic, ...], Field(min_length=1), BeforeValidator(listed)] = tuple(Topic)

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if self.apprise_url is not None and self.apprise_url_file is not None:
            raise wrong(
                "the address is given twice", "Drop apprise_url_file, or unset the environment variable of apprise_url."
            )
        return self


class DigestSection(Section):
    """The daily digest. Without ``time_zone`` it goes by this machine's."""

    enabled: bool = False
    hour: Hour = 7
    minute: Minute = 0
    time_zone: TimeZone | None = None


class NotificationsSection(Section):
    """Without a channel nobody is told. ``page``: the admin's page as people's browsers reach it, for links."""

    channels: tuple[ChannelSection, ...] = ()
    page: Annotated[str, AfterValidator(_page)] | None = None
    digest: DigestSection = DigestSection()

    @model_validator(mode="after")
    def _heard(self) -> Self:
        if self.digest.enabled and not any(Topic.DIGEST in channel.about for channel in self.channels):
            raise wrong("nobody gets the digest", 'Add a channel that is about "digest", or leave enabled out.')
        return self
