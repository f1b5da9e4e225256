"""The alert rules and the dashboard in docs/ speak of figures that the node gives."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from admin.filled_store import CROSSING, RAISED, fill, judge, receive
from admin_site import a_config
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from screening_node.admin.app import create_app
from screening_node.domain.histogram import Histogram
from screening_node.store import gauges, outbox
from screening_node.store.archive import Archive
from screening_node.store.session import Store

DOCS = Path(__file__).parents[3] / "docs"
#: Labels that Prometheus adds, and the variables of a dashboard.
ADDED = {"job", "instance"}
FIGURE = re.compile(r"(screening_node_\w+)(?:\{([^}]*)\})?")


def dashboard() -> Iterator[str]:
    board = json.loads((DOCS / "grafana-dashboard.json").read_text())
    for panel in board["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (variable["definition"] for variable in board["templating"]["list"] if "definition" in variable)


def rules() -> Iterator[str]:
    text = (DOCS / "prometheus-rules.yml").read_text()
    yield from re.findall(r"expr: (?:>-\n)?((?:.|\n)*?)(?=\n +(?:for|annotations):)", text)


@pytest.fixture
def given(store: Store, archive: Archive) -> list[Sample]:
    """All that the node gives where it has all: films, reports that arrived, a GPU, a card that tells of validation."""
    fill(store)
    judge(store, receive(store, "1.4", "P4"), CROSSING, RAISED)
    now = dt.datetime.now(dt.UTC)
    with store.begin() as tx:
        figures = {f"gpu_memory_{kind}_bytes": 1e9 for kind in ("total", "used", "reserved")}
        gauges.write(tx, "here/worker", figures, now)
        outbox.requeue(tx, 1, now)
    (first, *_) = outbox.claim_due(store, "pacs", "sender", now, 1, 60.0)
    config = a_config(validation=Histogram.of([0.8, 0.9, 1.0]), validation_refusals=0.01)
    app = create_app(config, store, archive)
    with store.begin() as tx:
        outbox.delivered(tx, first, dt.datetime.now(dt.UTC))
    app.state.durations.catch_up()
    text = generate_latest(app.state.registry).decode()
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


@pytest.mark.parametrize("expressions", [dashboard, rules])
def test_every_figure_with_its_labels_is_there(given: list[Sample], expressions: object) -> None:
    assert callable(expressions)
    asked = [found for text in expressions() for found in FIGURE.findall(text)]
    assert len(asked) >= 15
    for name, matchers in asked:
        samples = [sample for sample in given if sample.name == name]
        assert samples, name
        for label, sign, value in re.findall(r'(\w+)(=~|=)"([^"]*)"', matchers):
            if label not in ADDED:
                pattern = value if sign == "=~" else re.escape(value)
                assert any(re.fullmatch(pattern, sample.labels.get(label, "")) for sample in samples), (name, label)


@pytest.mark.parametrize("expressions", [dashboard, rules])
def test_what_is_summed_by_is_a_label(given: list[Sample], expressions: object) -> None:
    assert callable(expressions)
    known = {label for sample in given for label in sample.labels} | ADDED
    for text in expressions():
        for listed in re.findall(r"\b(?:by|on|ignoring) ?\(([^)]*)\)", text):
            assert {label.strip() for label in listed.split(",")} <= known, text


def test_all_rules_are_read() -> None:
    assert len(list(rules())) == (DOCS / "prometheus-rules.yml").read_text().count("- alert:")


def test_no_two_panels_share_a_place_or_a_number() -> None:
    panels = json.loads((DOCS / "grafana-dashboard.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
