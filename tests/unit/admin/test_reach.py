"""Asking destinations: by name, never too many at once, and the place is free again whatever happens."""

from __future__ import annotations

import threading

import pytest

from screening_node.admin import reach
from screening_node.admin.reach import Probes, Reachable
from screening_node.errors import DestinationUnavailable, NotFound, Transient


def test_who_is_asked_answers() -> None:
    probes = Probes((Reachable(name="pacs", described="pacs", ask=lambda: "answers C-ECHO"),))
    assert probes.ask("pacs") == "answers C-ECHO"
    with pytest.raises(NotFound):
        probes.ask("another")


def test_only_so_many_are_asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "_AT_ONCE", 1)
    asked, go_on = threading.Event(), threading.Event()

    def slow() -> str:
        asked.set()
        assert go_on.wait(30)
        return "answers"

    probes = Probes((Reachable(name="slow", described="slow", ask=slow),))
    first = threading.Thread(target=probes.ask, args=("slow",))
    first.start()
    assert asked.wait(30)
    with pytest.raises(Transient, match="just now"):
        probes.ask("slow")
    go_on.set()
    first.join()
    assert probes.ask("slow") == "answers"


def test_one_that_is_away_takes_no_place_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "_AT_ONCE", 1)

    def away() -> str:
        raise DestinationUnavailable("It is away.")

    probes = Probes((Reachable(name="away", described="away", ask=away),))
    for _ in range(3):
        with pytest.raises(DestinationUnavailable):
            probes.ask("away")
