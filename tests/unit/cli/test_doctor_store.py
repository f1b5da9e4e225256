"""``screening-node doctor`` on the store: tables of another version, and rules of retention that do not work."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from cli.test_doctor import examined

from screening_node.store import chores
from screening_node.store.session import Store


@pytest.fixture
def store(site: Path) -> Store:
    opened = Store(f"sqlite:///{site.parent}/node.sqlite")
    opened.migrate()
    return opened


def rules(site: Path, text: str) -> None:
    site.write_text(site.read_text() + f"\n[retention]\n{text}\n")


def test_tables_of_another_version_are_said_and_left_alone(site: Path, store: Store) -> None:
    store.migrate("0003")
    _, found = examined(site)
    assert found["store"]["state"] == "warn"
    assert "tables 0003" in found["store"]["message"]
    assert "store migrate" in found["store"]["fix"]
    assert store.tables() == "0003"
    store.close()


def test_rules_that_have_not_been_at_work_for_days(site: Path, store: Store) -> None:
    rules(site, "judged_days = 30")
    assert examined(site)[1]["retention"]["state"] == "ok"
    now = dt.datetime.now(dt.UTC)
    with store.begin() as tx:
        chores.take(tx, "retention", now.date() - dt.timedelta(days=1), host="a", now=now - dt.timedelta(days=1))
    assert examined(site)[1]["retention"]["state"] == "ok"
    with store.begin() as tx:
        tx.execute(chores.chores.update().values(at=now - dt.timedelta(days=3)))
    found = examined(site)[1]["retention"]
    assert (found["state"], "on a" in found["message"]) == ("warn", True)
    store.close()


def test_a_reserve_below_the_intakes_own(site: Path, store: Store) -> None:
    rules(site, "min_free_mib = 1")
    found = examined(site)[1]["retention"]
    assert (found["state"], "Raise [retention] min_free_mib" in found["fix"]) == ("warn", True)
    store.close()
