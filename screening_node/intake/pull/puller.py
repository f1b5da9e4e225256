"""One run over days: what is asked for, how fast, who may, and how far it came."""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from screening_node.errors import LeaseLost, ScreeningNodeError, SourceUnavailable
from screening_node.intake.pull.source import Fetched, Film, Gotten, Source
from screening_node.store import pulls
from screening_node.store.pulls import Counts, DayState
from screening_node.store.session import Store

logger = logging.getLogger(__name__)

#: A puller that is silent for so long is gone. Longer than one film takes at its slowest.
_LEASE_SECONDS: Final = 300.0
_RENEW_SECONDS: Final = 30.0
#: So many films in a row that do not come are no accident.
_MOST_FAILURES: Final = 20


class Ended(StrEnum):
    """How a run ended."""

    DONE = "done"
    STOPPED = "stopped"  # by its stop, or its window's end
    BUSY = "busy"  # another process fetches from this source


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a run is: the day that it is at, and what became of that day's films so far."""

    day: dt.date
    counts: Counts
    days_left: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How fast: films a minute, 0 for as fast as they come."""

    films_a_minute: float = 0.0

    @property
    def seconds(self) -> float:
        """From one film to the next."""
        return 60.0 / self.films_a_minute if self.films_a_minute else 0.0


def no_progress(progress: Progress) -> None:
    """For who does not want to hear of it."""


class Puller:
    """Fetches from one source. ``may_go_on`` says after each film whether there is still time."""

    def __init__(
        self, name: str, source: Source, store: Store, owner: str, pace: Pace, *, clock: Callable[[], dt.datetime]
    ) -> None:
        self._name, self._source, self._store = name, source, store
        self._owner, self._pace, self._clock = owner, pace, clock
        self._renewed = 0.0
        self._next = 0.0
        self._failed_in_a_row = 0

    def run(
        self,
        days: Sequence[dt.date],
        stop: threading.Event,
        *,
        may_go_on: Callable[[], bool] = lambda: True,
        progress: Callable[[Progress], None] = no_progress,
    ) -> Ended:
        """Fetch the days that are not fetched yet, in their order.

        Raises SourceUnavailable or SourceRefused, StoreUnavailable, or LeaseLost; what was fetched is kept, and the
        next run goes on from there.
        """
        if not self._leased():
            return Ended.BUSY
        try:
            left = pulls.still_to_fetch(self._store, self._name, days)
            for number, day in enumerate(left):
                if not self._day(day, stop, may_go_on, progress, len(left) - number - 1):
                    return Ended.STOPPED
            return Ended.DONE
        finally:
            self._source.close()
            pulls.give_back_lease(self._store, self._name, self._owner)

    def _day(
        self,
        day: dt.date,
        stop: threading.Event,
        may_go_on: Callable[[], bool],
        progress: Callable[[Progress], None],
        days_left: int,
    ) -> bool:
        """Fetch one day; False where it was not finished."""
        pulls.begin_day(self._store, self._name, self._owner, day, now=self._clock())
        counts = Counts()
        try:
            for film in self._source.films(day):
                if stop.is_set() or not may_go_on():
                    self._note(day, DayState.OPEN, counts)
                    return False
                counts = _counted(counts, self._fetched(film, stop))
                progress(Progress(day=day, counts=counts, days_left=days_left))
                self._stay()
        except LeaseLost:
            raise
        except ScreeningNodeError as error:
            self._note(day, DayState.OPEN, counts, error.message)
            raise
        self._note(day, self._state(day, counts), counts)
        progress(Progress(day=day, counts=counts, days_left=days_left))
        return True

    def _state(self, day: dt.date, counts: Counts) -> DayState:
        """A day is done only when it is over everywhere: films may still be taken, or come into the archive late."""
        if day >= self._clock().date() - dt.timedelta(days=1):
            return DayState.OPEN
        return DayState.PARTIAL if counts.failed else DayState.DONE

    def _fetched(self, film: Film, stop: threading.Event) -> Gotten:
        if pulls.kept(self._store, film.instance):
            return Gotten(fetched=Fetched.THERE)
        stop.wait(max(self._next - time.monotonic(), 0.0))
        self._next = time.monotonic() + self._pace.seconds
        gotten = self._source.fetch(film)
        if gotten.fetched is Fetched.FAILED:
            logger.warning("%s did not come from %s: %s", film.instance, self._name, gotten.reason)
        self._failed_in_a_row = self._failed_in_a_row + 1 if gotten.fetched is Fetched.FAILED else 0
        if self._failed_in_a_row >= _MOST_FAILURES:
            self._failed_in_a_row = 0
            raise SourceUnavailable(
                f"{_MOST_FAILURES} films in a row did not come from {self._name}: {gotten.reason}.",
                fix="See its log and this node's, and the free space of both.",
            )
        return gotten

    def _note(self, day: dt.date, state: DayState, counts: Counts, error: str | None = None) -> None:
        pulls.note_day(self._store, self._name, self._owner, day, state, counts, now=self._clock(), error=error)
        logger.info(
            "%s, %s: %s; %d found, %d taken, %d there already, %d refused, %d failed",
            self._name,
            day,
            state,
            counts.found,
            counts.taken,
            counts.there,
            counts.refused,
            counts.failed,
        )

    def _leased(self) -> bool:
        self._renewed = time.monotonic()
        return pulls.take_lease(self._store, self._name, self._owner, seconds=_LEASE_SECONDS, now=self._clock())

    def _stay(self) -> None:
        """Keep the lease while films come. Raises LeaseLost."""
        if time.monotonic() - self._renewed > _RENEW_SECONDS and not self._leased():
            raise LeaseLost(f"Another process fetches from {self._name} now.")


def _counted(counts: Counts, gotten: Gotten) -> Counts:
    kind = gotten.fetched.value
    return replace(counts, found=counts.found + 1, **{kind: getattr(counts, kind) + 1})


def days_between(first: dt.date, last: dt.date) -> list[dt.date]:
    """Every day from one to the other, the newest first: what is recent is what somebody may still act on."""
    return [last - dt.timedelta(days=back) for back in range((last - first).days + 1)]
