"""The one statement that SQLite and PostgreSQL both know but SQLAlchemy has no common word for."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite


def insert_if_absent(tx: sa.Connection, table: sa.Table, /, **values: Any) -> int | str | None:
    """Insert a row unless it breaks a unique constraint; its primary key, or None where such a row is there."""
    dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(**values).on_conflict_do_nothing()
    (key,) = table.primary_key.columns
    inserted: int | str | None = tx.execute(statement.returning(key)).scalar()
    return inserted


def insert(tx: sa.Connection, table: sa.Table, /, **values: Any) -> int:
    """Insert a row and return its number."""
    (key,) = table.primary_key.columns
    return int(tx.execute(sa.insert(table).values(**values).returning(key)).scalar_one())
