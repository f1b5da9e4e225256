"""Looks every few seconds for what people should be told, and owes the messages to their channels.

It keeps nothing that matters in memory: what was told stands in the store, written in the transaction that owes the
messages. So it may die at any moment, and run on several hosts at once.
"""

from __future__ import annotations

import datetime as dt
import logging
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from screening_node.admin.wellness import Cause, Trouble, Wellness
from screening_node.notifications.postbox import Postbox
from screening_node.notifications.topics import Topic
from screening_node.notifications.wording import Writer
from screening_node.queue.job import JobState
from screening_node.store import notices
from screening_node.store.notices import NoticeKind, Subject

log = logging.getLogger(__name__)

#: An alarm may be committed a little after its own time; an hour is more than any clock of a site is off.
_LATE = dt.timedelta(hours=1)
_BEGINNING = "alarm/beginning"


@dataclass(frozen=True, kw_only=True)
class WatchRules:
    """``alarms``, ``dead_letters``: the time between two messages of the kind; what comes meanwhile shares the next.

    ``settle``: for how many seconds a trouble (or its absence) has to last before people hear of it. ``oldest``: older
    alarms are old news.
    """

    alarms: dt.timedelta = dt.timedelta(minutes=1)
    dead_letters: dt.timedelta = dt.timedelta(minutes=10)
    settle: float = 60.0
    oldest: dt.timedelta = dt.timedelta(days=7)


@dataclass
class Watch:
    """``look`` asks how the node is. Not thread safe."""

    postbox: Postbox
    writer: Writer
    look: Callable[[], Wellness]
    rules: WatchRules = field(default_factory=WatchRules)
    clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)
    monotonic: Callable[[], float] = time.monotonic
    host: str = field(default_factory=socket.gethostname)
    _differs_since: dict[str, float] = field(default_factory=dict, init=False)

    def round(self) -> None:
        """Look once. Raises StoreUnavailable or DiskFull, and then what was not told is told by the next round."""
        now = self.clock()
        if self.postbox.wanted(Topic.ALARMS):
            self._alarms(now)
        if self.postbox.wanted(Topic.DEAD_LETTERS):
            self._dead_letters(now)
        if self.postbox.wanted(Topic.TROUBLES):
            self._troubles(now)

    def _alarms(self, now: dt.datetime) -> None:
        with self.postbox.store.read() as tx:
            newest = notices.newest_beginning(tx, NoticeKind.ALARM)
            last = notices.last_told(tx, NoticeKind.ALARM)
            since = max(now if newest is None else newest - _LATE, now - self.rules.oldest)
            found = [] if newest is None else notices.new_alarms(tx, since)
        if newest is None:  # whoever turns notifications on is not told of years
            self._begin(now)
        elif found and (last is None or now - last >= self.rules.alarms):
            subjects = [one.subject for one in found]
            self.postbox.post(
                Topic.ALARMS,
                subjects[0].name,
                self.writer.alarms(found),
                now=now,
                also=lambda tx: notices.tell(tx, NoticeKind.ALARM, subjects, now),
            )

    def _begin(self, now: dt.datetime) -> None:
        """The notice that the first alarms are measured against; long enough ago that the next one need not wait."""
        told = now - self.rules.alarms
        with self.postbox.store.begin() as tx:
            if notices.newest_beginning(tx, NoticeKind.ALARM) is None:
                notices.tell(tx, NoticeKind.ALARM, [Subject(name=_BEGINNING, began_at=now)], told)

    def _dead_letters(self, now: dt.datetime) -> None:
        with self.postbox.store.read() as tx:
            last = notices.last_told(tx, NoticeKind.DEAD_LETTER)
            films = notices.failed_films(tx, JobState.DEAD)
            reports = notices.parked_reports(tx)
        if not (films or reports) or (last is not None and now - last < self.rules.dead_letters):
            return
        subjects = [film.subject for film in films] + [report.subject for report in reports]
        self.postbox.post(
            Topic.DEAD_LETTERS,
            f"dead-letter/{subjects[0].name}",
            self.writer.dead_letters(films, reports),
            now=now,
            also=lambda tx: notices.tell(tx, NoticeKind.DEAD_LETTER, subjects, now),
        )

    def _troubles(self, now: dt.datetime) -> None:
        there = {self._subject(trouble): trouble for trouble in self.look().troubles}
        with self.postbox.store.read() as tx:
            told = {name for name in notices.standing(tx, NoticeKind.TROUBLE) if self._is_ours(name)}
        for name in self._settled([*(set(there) - told), *(told - set(there))]):
            if name in there:
                self._began(name, there[name], now)
            else:
                self._ended(name, now)
            self._differs_since.pop(name)

    def _settled(self, differing: Sequence[str]) -> list[str]:
        """Those of the subjects whose state has differed for long enough from what people were told."""
        at = self.monotonic()
        self._differs_since = {name: self._differs_since.get(name, at) for name in differing}
        return sorted(name for name, since in self._differs_since.items() if at - since >= self.rules.settle)

    def _began(self, name: str, trouble: Trouble, now: dt.datetime) -> None:
        self.postbox.post(
            Topic.TROUBLES,
            f"{name}/{now.isoformat()}",
            self.writer.trouble(trouble),
            now=now,
            but=(trouble.about,),  # a channel that is down need not hear of itself, once it is up again
            also=lambda tx: notices.tell(tx, NoticeKind.TROUBLE, [Subject(name=name, began_at=now)], now),
        )

    def _ended(self, name: str, now: dt.datetime) -> None:
        _, cause, about = name.split("@")[0].split("/", 2)
        self.postbox.post(
            Topic.TROUBLES,
            f"over/{name}/{now.isoformat()}",
            self.writer.over(Cause(cause), about),
            now=now,
            but=(about,),
            also=lambda tx: notices.end(tx, [name], now),
        )

    def _subject(self, trouble: Trouble) -> str:
        host = f"@{self.host}" if trouble.local else ""
        return f"trouble/{trouble.cause}/{trouble.about}{host}"

    def _is_ours(self, name: str) -> bool:
        """Whether this host can tell that it is over: another host's disk is none of its business."""
        host = name.partition("@")[2]
        return not host or host == self.host
