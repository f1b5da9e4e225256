"""Who is told of alarms and troubles: from ``[notifications]`` to channels, and to what watches for them."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from screening_node.assembly.storage import MIB
from screening_node.errors import Misconfigured
from screening_node.notifications.topics import Topic
from screening_node.settings import Settings
from screening_node.store.archive import Archive
from screening_node.store.session import Store

if TYPE_CHECKING:
    from screening_node.delivery.destination import NotificationDestination
    from screening_node.notifications.digest import Digest
    from screening_node.notifications.postbox import Postbox
    from screening_node.notifications.wording import Writer
    from screening_node.settings.notifications import ChannelSection


def channels(settings: Settings) -> tuple[NotificationDestination, ...]:
    """The channels to people. Raises Misconfigured where one has no address."""
    return tuple(_channel(number, each) for number, each in enumerate(settings.notifications.channels))


def _channel(number: int, section: ChannelSection) -> NotificationDestination:
    from screening_node.delivery.destination import NotificationDestination

    if section.apprise_url is None and section.apprise_url_file is None:
        raise Misconfigured(
            f"[notifications] channel {section.name} has no address.",
            fix="Name a file with it as apprise_url_file, or set "
            f"SCREENING_NODE__NOTIFICATIONS__CHANNELS__{number}__APPRISE_URL.",
        )
    return NotificationDestination(
        name=section.name,
        address=None if section.apprise_url is None else section.apprise_url.get_secret_value(),
        address_file=section.apprise_url_file,
    )


def receivers(settings: Settings) -> tuple[str, ...]:
    """The names of all that the outbox may owe something: destinations, then channels."""
    return tuple(each.name for each in (*settings.destinations, *settings.notifications.channels))


def writer(settings: Settings) -> Writer:
    """Who words the messages."""
    from screening_node.assembly.worker import card_of
    from screening_node.notifications.wording import Writer

    oidc = settings.admin.oidc
    return Writer(
        node=settings.node.ae_title,
        page=settings.notifications.page or (None if oidc is None else oidc.page),
        limits_of_use=card_of(settings).limits_of_use,
    )


@contextlib.contextmanager
def told(settings: Settings, store: Store, archive: Archive) -> Iterator[None]:
    """Watch for what people should be told, for the length of a block; nothing runs where no channel is configured."""
    if not settings.notifications.channels:
        yield
        return
    from screening_node.admin import wellness
    from screening_node.notifications.postbox import Postbox
    from screening_node.notifications.schedule import telling
    from screening_node.notifications.watch import Watch

    postbox = Postbox(store=store, archive=archive, audience=_audience(settings))
    look = functools.partial(wellness.look, store, archive, receivers(settings), settings.intake.min_free_mib * MIB)
    watch = Watch(postbox=postbox, writer=writer(settings), look=look)
    with telling(watch, _digest(settings, postbox, look)):
        yield


def _audience(settings: Settings) -> dict[Topic, tuple[str, ...]]:
    """By topic, who wants to hear of it."""
    all_channels = settings.notifications.channels
    return {topic: tuple(each.name for each in all_channels if topic in each.about) for topic in Topic}


def _digest(settings: Settings, postbox: Postbox, look: Any) -> Digest | None:
    from screening_node.notifications.digest import Digest, Hour

    section = settings.notifications.digest
    if not section.enabled:
        return None
    hour = Hour(hour=section.hour, minute=section.minute, zone=_zone(section.time_zone))
    return Digest(postbox=postbox, writer=writer(settings), look=look, hour=hour)


def _zone(name: str | None) -> dt.tzinfo:
    from tzlocal import get_localzone

    return get_localzone() if name is None else ZoneInfo(name)
