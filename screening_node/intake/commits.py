"""Commits of parallel associations in one transaction: one flush of the database makes many films durable."""

from __future__ import annotations

import threading

from screening_node.store.records import NewInstance, Recorded, record_instance
from screening_node.store.session import Store


class _Entry:
    """One film on its way into the database."""

    def __init__(self, instance: NewInstance, priority: int) -> None:
        self.instance = instance
        self.priority = priority
        self.outcome: Recorded | BaseException | None = None


class GroupedCommits:
    """Records films of several threads. Nobody waits for company: who comes while a commit runs shares the next one."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._waiting: list[_Entry] = []
        self._turn = threading.Lock()

    def record(self, instance: NewInstance, priority: int = 0) -> Recorded:
        """Write the film's rows; on return they are committed. Raises what ``Store.begin`` raises."""
        entry = _Entry(instance, priority)
        with self._lock:
            self._waiting.append(entry)
        with self._turn:  # whoever gets it first commits for all that wait for it
            if entry.outcome is None:
                self._commit_waiting()
        if isinstance(entry.outcome, Recorded):
            return entry.outcome
        assert entry.outcome is not None
        raise entry.outcome

    def _commit_waiting(self) -> None:
        with self._lock:
            entries, self._waiting = self._waiting, []
        try:
            self._commit(entries)
        except Exception:
            # One film that the database does not take must not take the others with it.
            for entry in entries:
                self._commit_alone(entry)

    def _commit_alone(self, entry: _Entry) -> None:
        try:
            self._commit([entry])
        except Exception as error:
            entry.outcome = error

    def _commit(self, entries: list[_Entry]) -> None:
        with self._store.begin() as tx:
            outcomes = [record_instance(tx, entry.instance, priority=entry.priority) for entry in entries]
        for entry, outcome in zip(entries, outcomes, strict=True):
            entry.outcome = outcome
