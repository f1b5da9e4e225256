"""The alert log as the start page shows it: filtered, sorted, a page at a time, as fast at 100,000 rows as at ten.

A page begins after the last row of the one before it (its key stands in the link), never after a counted offset:
rows that arrive meanwhile move nothing, and no page is slower than the first.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa

from screening_node.admin import listings
from screening_node.domain.result import Category
from screening_node.store import tables as t
from screening_node.store.alarms import AlarmState, Outcome
from screening_node.store.session import Store

PAGE_ROWS = 50
#: Rows that an export reads at once.
_AT_ONCE = 2000
#: Modalities that the filter offers: those of radiographs.
MODALITIES = ("DX", "CR")


class Ending(StrEnum):
    """How alerts ended, as the filter offers it."""

    FOLLOWED_UP = "followed-up"  # with DXA, whatever it said
    DISMISSED = "dismissed"
    RETRACTED = "retracted"

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The outcomes that count as this one."""
        if self is Ending.FOLLOWED_UP:
            return Outcome.DXA_OSTEOPOROSIS, Outcome.DXA_OSTEOPENIA, Outcome.DXA_NORMAL
        return (Outcome(self.value),)


class Sort(StrEnum):
    """In which order alerts are shown."""

    NEWEST = "newest"
    LOWEST = "lowest"  # the lowest T-score first
    STUDY = "study"  # the newest film first


@dataclass(frozen=True, kw_only=True)
class AlertQuery:
    """What of the log is wanted; None means whatever it is. ``after`` is the key of the row before the page."""

    state: AlarmState | None = AlarmState.OPEN
    ending: Ending | None = None
    category: Category | None = None
    modality: str | None = None
    since: dt.date | None = None
    until: dt.date | None = None
    text: str | None = None
    sort: Sort = Sort.NEWEST
    after: str | None = None

    @classmethod
    def parse(cls, params: Mapping[str, str]) -> AlertQuery:
        """From a link's parameters; what makes no sense is taken as not asked for."""
        state = params.get("state", AlarmState.OPEN)
        return cls(
            state=None if state == "all" else _known(AlarmState, state) or AlarmState.OPEN,
            ending=_known(Ending, params.get("ending")),
            category=_known(Category, params.get("category")),
            modality=(params.get("modality") or "").strip()[:16] or None,
            since=_date(params.get("since")),
            until=_date(params.get("until")),
            text=(params.get("text") or "").strip()[:64] or None,
            sort=_known(Sort, params.get("sort")) or Sort.NEWEST,
            after=params.get("after") or None,
        )

    def link(self, **changes: Any) -> str:
        """The parameters of a link to this query with other values; without ``after`` unless that is given."""
        query = replace(self, **{"after": None, **changes})
        values = {
            "state": query.state or "all",
            "ending": query.ending,
            "category": query.category,
            "modality": query.modality,
            "since": query.since,
            "until": query.until,
            "text": query.text,
            "sort": None if query.sort is Sort.NEWEST else query.sort,
            "after": query.after,
        }
        return urlencode({key: str(value) for key, value in values.items() if value is not None})

    @property
    def filtered(self) -> bool:
        """Whether anything but the state narrows the log."""
        return any((self.ending, self.category, self.modality, self.since, self.until, self.text))


@dataclass(frozen=True, kw_only=True)
class AlertPage:
    """Some rows of the log, and the key to go on after (None: these are the last)."""

    rows: list[dict[str, Any]]
    next: str | None


def page(store: Store, query: AlertQuery, limit: int | None = PAGE_ROWS) -> AlertPage:
    """The rows that a query asks for."""
    statement = _ordered(_filtered(listings.select_alerts(), query), query)
    found = listings.rows(store, statement if limit is None else statement.limit(limit + 1))
    if limit is None or len(found) <= limit:
        return AlertPage(rows=found, next=None)
    return AlertPage(rows=found[:limit], next=_key(found[limit - 1], query.sort))


def every(store: Store, query: AlertQuery) -> Iterator[dict[str, Any]]:
    """All rows that a query asks for, in order; never more than some of them are in memory."""
    following: AlertQuery | None = query
    while following is not None:
        found = page(store, following, limit=_AT_ONCE)
        yield from found.rows
        following = None if found.next is None else replace(following, after=found.next)


def counts(store: Store) -> dict[str, int]:
    """How many alerts are in each state."""
    statement = sa.select(t.alarms.c.state, sa.func.count()).group_by(t.alarms.c.state)
    with store.read() as tx:
        return dict.fromkeys(map(str, AlarmState), 0) | {row[0]: row[1] for row in tx.execute(statement)}


def _filtered(statement: sa.Select[Any], query: AlertQuery) -> sa.Select[Any]:
    alarms, exams = t.alarms.c, t.exams.c
    wanted = ((alarms.state, query.state), (alarms.category, query.category), (exams.modality, query.modality))
    for column, value in wanted:
        statement = statement if value is None else statement.where(column == value)
    if query.ending is not None:
        statement = statement.where(alarms.outcome.in_(query.ending.outcomes))
    if query.since is not None:
        statement = statement.where(alarms.study_date >= query.since)
    if query.until is not None:
        statement = statement.where(alarms.study_date <= query.until)
    if query.text is not None:
        columns = (exams.patient_name, exams.patient_id, exams.accession_number, alarms.comment)
        statement = statement.where(sa.or_(*(column.icontains(query.text, autoescape=True) for column in columns)))
    return statement


def _ordered(statement: sa.Select[Any], query: AlertQuery) -> sa.Select[Any]:
    number, lowest, study = t.alarms.c.number, t.alarms.c.lowest_t, t.alarms.c.study_date
    after = _after(query)
    if query.sort is Sort.LOWEST:
        statement = statement.order_by(lowest, number)
        if after is not None:
            statement = statement.where(sa.tuple_(lowest, number) > sa.tuple_(sa.literal(after[0]), after[1]))
    elif query.sort is Sort.STUDY:
        statement = statement.order_by(study.desc(), number.desc())
        if after is not None:
            day = sa.literal(after[0], sa.Date)
            statement = statement.where(sa.tuple_(study, number) < sa.tuple_(day, after[1]))
    else:
        statement = statement.order_by(number.desc())
        if after is not None:
            statement = statement.where(number < after[1])
    return statement


_PARSE: Mapping[Sort, Callable[[str], Any]] = {
    Sort.NEWEST: str,
    Sort.LOWEST: float,
    Sort.STUDY: dt.date.fromisoformat,
}


def _after(query: AlertQuery) -> tuple[Any, int] | None:
    """The key in a link as values; None where there is none or it was tampered with."""
    value, _, number = (query.after or "").rpartition("~")
    if not number.isascii() or not number.isdigit() or len(number) > 18:
        return None
    try:
        return _PARSE[query.sort](value), int(number)
    except ValueError:
        return None


def _key(row: Mapping[str, Any], sort: Sort) -> str:
    value = {Sort.LOWEST: repr(row["lowest_t_score"]), Sort.STUDY: row["study_date"]}.get(sort, "")
    return f"{value}~{row['number']}"


def _known(kind: Any, value: str | None) -> Any:
    return kind(value) if value in set(kind) else None


def _date(value: str | None) -> dt.date | None:
    try:
        return dt.date.fromisoformat(value or "")
    except ValueError:
        return None
