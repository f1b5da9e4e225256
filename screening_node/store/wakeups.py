"""Whoever waits for work hears at once that some was committed, where the database can tell: PostgreSQL.

    announce(tx, topic)   NOTIFY in the caller's transaction: it goes out with its commit, and not without it
    listening(...)        LISTEN on a connection of its own; one thread rings the bells of all that wait

Looking by oneself stays the safety net. While somebody listens it is done seldom, else as often as on SQLite, where
nobody announces anything.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING

import sqlalchemy as sa

from screening_node.errors import StoreUnavailable
from screening_node.store.session import Store

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger(__name__)

#: How often somebody who is rung for looks all the same: postponed work becomes due without a commit.
LOOK_ANYWAY_S = 2.0
_SLICE_S = 0.2
_RECONNECT_S = 1.0


class Topic(StrEnum):
    """What is announced: a channel of PostgreSQL each."""

    JOBS = "screening_node_jobs"
    DELIVERIES = "screening_node_deliveries"


def announce(tx: sa.Connection, topic: Topic) -> None:
    """Wake those who wait for the topic once this transaction is committed; once, however often it is called."""
    if tx.dialect.name == "postgresql":
        tx.execute(sa.select(sa.func.pg_notify(topic.value, "")))


class Bell:
    """What one thread waits at. Made by ``Listener.bell``."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._rung = threading.Event()

    def ring(self) -> None:
        """There may be something to do."""
        self._rung.set()

    def wait(self, stop: threading.Event, poll_s: float) -> None:
        """Return when the bell rings, when ``stop`` is set, or when it is time to look without having been called.

        Where nobody listens that is after ``poll_s``. What is committed after this returns rings the next wait.
        """
        if not self._listener.possible:
            stop.wait(poll_s)
            return
        end = time.monotonic() + (self._listener.look_anyway_s if self._listener.connected else poll_s)
        while not stop.is_set() and (left := end - time.monotonic()) > 0:
            if self._rung.wait(min(left, _SLICE_S)):
                break
        self._rung.clear()


class Listener:
    """Hears one topic on a connection of its own, and finds a new one when that breaks. A context manager."""

    def __init__(self, store: Store, topic: Topic, *, look_anyway_s: float = LOOK_ANYWAY_S) -> None:
        self._store = store
        self._topic = topic
        self.look_anyway_s = look_anyway_s
        self.heard = 0
        self._bells: list[Bell] = []
        self._connected = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"listen-{topic.name.lower()}", daemon=True)

    @property
    def possible(self) -> bool:
        """Whether this database announces anything."""
        return self._store.announces

    @property
    def connected(self) -> bool:
        """Whether announcements are heard at the moment."""
        return self._connected.is_set()

    def bell(self) -> Bell:
        """A bell for one more thread that waits; to be made before the listener starts."""
        made = Bell(self)
        self._bells.append(made)
        return made

    def __enter__(self) -> Listener:
        if self.possible:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self.possible:
            self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                with contextlib.closing(self._store.connect_to_listen()) as connection:
                    self._listen(connection)
            except StoreUnavailable as error:
                log.warning("Nothing is heard of new work; the store is looked at instead: %s", error)
            self._connected.clear()
            self._ended.wait(_RECONNECT_S)

    def _listen(self, connection: psycopg.Connection) -> None:
        with self._store.translating():
            connection.execute(f"LISTEN {self._topic.value}".encode())
            self._connected.set()
            self._ring()  # what was committed while nobody listened was announced to nobody
            while not self._ended.is_set():
                for _ in connection.notifies(timeout=_SLICE_S, stop_after=1):
                    self.heard += 1
                    self._ring()

    def _ring(self) -> None:
        for bell in self._bells:
            bell.ring()


@contextlib.contextmanager
def one_bell(store: Store, topic: Topic, *, look_anyway_s: float = LOOK_ANYWAY_S) -> Iterator[Bell]:
    """A listener for one thread that waits."""
    listener = Listener(store, topic, look_anyway_s=look_anyway_s)
    bell = listener.bell()
    with listener:
        yield bell
