"""The one statement that SQLite and PostgreSQL both know but SQLAlchemy has no common word for."""

from __future__ import annotations

import functools
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite


def insert_if_absent(tx: sa.Connection, table: sa.Table, /, **values: Any) -> int | str | None:
    """Insert a row unless it breaks a unique constraint; its primary key, or None where such a row is there."""
    inserted: int | str | None = tx.execute(_if_absent(table, tx.dialect.name), values).scalar()
    return inserted


def insert(tx: sa.Connection, table: sa.Table, /, **values: Any) -> int:
    """Insert a row and return its number."""
    return int(tx.execute(_insert(table), values).scalar_one())


@functools.cache  # building a statement takes longer than SQLite needs to run it; its values come as parameters
def _if_absent(table: sa.Table, dialect_name: str) -> sa.Executable:
    dialect = postgresql if dialect_name == "postgresql" else sqlite
    (key,) = table.primary_key.columns
    statement: sa.Executable = dialect.insert(table).on_conflict_do_nothing().returning(key)
    return statement


@functools.cache
def _insert(table: sa.Table) -> sa.Executable:
    (key,) = table.primary_key.columns
    return sa.insert(table).returning(key)
