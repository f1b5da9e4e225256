"""Takes a store to another version of its tables, and fills one of an older version."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from screening_node.store import session
from screening_node.store.session import Store

#: A row of each table as release 0001 wrote it, in the order of their references; SQLite keeps times as text.
ROWS_OF_0001: dict[str, dict[str, Any]] = {
    "patients": {"patient_key": "p", "diagnosed": False, "last_dxa": dt.date(2020, 2, 3)},
    "exams": {
        "pathway": "chest_film", "key": "1.2", "patient_key": "p", "patient_id": "P1", "issuer": None,
        "patient_name": "Nobody^Real", "sex": "F", "age": 75, "study_instance_uid": "1.2.1",
        "study_date": dt.date(2026, 3, 1), "modality": "DX", "calling_ae": "MODALITY", "complete": True,
    },
    "instances": {
        "exam_id": 1, "sop_instance_uid": "1.2", "sop_class_uid": "1.2.3", "transfer_syntax_uid": "1.2.4",
        "study_instance_uid": "1.2.1", "series_instance_uid": "1.2.2", "sha256": "ab" * 32, "size": 2**40,
        "path": "objects/film.dcm", "calling_ae": "MODALITY",
    },
    "jobs": {"exam_id": 1, "state": "done", "priority": 3, "attempt": 2, "failures": 1, "interruptions": 0},
    "alarms": {
        "patient_key": "p", "state": "open", "category": "osteoporosis", "lowest_t": -3.25, "lowest_vertebra": "L2",
        "study_date": dt.date(2026, 3, 1), "result_id": 1, "comment": "called",
    },
    "results": {
        "exam_id": 1, "revision": 1, "current": True, "job_id": 1, "category": "osteoporosis", "crossed": True,
        "lowest_t": -3.25, "lowest_vertebra": "L2", "alarm_step": "open", "alarm_status": "raised",
        "alarm_reason": "Below threshold.", "alarm": 1, "bundle": "test-1", "document": {"model": {"bundle": "é"}},
    },
    "estimates": {
        "result_id": 1, "vertebra": "L2", "bmd": 0.7, "sd": 0.05, "t_score": -3.25, "threshold": -2.0, "below": True,
    },
    "outbox": {
        "result_id": 1, "destination": "pacs", "kind": "SR", "sop_class_uid": "1.2.5", "sop_instance_uid": "2.25.1",
        "path": "reports/sr.dcm", "state": "pending", "attempt": 0,
    },
    "audit": {"actor": "mia", "action": "exam.retry", "subject": "exam 1", "detail": {"job": 1}},
}  # fmt: skip
THEN = dt.datetime(2026, 3, 1, 12, 0, 0, 250, tzinfo=dt.UTC)


def migrate_down(store: Store, revision: str) -> None:
    """Undo the migrations after ``revision``, as alembic would on an operator's command line."""
    config = Config()
    config.set_main_option("script_location", str(Path(session.__file__).parent / "migrations"))
    with store.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


def indexes(store: Store, table: str) -> set[str | None]:
    """The names of a table's indexes, as the database has them."""
    with store.read() as tx:
        return {index["name"] for index in sa.inspect(tx).get_indexes(table)}


def fill_as_0001(store: Store) -> None:
    """A row in each table that release 0001 had, whatever columns and tables came since."""
    with store.begin() as tx:
        for name, values in ROWS_OF_0001.items():
            table = sa.Table(name, sa.MetaData(), autoload_with=tx)
            missing = {
                column.name: _in(tx, THEN)
                for column in table.columns
                if column.name.endswith("_at") or column.name in ("not_before", "at")
            }
            tx.execute(table.insert().values({**missing, **values}))


def _in(tx: sa.Connection, time: dt.datetime) -> Any:
    return time.strftime("%Y-%m-%d %H:%M:%S.%f") if tx.dialect.name == "sqlite" else time


def contents(store: Store) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table that release 0001 had, as the database holds it now."""
    with store.read() as tx:
        tables = [sa.Table(name, sa.MetaData(), autoload_with=tx) for name in ROWS_OF_0001]
        return {table.name: [dict(row._mapping) for row in tx.execute(sa.select(table))] for table in tables}
