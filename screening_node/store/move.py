"""The whole database to another one, as from SQLite to PostgreSQL when a second host joins.

One transaction there: either every row is over, counted and summed alike, or the target is as empty as before and the
move can be run again. The source is only read.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from screening_node.errors import Misconfigured, StoreUnavailable
from screening_node.store.session import Store
from screening_node.store.tables import metadata

_AT_ONCE = 1000
_MODULUS = 2**256


@dataclass(frozen=True, kw_only=True)
class Contents:
    """A table's rows, as far as two tables can be told apart by it.

    ``checksum``: the sum of every row's SHA-256, modulo 2^256, so that no order has to be agreed on.
    """

    table: str
    rows: int
    checksum: str


def move(source: Store, target: Store, *, on_table: Callable[[Contents], None] = lambda contents: None) -> None:
    """Copy every row, in the order of the tables' references; then compare what both databases hold.

    Raises Misconfigured where the tables differ in version or the target holds rows, StoreUnavailable where one of
    the databases fails or they differ afterwards. Nobody may write to the source meanwhile.
    """
    target.migrate()
    if source.tables() != target.tables():
        raise Misconfigured(
            f"The store's tables are {source.tables()}, this version's {target.tables()}.",
            fix="Bring it up to date first: screening-node store migrate.",
        )
    with source.read() as here, target.begin() as there:
        _keep_others_out(there)
        if full := _first_with_rows(there):
            raise Misconfigured(
                f"The other database is in use: its table {full} holds rows.", fix="Name an empty database."
            )
        for table in metadata.sorted_tables:
            on_table(_copied(here, there, table))


def contents(tx: sa.Connection, table: sa.Table) -> Contents:
    """Count and sum up a table."""
    rows, total = 0, 0
    for batch in _batches(tx, table):
        rows += len(batch)
        total = (total + sum(map(_digest, batch))) % _MODULUS
    return Contents(table=table.name, rows=rows, checksum=f"{total:064x}")


def _copied(here: sa.Connection, there: sa.Connection, table: sa.Table) -> Contents:
    for batch in _batches(here, table):
        there.execute(table.insert(), batch)
    _continue_numbers(there, table)
    before, after = contents(here, table), contents(there, table)
    if before != after:
        raise StoreUnavailable(
            f"Table {table.name} did not come over as it was: {before.rows} rows here, {after.rows} there, or other "
            "values. Nothing was kept there.",
            fix="Stop every node on this store and run the move again.",
        )
    return after


def _batches(tx: sa.Connection, table: sa.Table) -> Iterator[Sequence[dict[str, Any]]]:
    """Every row, streamed: no table has to fit into memory."""
    statement = sa.select(table).execution_options(stream_results=True, max_row_buffer=_AT_ONCE)
    result = tx.execute(statement)
    for rows in result.partitions(_AT_ONCE):
        yield [dict(row._mapping) for row in rows]


def _digest(row: Mapping[str, Any]) -> int:
    text = json.dumps(row, sort_keys=True, ensure_ascii=False, default=_as_text)
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())


def _as_text(value: dt.datetime | dt.date) -> str:
    return value.isoformat()


def _continue_numbers(tx: sa.Connection, table: sa.Table) -> None:
    """The next row's number comes after those that were copied; SQLite sees to that by itself."""
    number = table.autoincrement_column
    if tx.dialect.name != "postgresql" or number is None:
        return
    sequence = sa.func.pg_get_serial_sequence(table.name, number.name)
    highest = sa.select(sa.func.max(number)).scalar_subquery()
    tx.execute(sa.select(sa.func.setval(sequence, sa.func.coalesce(highest, 1), highest.is_not(None))))


def _keep_others_out(tx: sa.Connection) -> None:
    """No node may start to work on a target that is half full."""
    if tx.dialect.name == "postgresql":
        names = ", ".join(table.name for table in metadata.sorted_tables)
        tx.execute(sa.text(f"LOCK TABLE {names} IN EXCLUSIVE MODE"))


def _first_with_rows(tx: sa.Connection) -> str | None:
    for table in metadata.sorted_tables:
        if tx.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is not None:
            return table.name
    return None
