"""What processes measure of themselves, kept for whoever serves /metrics: each source's newest figures alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from screening_node.store.tables import gauges


@dataclass(frozen=True, kw_only=True, slots=True)
class Gauge:
    """One figure: ``source`` is the process that measured it, such as "host/worker"."""

    source: str
    name: str
    value: float


def write(tx: sa.Connection, source: str, figures: Mapping[str, float], now: dt.datetime) -> None:
    """The source's figures of this moment, in the place of its former ones."""
    tx.execute(gauges.delete().where(gauges.c.source == source))
    rows = [{"source": source, "name": name, "value": value, "at": now} for name, value in figures.items()]
    if rows:
        tx.execute(gauges.insert(), rows)


def since(tx: sa.Connection, time: dt.datetime) -> list[Gauge]:
    """The figures measured since some time: older ones are of processes that are gone."""
    rows = tx.execute(sa.select(gauges).where(gauges.c.at >= time).order_by(gauges.c.source, gauges.c.name))
    return [Gauge(source=row.source, name=row.name, value=row.value) for row in rows]
