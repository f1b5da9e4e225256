"""What a process measures of itself reaches the store, and never stops its work."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Mapping
from typing import Any

import pytest
import torch

from screening_node.errors import StoreUnavailable
from screening_node.networks import gpu
from screening_node.queue import vitals
from screening_node.store import gauges
from screening_node.store.gauges import Gauge
from screening_node.store.session import Store

LONG_AGO = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


def there(store: Store) -> list[Gauge]:
    with store.read() as tx:
        return gauges.since(tx, LONG_AGO)


@pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)
def test_new_figures_take_the_place_of_old_ones(store: Store) -> None:
    now = dt.datetime.now(dt.UTC)
    with store.begin() as tx:
        gauges.write(tx, "a", {"x": 1.0, "y": 2.0}, now)
        gauges.write(tx, "b", {"x": 3.0}, now)
        gauges.write(tx, "a", {"x": 4.0}, now)
    assert there(store) == [Gauge(source="a", name="x", value=4.0), Gauge(source="b", name="x", value=3.0)]
    with store.read() as tx:
        assert gauges.since(tx, now + dt.timedelta(seconds=1)) == []


def test_they_are_written_again_and_again_whatever_fails(store: Store) -> None:
    enough = threading.Event()
    calls = iter(range(1, 1000))

    def measure() -> Mapping[str, float]:
        number = next(calls)
        if number == 3:
            raise RuntimeError("the driver is gone")
        if number == 4:
            raise StoreUnavailable("locked")
        if number == 7:
            enough.set()
        return {"x": float(number)}

    with vitals.written(store, "here/worker", measure, every_s=0.01):
        assert enough.wait(30)
    (found,) = there(store)
    assert found.value >= 6.0


def test_where_nothing_can_be_measured_nothing_runs(store: Store) -> None:
    before = threading.active_count()
    with vitals.written(store, "here/worker", lambda: gpu.memory(torch.device("cpu")), every_s=0.01):
        assert threading.active_count() == before
    assert there(store) == []


def test_a_gpu_s_memory_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def info(device: torch.device) -> tuple[int, int]:
        asked.append(device)
        return 30, 100

    monkeypatch.setattr(torch.cuda, "mem_get_info", info)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 20)
    found = gpu.memory(torch.device("cuda:1"))
    assert found == {
        "gpu_memory_total_bytes": 100.0,
        "gpu_memory_used_bytes": 70.0,
        "gpu_memory_reserved_bytes": 20.0,
    }
    assert asked == [torch.device("cuda:1")]
