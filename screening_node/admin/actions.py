"""What an admin changes. Each change and its audit row are one commit, and name who did it."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from screening_node.admin import export, listings
from screening_node.errors import IllegalTransition, NotFound, Permanent
from screening_node.queue import queue
from screening_node.store import alarms, outbox, records, retractions
from screening_node.store.session import Store

#: A spreadsheet takes a cell that begins so for a formula; patients' names come from outside.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_LONGEST_REASON = 300


def acknowledge(store: Store, number: int, *, actor: str, comment: str | None, version: int | None = None) -> None:
    """Somebody has seen an alarm. Raises NotFound, IllegalTransition or ChangedMeanwhile.

    ``version`` is that of the alert as the actor saw it; None acts on whatever it is now.
    """
    now = _now()
    with store.begin() as tx:
        alarms.acknowledge(tx, number, by=actor, comment=comment, now=now, version=version)
        records.audit(tx, actor=actor, action="alert.acknowledge", subject=f"alert {number}", detail={}, at=now)


def close(
    store: Store,
    number: int,
    *,
    actor: str,
    comment: str | None,
    version: int | None = None,
    outcome: alarms.Outcome | None = None,
    dxa_date: dt.date | None = None,
    dxa_t_score: float | None = None,
) -> None:
    """Nothing is left to do about an alarm. Raises NotFound, IllegalTransition or ChangedMeanwhile.

    A DXA's date becomes a fact about the patient, so that no alarm is raised while it is recent.
    """
    now = _now()
    with store.begin() as tx:
        alarms.close(
            tx,
            number,
            by=actor,
            comment=comment,
            now=now,
            version=version,
            outcome=outcome,
            dxa_date=dxa_date,
            dxa_t_score=dxa_t_score,
        )
        if dxa_date is not None:
            alarms.note_dxa(tx, number, dxa_date, now)
        detail = {} if outcome is None else {"outcome": str(outcome)}
        records.audit(tx, actor=actor, action="alert.close", subject=f"alert {number}", detail=detail, at=now)


def retract(store: Store, number: int, *, actor: str, reason: str | None, version: int | None = None) -> list[int]:
    """Take an alarm back: its films are judged and reported again, and the new reports say so; their exams' numbers.

    The reason stands in those reports. Raises Permanent where there is none, or one that is no single line of text;
    NotFound, IllegalTransition or ChangedMeanwhile.
    """
    said = " ".join((reason or "").split())
    if not said or len(said) > _LONGEST_REASON or not said.isprintable():
        raise Permanent(
            f"A retraction needs a reason of at most {_LONGEST_REASON} characters: it stands in the new report.",
            fix="Say what was wrong, without naming anybody.",
        )
    now = _now()
    with store.begin() as tx:
        films = retractions.retract(tx, number, by=actor, reason=said, now=now, version=version)
        records.audit(
            tx, actor=actor, action="alert.retract", subject=f"alert {number}", detail={"exams": films}, at=now
        )
    return films


def comment(store: Store, number: int, *, actor: str, comment: str | None, version: int | None = None) -> None:
    """Write something beside an alert. Raises NotFound or ChangedMeanwhile."""
    with store.begin() as tx:
        alarms.annotate(tx, number, version=version, comment=comment)
        records.audit(tx, actor=actor, action="alert.comment", subject=f"alert {number}", detail={})


def assign(store: Store, number: int, *, actor: str, to: str | None, version: int | None = None) -> None:
    """Say who takes care of an alert. Raises NotFound or ChangedMeanwhile."""
    with store.begin() as tx:
        alarms.annotate(tx, number, version=version, assigned_to=to)
        records.audit(tx, actor=actor, action="alert.assign", subject=f"alert {number}", detail={"to": to})


def looked(store: Store, subject: str, *, actor: str, action: str = "look") -> None:
    """Somebody has seen what a page or an answer says of a patient."""
    with store.begin() as tx:
        records.audit(tx, actor=actor, action=action, subject=subject, detail={})


def cancel_exam(store: Store, number: int, *, actor: str) -> None:
    """Give an exam up that waits or failed. Raises NotFound or IllegalTransition."""
    now = _now()
    with store.begin() as tx:
        job = queue.of_exam(tx, number)
        if job is None:
            raise NotFound(f"Exam {number} does not exist or is not complete yet.")
        queue.cancel(tx, job.id, now=now)
        records.audit(tx, actor=actor, action="exam.cancel", subject=f"exam {number}", detail={"job": job.id}, at=now)


def retry_exam(store: Store, number: int, *, actor: str) -> None:
    """Judge an exam again. Raises NotFound or IllegalTransition."""
    now = _now()
    with store.begin() as tx:
        job = queue.retry_exam(tx, number, now=now)
        records.audit(tx, actor=actor, action="exam.retry", subject=f"exam {number}", detail={"job": job}, at=now)


def retry_delivery(store: Store, number: int, *, actor: str) -> None:
    """Send a report again at once. Raises NotFound or IllegalTransition."""
    now = _now()
    with store.begin() as tx:
        outbox.requeue(tx, number, now)
        records.audit(tx, actor=actor, action="delivery.retry", subject=f"delivery {number}", detail={}, at=now)


def cancel_delivery(store: Store, number: int, *, actor: str) -> None:
    """Give a report or notification up that waits or is parked. Raises NotFound or IllegalTransition."""
    with store.begin() as tx:
        outbox.cancel(tx, number)
        records.audit(tx, actor=actor, action="delivery.cancel", subject=f"delivery {number}", detail={}, at=_now())


def retry_all_deliveries(store: Store, *, actor: str) -> int:
    """Send every parked and postponed report again at once; returns how many."""
    now, count = _now(), 0
    waiting = [row for state in ("parked", "pending") for row in listings.deliveries(store, state=state, limit=None)]
    for row in waiting:
        with suppress(IllegalTransition), store.begin() as tx:  # a sender may have taken it meanwhile
            outbox.requeue(tx, row["id"], now)
            records.audit(tx, actor=actor, action="delivery.retry", subject=f"delivery {row['id']}", detail={}, at=now)
            count += 1
    return count


def note_patient(
    store: Store,
    patient_id: str,
    issuer: str | None,
    *,
    diagnosed: bool | None,
    last_dxa: dt.date | None,
    actor: str,
) -> dict[str, Any]:
    """Record a known diagnosis or a DXA; what is None stays as it was.

    Returns the facts as they stand now, and whether any film of the patient has come in. Raises NotFound where
    several patients of different issuers share the ID and none is named.
    """
    now = _now()
    key, seen = listings.patient_key(store, patient_id, issuer)
    with store.begin() as tx:
        alarms.ensure_patient(tx, key, now)
        facts = alarms.facts_of(tx, key)
        if diagnosed is not None:
            facts = replace(facts, diagnosed=diagnosed)
        if last_dxa is not None:
            facts = replace(facts, last_dxa=last_dxa)
        alarms.set_facts(tx, key, facts, now)
        noted = {
            "diagnosed": facts.diagnosed,
            "last_dxa": None if facts.last_dxa is None else facts.last_dxa.isoformat(),
        }
        records.audit(tx, actor=actor, action="patient.note", subject=f"patient {key}", detail=noted, at=now)
    return {"patient_key": key, "seen": seen, **noted}


def export_alerts(store: Store, to: Path, *, state: str | None, actor: str) -> int:
    """Write the alert log to a CSV, XLSX or JSON file, by its ending; returns how many alerts it holds.

    The audit says that it left the node before the file is there: an export that fails is said to have been tried.
    """
    kind = to.suffix.lower()
    if kind not in (".csv", ".xlsx", ".json"):
        raise Permanent(f"{to.name}: the ending says the format.", fix="Name the file .csv, .xlsx or .json.")
    rows = listings.alerts(store, state=state, limit=None)
    with store.begin() as tx:
        records.audit(tx, actor=actor, action="alert.export", subject="alerts", detail={"count": len(rows)})
    if kind == ".xlsx":
        pieces = export.pieces(export.workbook(rows))
    else:
        lines = export.csv_lines(rows) if kind == ".csv" else (json.dumps(rows, indent=2, ensure_ascii=False), "\n")
        pieces = (line.encode() for line in lines)
    _write_private(to, pieces)
    return len(rows)


def _write_private(to: Path, pieces: Iterable[bytes]) -> None:
    """Only the user may read the file: it holds patients' names."""
    try:
        with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.writelines(pieces)
    except OSError as error:
        raise Permanent(f"{to} cannot be written: {error.strerror}.", fix="Choose another place.") from error


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
