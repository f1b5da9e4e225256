"""A watch with its clock in the test's hand, and what it put into the outbox."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from admin.filled_store import NOW

from screening_node.admin.wellness import Cause, Trouble, Wellness
from screening_node.delivery.notification import Message
from screening_node.notifications.postbox import Postbox
from screening_node.notifications.topics import Topic
from screening_node.notifications.watch import Watch, WatchRules
from screening_node.notifications.wording import Writer
from screening_node.queue.job import JobState
from screening_node.store import tables as t
from screening_node.store.archive import Archive
from screening_node.store.outbox import NOTIFICATION
from screening_node.store.session import Store

LIMITS = "Phantom-trained: not for clinical use."
PAGE = "https://node.example:8180"
WRITER = Writer(node="NODE", page=PAGE, limits_of_use=LIMITS)
WELL = Wellness(
    troubles=(),
    open_alerts=0,
    new_alerts_today=0,
    jobs={JobState.QUEUED: 0, JobState.RUNNING: 0},
    oldest_waiting=None,
    failed=0,
    last_film=None,
    lanes=(),
    free_bytes=None,
    at=NOW,
)
DOWN = Trouble(cause=Cause.DESTINATION, about="pacs", text="pacs does not take reports: 1 wait.", link="/work")
EVERYBODY = dict.fromkeys(Topic, ("mail", "chat"))


class Told:
    """What a store's outbox owes people, and a clock."""

    def __init__(self, store: Store, archive: Archive) -> None:
        self.store, self.archive = store, archive
        self.now = NOW - dt.timedelta(minutes=5)
        self.seconds = 0.0
        self.well = WELL

    def postbox(self, audience: dict[Topic, tuple[str, ...]] | None = None) -> Postbox:
        return Postbox(store=self.store, archive=self.archive, audience=EVERYBODY if audience is None else audience)

    def watch(self, audience: dict[Topic, tuple[str, ...]] | None = None, host: str = "here", **rules: Any) -> Watch:
        return Watch(
            postbox=self.postbox(audience),
            writer=WRITER,
            look=lambda: self.well,
            rules=WatchRules(**{"settle": 0.0, **rules}),
            clock=lambda: self.now,
            monotonic=lambda: self.seconds,
            host=host,
        )

    def troubled(self, *troubles: Trouble) -> None:
        self.well = replace(WELL, troubles=troubles)

    def pass_time(self, **span: float) -> None:
        self.now += dt.timedelta(**span)
        self.seconds += dt.timedelta(**span).total_seconds()

    def messages(self, channel: str = "mail") -> list[Message]:
        """What a channel is owed, the oldest first."""
        statement = sa.select(t.outbox.c.path).where(t.outbox.c.destination == channel, t.outbox.c.kind == NOTIFICATION)
        with self.store.read() as tx:
            paths = tx.execute(statement.order_by(t.outbox.c.id)).scalars().all()
        return [Message.from_bytes(self.archive.path(path).read_bytes()) for path in paths]

    def titles(self, channel: str = "mail") -> list[str]:
        return [message.title for message in self.messages(channel)]
