"""What programs read: the API, health and figures."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from admin_site import Browser, a_config, running

from screening_node.admin import listings
from screening_node.admin.accounts import Accounts
from screening_node.store.archive import Archive
from screening_node.store.session import Store


@pytest.mark.parametrize(
    ("path", "listing"),
    [
        ("/alerts", lambda store: listings.alerts(store)),
        ("/alerts/1", lambda store: listings.alert(store, 1)),
        ("/exams", lambda store: listings.exams(store)),
        ("/exams/1", lambda store: listings.exam(store, 1)),
        ("/deliveries?state=parked", lambda store: listings.deliveries(store, state="parked")),
        ("/exams?state=failed&limit=1", lambda store: listings.exams(store, state="failed", limit=1)),
    ],
)
def test_the_api_says_what_the_command_line_says(browser: Browser, filled: Store, path: str, listing: Any) -> None:
    assert browser.get(f"/api/v1{path}").json() == json.loads(json.dumps(listing(filled)))


def test_a_token_reads_the_api_with_its_users_rights(guarded: str, filled: Store) -> None:
    token = Accounts(filled).token("viewer", actor="admin")
    with Browser(guarded) as program:
        headers = {"Authorization": f"Bearer {token}"}
        assert program.get("/api/v1/alerts", headers=headers).status_code == 200
        assert program.get("/api/v1/audit", headers=headers).status_code == 403
        assert program.get("/alerts/1", headers=headers).status_code == 303, "a token opens no page"
        wrong = program.get("/api/v1/alerts", headers={"Authorization": "Bearer no"})
        assert (wrong.status_code, list(wrong.json())) == (401, ["error"])


def test_the_api_says_what_is_wrong(shown: Browser) -> None:
    assert shown.get("/api/v1/exams/99").status_code == 404
    assert shown.get("/api/v1/alerts?state=nonsense").json()["error"]["fix"]
    assert shown.get("/api/v1/alerts?limit=0").status_code == 422


def test_the_api_is_described(shown: Browser) -> None:
    described = shown.get("/api/v1/openapi.json").json()
    assert set(described["paths"]) >= {"/api/v1/alerts", "/api/v1/exams/{number}", "/api/v1/deliveries"}


def test_machines_that_watch_get_figures_and_no_patients(guarded: str) -> None:
    with Browser(guarded) as machine:
        assert machine.get("/health/live").text == "alive\n"
        assert machine.get("/health/ready").json() == {"ready": True, "why": None}
        text = machine.get("/metrics").text
        for line in (
            'screening_node_queue_films{state="dead"} 1.0',
            'screening_node_deliveries{destination="pacs",state="parked"} 1.0',
            'screening_node_results_total{outcome="refused",reason="not-frontal"} 1.0',
            "screening_node_alerts_open 1.0",
            "screening_node_judge_seconds_count 2.0",
        ):
            assert line in text, line
        for secret in ("P1", "Doe", "HYPERLINK", "A1", "1.1"):
            assert secret not in re.sub(r"\d+\.\d+(e[+-]\d+)?$", "", text, flags=re.M).replace("0.1.0", "")


def test_a_node_whose_store_is_gone_is_not_ready(filled: Store, archive: Archive) -> None:
    with running(a_config(), filled, archive) as address, Browser(address) as machine:
        assert filled.file is not None
        filled.file.unlink()
        assert machine.get("/health/live").status_code == 200
        assert machine.get("/health/ready").status_code == 503
        assert machine.get("/metrics").status_code == 503
        assert "database file" in machine.get("/").text


def test_a_full_disk_is_not_ready(filled: Store, archive: Archive) -> None:
    with running(a_config(min_free_bytes=2**60), filled, archive) as address, Browser(address) as machine:
        assert machine.get("/health/ready").json()["why"] == "DiskFull"
        assert "The disk is full" in machine.get("/").text
