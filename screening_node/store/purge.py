"""Everything of one patient, found by following the tables' references: what is added later is found, too."""

from __future__ import annotations

import sqlalchemy as sa

from screening_node.errors import NotFound, Permanent
from screening_node.store import tables as t
from screening_node.store.alarms import lock_patient
from screening_node.store.outbox import DeliveryState


def rows_of(key: str) -> dict[sa.Table, sa.ColumnElement[bool]]:
    """For each table that holds rows of the patient, which ones; parents before their children."""
    which: dict[sa.Table, sa.ColumnElement[bool]] = {t.patients: t.patients.c.patient_key == key}
    for table in t.metadata.sorted_tables:
        belongs = [
            foreign.parent.in_(sa.select(foreign.column).where(which[foreign.column.table]).correlate(None))
            for foreign in table.foreign_keys
            if foreign.column.table in which
        ]
        if belongs:
            which[table] = sa.or_(*belongs)
    return which


def count(tx: sa.Connection, key: str) -> dict[str, int]:
    """How many rows of the patient each table holds."""
    return {
        table.name: int(tx.execute(sa.select(sa.func.count()).select_from(table).where(mine)).scalar_one())
        for table, mine in rows_of(key).items()
    }


def paths_of(tx: sa.Connection, key: str) -> list[str]:
    """Every file of the archive that a row of the patient names."""
    which = rows_of(key)
    with_files = [table for table in which if "path" in table.c]
    return sorted(
        {path for table in with_files for path in tx.execute(sa.select(table.c.path).where(which[table])).scalars()}
    )


def films_of(tx: sa.Connection, key: str) -> list[str]:
    """The SHA-256 of every film: display copies are found by it."""
    return list(tx.execute(sa.select(t.instances.c.sha256).where(rows_of(key)[t.instances])).scalars())


def hold(tx: sa.Connection, key: str) -> None:
    """Keep everybody else off the patient's rows until the transaction ends.

    Raises NotFound where there is no such patient, Permanent where a film is being judged or a report being sent.
    """
    lock_patient(tx, key)
    if tx.execute(sa.select(t.patients.c.patient_key).where(t.patients.c.patient_key == key)).first() is None:
        raise NotFound("The node holds nothing of this patient.", fix="Check patient ID and issuer.")
    which = rows_of(key)
    busy = ((t.jobs, "running"), (t.outbox, DeliveryState.SENDING.value))
    for table, state in busy:
        states = tx.execute(sa.select(table.c.state).where(which[table]).with_for_update()).scalars()
        if state in list(states):
            raise Permanent(
                "A film of this patient is being judged, or a report being sent, at this moment.",
                fix="Try again in a minute.",
            )


def erase(tx: sa.Connection, key: str) -> None:
    """Delete every row of the patient; after ``hold``, in the same transaction."""
    if tx.dialect.name == "sqlite":
        tx.exec_driver_sql("PRAGMA secure_delete=ON")  # or the names would stay in pages that are free
    which = rows_of(key)
    for table in reversed(which):
        tx.execute(table.delete().where(which[table]))
