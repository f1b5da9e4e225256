"""The alert rules in docs/ speak of figures that the node gives."""

from __future__ import annotations

import re
from pathlib import Path

from admin.filled_store import fill
from admin_site import a_config
from prometheus_client import generate_latest

from screening_node.admin.app import create_app
from screening_node.store.archive import Archive
from screening_node.store.session import Store

RULES = Path(__file__).parents[3] / "docs" / "prometheus-rules.yml"


def test_every_figure_of_the_rules_is_there(store: Store, archive: Archive) -> None:
    fill(store)
    given = generate_latest(create_app(a_config(), store, archive).state.registry).decode()
    wanted = set(re.findall(r'screening_node_\w+(?:\{state="\w+"\})?', RULES.read_text()))
    assert len(wanted) >= 5
    for figure in wanted:
        name, _, label = figure.partition("{")
        assert re.search(rf"^{name}\b.*{re.escape(label.rstrip('}'))}", given, re.M), figure
