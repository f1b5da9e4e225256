"""Commits of several films at once: one transaction, each film its own outcome."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from builders import an_instance

from screening_node.errors import StoreUnavailable
from screening_node.intake.commits import GroupedCommits
from screening_node.store import tables
from screening_node.store.records import NewInstance, Recorded
from screening_node.store.session import Store


class Slow(Store):
    """A store whose next transaction ends only once ``go_on`` is set; counts transactions."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.transactions = 0

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        self.transactions += 1
        with super().begin() as tx:
            yield tx
            self.begun.set()
            assert self.go_on.wait(10)


@pytest.fixture
def slow(store: Store) -> Iterator[Slow]:
    opened = Slow(f"sqlite:///{store.file}")
    yield opened
    opened.close()


class Sender(threading.Thread):
    """Records one film on a thread; its outcome, or what it raised."""

    def __init__(self, commits: GroupedCommits, instance: NewInstance) -> None:
        super().__init__()
        self._commits, self._instance = commits, instance
        self.outcome: Any = None
        self.start()

    def run(self) -> None:
        try:
            self.outcome = self._commits.record(self._instance)
        except Exception as error:
            self.outcome = error


def recorded_together(slow: Slow, *instances: NewInstance) -> list[Any]:
    """One film whose commit takes long; meanwhile these come."""
    commits = GroupedCommits(slow)
    first = Sender(commits, an_instance("1.2.0"))
    assert slow.begun.wait(10)
    others = []
    for number, instance in enumerate(instances, start=1):
        others.append(Sender(commits, instance))
        _wait_until(lambda wanted=number: len(commits._waiting) == wanted)
    slow.go_on.set()
    for sender in (first, *others):
        sender.join(10)
    assert first.outcome is Recorded.STORED
    return [sender.outcome for sender in others]


def _wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("not so within ten seconds")


def uids(store: Store) -> set[str]:
    with store.read() as tx:
        return set(tx.execute(sa.select(tables.instances.c.sop_instance_uid)).scalars())


def test_films_that_wait_share_a_transaction(slow: Slow, store: Store) -> None:
    wanted = [an_instance(f"1.2.{number}") for number in range(1, 6)]
    assert recorded_together(slow, *wanted) == [Recorded.STORED] * 5
    assert slow.transactions == 2
    assert uids(store) == {f"1.2.{number}" for number in range(6)}


def test_each_film_has_its_own_outcome(slow: Slow) -> None:
    one, same, other = an_instance("1.2.1"), an_instance("1.2.1"), an_instance("1.2.1", content=b"other")
    outcomes = recorded_together(slow, one, same, other, an_instance("1.2.2"))
    assert outcomes == [Recorded.STORED, Recorded.DUPLICATE, Recorded.CONFLICT, Recorded.STORED]


def test_a_film_that_cannot_be_written_does_not_take_the_others_with_it(slow: Slow, store: Store) -> None:
    impossible = an_instance("1.2.3", sop_class_uid=None)
    outcomes = recorded_together(slow, an_instance("1.2.1"), impossible, an_instance("1.2.2"))
    assert [outcomes[0], outcomes[2]] == [Recorded.STORED] * 2
    assert isinstance(outcomes[1], sa.exc.IntegrityError)
    assert uids(store) == {"1.2.0", "1.2.1", "1.2.2"}


def test_a_store_that_is_away_is_said_to_all(store: Store) -> None:
    assert store.file is not None
    commits = GroupedCommits(store)
    commits.record(an_instance("1.2.1"))
    store.close()
    store.file.rename(store.file.with_name("away.db"))
    with pytest.raises(StoreUnavailable):
        commits.record(an_instance("1.2.2"))
    store.file.with_name("away.db").rename(store.file)
    assert commits.record(an_instance("1.2.2")) is Recorded.STORED
