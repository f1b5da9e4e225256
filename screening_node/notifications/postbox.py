"""Messages on their way into the outbox: kept in the archive first, then owed to every channel that wants them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from screening_node.delivery.notification import Message
from screening_node.errors import ChangedMeanwhile
from screening_node.notifications.topics import Topic
from screening_node.store import outbox
from screening_node.store.archive import Archive
from screening_node.store.outbox import NOTIFICATION, NOTIFICATION_FORMAT, Outgoing
from screening_node.store.session import Store


@dataclass(frozen=True, kw_only=True)
class Postbox:
    """``audience``: by topic, the channels that want to hear of it."""

    store: Store
    archive: Archive
    audience: Mapping[Topic, tuple[str, ...]]

    def wanted(self, topic: Topic) -> bool:
        """Whether any channel wants to hear of it."""
        return bool(self.audience.get(topic))

    def post(
        self,
        topic: Topic,
        name: str,
        message: Message,
        *,
        now: dt.datetime,
        but: Collection[str] = (),
        also: Callable[[sa.Connection], None] = lambda tx: None,
    ) -> bool:
        """Owe a message to the topic's channels, and do what ``also`` does, in one transaction.

        ``name`` is what makes it this message and no other: a channel gets it once. ``but``: channels left out.
        False, and nothing written, where ``also`` finds that another process was first. Raises StoreUnavailable or
        DiskFull.
        """
        path = self.archive.keep_report(message.to_bytes(), name, suffix=".json")
        try:
            with self.store.begin() as tx:
                also(tx)
                for channel in self.audience.get(topic, ()):
                    if channel not in but:
                        outbox.add(tx, None, _outgoing(channel, name, path), now)
        except ChangedMeanwhile:
            return False
        return True


def _outgoing(channel: str, name: str, path: str) -> Outgoing:
    return Outgoing(
        destination=channel,
        kind=NOTIFICATION,
        sop_class_uid=NOTIFICATION_FORMAT,
        sop_instance_uid=name,
        path=path,
    )
