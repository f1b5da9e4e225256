"""Whether destinations are there, asked when somebody looks; never more at once than leave the page its threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from screening_node.errors import NotFound, Transient

_AT_ONCE = 8


@dataclass(frozen=True, kw_only=True)
class Reachable:
    """A destination for people: what and where it is. ``ask`` says what it answers, or raises an error of ours."""

    name: str
    described: str
    ask: Callable[[], str]


class Probes:
    """The destinations of a node, to be asked by name."""

    def __init__(self, reachable: tuple[Reachable, ...]) -> None:
        self.all: Mapping[str, Reachable] = {each.name: each for each in reachable}
        self._free = threading.BoundedSemaphore(_AT_ONCE)

    def ask(self, name: str) -> str:
        """What the destination answers now. Raises NotFound, Transient where many are being asked, and its errors."""
        found = self.all.get(name)
        if found is None:
            raise NotFound("There is no such destination.")
        if not self._free.acquire(blocking=False):
            raise Transient("Many destinations are being asked just now.", fix="Ask again in a few seconds.")
        try:
            return found.ask()
        finally:
            self._free.release()
