"""Which films go, and when: by age and state, or because the disk runs short. Rows stay, and say that bytes are gone.

Results, alarms, reports and the audit are kept. The bytes of a film stay, however old, while its job is not done, an
alarm that it stands behind is not closed, or a report on it is not delivered.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from screening_node.store import tables as t
from screening_node.store.alarms import AlarmState
from screening_node.store.archive import Archive
from screening_node.store.outbox import DeliveryState
from screening_node.store.records import audit
from screening_node.store.session import Store

log = logging.getLogger(__name__)

#: Who is named in the audit where no person asked.
NODE = "node"
_AT_ONCE = 500
_ABANDONED_S = 60.0


class FilmState(StrEnum):
    """What became of a film, as far as its keeping depends on it."""

    JUDGED = "judged"
    REFUSED = "refused"
    FAILED = "failed"  # for good, given up by a person, or never complete


@dataclass(frozen=True, kw_only=True)
class RetentionRules:
    """After how many days since it came in a film of each state goes; None: never.

    ``min_free_bytes``: below so much free space judged and refused films go sooner, the oldest first, but none that
    is younger than ``keep_days``.
    """

    judged_days: int | None = None
    refused_days: int | None = None
    failed_days: int | None = None
    min_free_bytes: int | None = None
    keep_days: int = 7

    def days(self, state: FilmState) -> int | None:
        """After how many days a film of this state goes."""
        return {
            FilmState.JUDGED: self.judged_days,
            FilmState.REFUSED: self.refused_days,
            FilmState.FAILED: self.failed_days,
        }[state]

    @property
    def shortest_days(self) -> int | None:
        """The age below which no film goes; None where none ever does."""
        days = [self.judged_days, self.refused_days, self.failed_days]
        days.append(None if self.min_free_bytes is None else self.keep_days)
        return min((each for each in days if each is not None), default=None)


@dataclass(frozen=True, kw_only=True)
class Film:
    """A film whose bytes are there; ``protected`` says what keeps them, None where nothing does."""

    id: int
    exam_id: int
    path: str
    size: int
    sha256: str
    received_at: dt.datetime
    state: FilmState
    protected: str | None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the rules say of a film: why it goes, and what keeps it all the same."""

    film: Film
    why: str

    @property
    def goes(self) -> bool:
        """Whether nothing keeps it."""
        return self.film.protected is None


def judge(store: Store, rules: RetentionRules, *, now: dt.datetime, free_bytes: int) -> Iterator[Verdict]:
    """What the rules concern, the oldest first: by age, then for want of space. Changes nothing."""
    shortest = rules.shortest_days
    if shortest is None:
        return
    oldest = now - dt.timedelta(days=shortest)
    freed = 0
    for film in _films(store, oldest):
        if (why := _too_old(film, rules, now)) is not None:
            verdict = Verdict(film=film, why=why)
            freed += film.size if verdict.goes else 0
            yield verdict
    short = 0 if rules.min_free_bytes is None else rules.min_free_bytes - free_bytes - freed
    if short > 0:
        yield from _for_space(store, rules, now, short)


def _for_space(store: Store, rules: RetentionRules, now: dt.datetime, short: int) -> Iterator[Verdict]:
    for film in _films(store, now - dt.timedelta(days=rules.keep_days)):
        if short <= 0:
            return
        if film.state is FilmState.FAILED or _too_old(film, rules, now) is not None:
            continue
        verdict = Verdict(film=film, why=f"{film.state}, {_age(film, now)} days old; the disk is short of space")
        short -= film.size if verdict.goes else 0
        yield verdict


def _too_old(film: Film, rules: RetentionRules, now: dt.datetime) -> str | None:
    days, age = rules.days(film.state), _age(film, now)
    return None if days is None or age < days else f"{film.state}, {age} days old; kept for {days}"


def _age(film: Film, now: dt.datetime) -> int:
    return (now - film.received_at).days


@dataclass(frozen=True, kw_only=True)
class Retained:
    """What a run did: films that went and their bytes, and films that were due but are still needed."""

    removed: int
    bytes: int
    kept: int


def retain(
    store: Store,
    archive: Archive,
    rules: RetentionRules,
    *,
    now: dt.datetime,
    actor: str = NODE,
    forget: Callable[[str], None] = lambda sha256: None,
) -> Retained:
    """Let go of what the rules say. ``forget`` is told the SHA-256 of each film that went, for copies of it.

    Raises StoreUnavailable; what went before that has gone, and is in the audit.
    """
    recover(store, archive)
    removed = freed = kept = 0
    for verdict in judge(store, rules, now=now, free_bytes=archive.free_bytes()):
        if verdict.goes and remove(store, archive, verdict, now=now, actor=actor):
            forget(verdict.film.sha256)
            removed, freed = removed + 1, freed + verdict.film.size
        else:
            kept += 1
    log.info("Retention: %d films removed (%d bytes), %d due ones kept because they are needed.", removed, freed, kept)
    return Retained(removed=removed, bytes=freed, kept=kept)


def remove(store: Store, archive: Archive, verdict: Verdict, *, now: dt.datetime, actor: str) -> bool:
    """Remove a film's bytes and say so in its row and in the audit; False where it is needed by now."""
    film, aside = verdict.film, None
    try:
        with store.begin() as tx:
            tx.execute(sa.select(t.exams.c.id).where(t.exams.c.id == film.exam_id).with_for_update()).all()
            again = tx.execute(_select().where(t.instances.c.id == film.id)).first()
            if again is None or again.protected is not None or again.path != film.path:
                return False
            aside = archive.set_aside(film.path)
            tx.execute(t.instances.update().where(t.instances.c.id == film.id).values(removed_at=now))
            detail = {"why": verdict.why, "bytes": film.size}
            audit(tx, actor=actor, action="film.removed", subject=f"exam {film.exam_id}", detail=detail, at=now)
    except BaseException:
        if aside is not None:
            archive.put_back(aside)
        raise
    if aside is not None:
        archive.discard(aside)
    return True


def recover(store: Store, archive: Archive) -> None:
    """Finish what somebody who died had begun: files of rows that are still there go back, the others go."""
    for path, aside in archive.set_aside_files(older_than_seconds=_ABANDONED_S):
        with store.read() as tx:
            film = sa.select(t.instances.c.id).where(t.instances.c.path == path, t.instances.c.removed_at.is_(None))
            report = sa.select(t.outbox.c.id).where(t.outbox.c.path == path)
            needed = any(tx.execute(statement.limit(1)).first() is not None for statement in (film, report))
        if needed:
            archive.put_back(aside)
        else:
            archive.discard(aside)


def _films(store: Store, received_until: dt.datetime) -> Iterator[Film]:
    """Films that came in until then, in that order, in short reads."""
    last = 0
    while True:
        statement = _select().where(t.instances.c.id > last, t.instances.c.received_at <= received_until)
        with store.read() as tx:
            rows = tx.execute(statement.order_by(t.instances.c.id).limit(_AT_ONCE)).all()
        yield from (_as_film(row) for row in rows)
        if len(rows) < _AT_ONCE:
            return
        last = rows[-1].id


def _select() -> sa.Select[Any]:
    """Films whose bytes are there, with what became of them and what keeps them."""
    columns = (t.instances.c[name] for name in ("id", "exam_id", "path", "size", "sha256", "received_at"))
    return (
        sa.select(*columns, _STATE.label("state"), _PROTECTED.label("protected"))
        .outerjoin(t.results, sa.and_(t.results.c.exam_id == t.instances.c.exam_id, t.results.c.current))
        .where(t.instances.c.removed_at.is_(None))
    )


def _as_film(row: sa.Row[Any]) -> Film:
    fields = dict(row._mapping)
    return Film(**{**fields, "state": FilmState(fields["state"])})


_RESULTS = t.results.alias("any_results")
_DONE_WITH = (DeliveryState.DELIVERED, DeliveryState.CANCELLED)
_STATE = sa.case(
    (t.results.c.id.is_(None), FilmState.FAILED.value),
    (t.results.c.refusal_code.is_not(None), FilmState.REFUSED.value),
    else_=FilmState.JUDGED.value,
)
_PROTECTED = sa.case(
    (
        sa.exists().where(t.jobs.c.exam_id == t.instances.c.exam_id, t.jobs.c.state.in_(("queued", "running"))),
        "it is still to be judged",
    ),
    (
        sa.exists()
        .where(_RESULTS.c.exam_id == t.instances.c.exam_id, t.alarms.c.number == _RESULTS.c.alarm)
        .where(t.alarms.c.state != AlarmState.CLOSED),
        "its alarm is not closed",
    ),
    (
        sa.exists()
        .where(_RESULTS.c.exam_id == t.instances.c.exam_id, t.outbox.c.result_id == _RESULTS.c.id)
        .where(t.outbox.c.state.not_in(_DONE_WITH)),
        "a report on it is not delivered",
    ),
    else_=None,
)
