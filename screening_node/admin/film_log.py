"""Films as the admin's page lists them: by state or by the reason of a refusal, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa

from screening_node.admin import listings
from screening_node.domain.result import RefusalCode
from screening_node.queue.job import JobState
from screening_node.store import tables as t
from screening_node.store.session import Store

PAGE_ROWS = 50
STATES = listings.EXAM_STATES
#: States of a newest job that stand for an exam's state.
_BY_JOB = {"waiting": JobState.QUEUED, "running": JobState.RUNNING, "failed": JobState.DEAD}


@dataclass(frozen=True, kw_only=True)
class FilmQuery:
    """Which films; ``before`` is the number of the last one of the page before."""

    state: str | None = None
    reason: str | None = None
    text: str | None = None
    before: int | None = None

    @classmethod
    def parse(cls, params: Mapping[str, str]) -> FilmQuery:
        """From a link's parameters; what makes no sense is taken as not asked for."""
        state, reason, before = params.get("state"), params.get("reason"), params.get("before", "")
        return cls(
            state=state if state in STATES else None,
            reason=reason if reason in set(RefusalCode) else None,
            text=(params.get("text") or "").strip()[:64] or None,
            before=int(before) if before.isascii() and before.isdigit() and len(before) <= 18 else None,
        )

    def link(self, **changes: Any) -> str:
        """The parameters of a link to this query with other values."""
        query = replace(self, **{"before": None, **changes})
        values = {"state": query.state, "reason": query.reason, "text": query.text, "before": query.before}
        return urlencode({key: str(value) for key, value in values.items() if value is not None})


@dataclass(frozen=True, kw_only=True)
class FilmPage:
    """Some films, and the number to go on before (None: these are the last)."""

    rows: list[dict[str, Any]]
    next: int | None


def refusal_codes() -> tuple[str, ...]:
    """Every reason to refuse, by name."""
    return tuple(sorted(map(str, RefusalCode)))


def page(store: Store, query: FilmQuery, limit: int = PAGE_ROWS) -> FilmPage:
    """The films that a query asks for, the newest first."""
    exams = t.exams.c
    statement = listings.select_exams().add_columns(t.results.c.lowest_t, t.results.c.lowest_vertebra)
    if query.state is not None:
        statement = statement.where(listings.EXAM_STATE.in_([query.state]))
    if query.state in _BY_JOB:  # few jobs are in these states, and an index knows them
        fitting = sa.select(t.jobs.c.exam_id).where(t.jobs.c.state == _BY_JOB[query.state])
        statement = statement.where(exams.id.in_(fitting))
    if query.state == "refused" or query.reason is not None:  # an index knows these, too
        code = t.results.c.refusal_code
        wanted = code.is_not(None) if query.reason is None else code == query.reason
        refused = sa.select(t.results.c.exam_id).where(wanted, t.results.c.current)
        statement = statement.where(exams.id.in_(refused))
    if query.text is not None:
        columns = (exams.patient_name, exams.patient_id, exams.accession_number)
        matching = [column.icontains(query.text, autoescape=True) for column in columns]
        statement = statement.where(matching[0] | matching[1] | matching[2])
    if query.before is not None:
        statement = statement.where(exams.id < query.before)
    found = listings.rows(store, statement.order_by(exams.id.desc()).limit(limit + 1))
    return FilmPage(rows=found[:limit], next=found[limit - 1]["id"] if len(found) > limit else None)
