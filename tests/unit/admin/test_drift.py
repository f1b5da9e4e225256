"""Drift figures: of the newest results, and none where there is nothing to compare."""

from __future__ import annotations

import datetime as dt

import pytest
from admin.filled_store import CROSSING, NOT_EVALUATED, RAISED, fill, judge, receive
from admin_site import a_config
from prometheus_client import generate_latest

from screening_node.admin import drift
from screening_node.admin.app import create_app
from screening_node.domain.histogram import Histogram
from screening_node.domain.result import Refusal, RefusalCode, ScreeningResult
from screening_node.queue import vitals
from screening_node.store import gauges
from screening_node.store.archive import Archive
from screening_node.store.session import Store


def figures(store: Store, archive: Archive, **config: object) -> str:
    return generate_latest(create_app(a_config(**config), store, archive).state.registry).decode()


@pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)
def test_what_concerns_no_chest_film_does_not_count(store: Store) -> None:
    fill(store)
    code = RefusalCode.NOT_A_RADIOGRAPH
    other = ScreeningResult(model=CROSSING.model, refusal=Refusal(code=code, text="A CT slice."))
    judge(store, receive(store, "1.4", "P4"), other, NOT_EVALUATED)
    with store.read() as tx:
        found = drift.recent(tx)
    assert (found.films, found.judged, found.crossed) == (2, 1, 1)
    assert (found.refusal_rate, found.crossing_rate) == (0.5, 1.0)
    assert found.estimates.total == 1
    assert found.spread is None, "one film has no spread"


def test_only_the_newest_count(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "WINDOW", 2)
    fill(store)
    for number in range(3):
        judge(store, receive(store, f"2.{number}", f"Q{number}"), CROSSING, RAISED)
    with store.read() as tx:
        found = drift.recent(tx)
    assert (found.films, found.judged) == (2, 2)
    assert found.spread is not None
    assert found.spread.mean == pytest.approx(0.8)
    assert found.spread.sd == pytest.approx(0.0)


def test_a_histogram_s_spread_is_that_of_its_bins() -> None:
    spread = drift.spread_of(Histogram.of([0.81, 0.82, 0.91, 0.92]))
    assert spread is not None
    assert spread.mean == pytest.approx(0.875)
    assert spread.sd == pytest.approx(0.0577, abs=1e-3)
    assert drift.spread_of(Histogram.of([])) is None


def test_an_empty_node_gives_no_rates(store: Store, archive: Archive) -> None:
    text = figures(store, archive)
    assert "screening_node_recent_films 0.0" in text
    assert 'cohort="recent"' not in text
    assert "screening_node_estimate_overlap" not in text
    assert "gpu" not in text


def test_the_validation_cohort_stands_beside(store: Store, archive: Archive) -> None:
    fill(store)
    text = figures(store, archive, validation=Histogram.of([0.8, 0.81, 1.2]), validation_refusals=0.25)
    assert 'screening_node_refusal_rate{cohort="recent"} 0.5' in text
    assert 'screening_node_refusal_rate{cohort="validation"} 0.25' in text
    assert 'screening_node_estimate_mean{cohort="validation"}' in text
    assert "screening_node_estimate_overlap 0.66" in text


def test_memory_of_a_worker_that_is_gone_is_not_shown(store: Store, archive: Archive) -> None:
    now = dt.datetime.now(dt.UTC)
    with store.begin() as tx:
        gauges.write(tx, "here/worker", {"gpu_memory_used_bytes": 5.0}, now)
        gauges.write(tx, "gone/worker", {"gpu_memory_used_bytes": 7.0}, now - 2 * vitals.FRESH)
    text = figures(store, archive)
    assert 'screening_node_gpu_memory_bytes{kind="used",worker="here/worker"} 5.0' in text
    assert "gone" not in text
