"""Takes a store to another version of its tables, as alembic would on an operator's command line."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from screening_node.store import session
from screening_node.store.session import Store


def migrate_down(store: Store, revision: str) -> None:
    """Undo the migrations after ``revision``."""
    config = Config()
    config.set_main_option("script_location", str(Path(session.__file__).parent / "migrations"))
    with store.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


def indexes(store: Store, table: str) -> set[str | None]:
    """The names of a table's indexes, as the database has them."""
    with store.read() as tx:
        return {index["name"] for index in sa.inspect(tx).get_indexes(table)}
