"""The admin's listings and actions over a real store."""

from __future__ import annotations

import csv
import datetime as dt
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from admin.filled_store import fill, receive

from screening_node.admin import actions, listings
from screening_node.errors import IllegalTransition, NotFound, Permanent
from screening_node.store.session import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path}/node.sqlite")
    opened.migrate()
    fill(opened)
    yield opened
    opened.close()


def test_the_alert_log_names_patient_and_finding(store: Store) -> None:
    (alert,) = listings.alerts(store)
    assert set(alert) == set(listings.ALERT_KEYS)
    assert (alert["state"], alert["category"], alert["lowest_vertebra"]) == ("open", "osteoporosis", "L1")
    assert alert["lowest_t_score"] == pytest.approx(-2.8)
    assert (alert["patient_id"], alert["study_date"]) == ("P1", "2026-02-28")
    assert listings.alerts(store, state="closed") == []


def test_an_alert_shows_the_films_behind_it(store: Store) -> None:
    assert [film["id"] for film in listings.alert(store, 1)["films"]] == [1]
    with pytest.raises(NotFound):
        listings.alert(store, 99)


def test_exams_are_shown_in_the_states_that_an_admin_knows(store: Store) -> None:
    receive(store, "1.4", "P4")
    assert [(exam["id"], exam["state"]) for exam in listings.exams(store)] == [
        (4, "waiting"),
        (3, "failed"),
        (2, "refused"),
        (1, "judged"),
    ]
    assert [exam["refusal"] for exam in listings.exams(store, state="refused")] == ["not-frontal"]
    assert [exam["error"] for exam in listings.exams(store, state="failed")] == ["It broke three times."]
    with pytest.raises(NotFound, match="judged"):
        listings.exams(store, state="nonsense")


def test_an_exam_shows_estimates_instances_deliveries_and_limits(store: Store) -> None:
    exam = listings.exam(store, 1)
    assert [estimate["vertebra"] for estimate in exam["estimates"]] == ["L1", "L2"]
    assert exam["estimates"][0]["below"] is True
    assert [instance["sop_instance_uid"] for instance in exam["instances"]] == ["1.1"]
    assert [delivery["state"] for delivery in exam["deliveries"]] == ["parked"]
    assert "not for clinical use" in exam["limits_of_use"]
    assert listings.exam(store, 3)["limits_of_use"] is None
    json.dumps(exam)


def test_limits_take_the_newest(store: Store) -> None:
    assert [exam["id"] for exam in listings.exams(store, limit=1)] == [3]


def test_deliveries_are_filtered(store: Store) -> None:
    assert [row["id"] for row in listings.deliveries(store)] == [2, 1]
    assert [row["error"] for row in listings.deliveries(store, state="parked")] == ["SOP class refused"]
    assert listings.deliveries(store, destination="elsewhere") == []


def test_acknowledging_is_audited_and_happens_once(store: Store) -> None:
    actions.acknowledge(store, 1, actor="mia", comment="called the ward")
    assert listings.alerts(store)[0]["acknowledged_by"] == "mia"
    with pytest.raises(IllegalTransition):
        actions.acknowledge(store, 1, actor="mia", comment=None)
    actions.close(store, 1, actor="tom", comment=None)
    rows = listings.audit(store)
    assert [(row["actor"], row["action"], row["subject"]) for row in rows] == [
        ("tom", "alert.close", "alert 1"),
        ("mia", "alert.acknowledge", "alert 1"),
    ]


def test_a_failed_exam_is_judged_again(store: Store) -> None:
    actions.retry_exam(store, 3, actor="mia")
    assert listings.exam(store, 3)["state"] == "waiting"
    with pytest.raises(IllegalTransition):
        actions.retry_exam(store, 3, actor="mia")
    assert [row["action"] for row in listings.audit(store)] == ["exam.retry"]


def test_a_parked_delivery_is_sent_again(store: Store) -> None:
    actions.retry_delivery(store, 1, actor="mia")
    assert {row["id"]: row["state"] for row in listings.deliveries(store)}[1] == "pending"
    with pytest.raises(NotFound):
        actions.retry_delivery(store, 99, actor="mia")


def test_a_note_keeps_what_it_does_not_mention(store: Store) -> None:
    actions.note_patient(store, "P1", None, diagnosed=True, last_dxa=None, actor="mia")
    noted = actions.note_patient(store, "P1", None, diagnosed=None, last_dxa=dt.date(2026, 1, 5), actor="mia")
    assert (noted["seen"], noted["diagnosed"], noted["last_dxa"]) == (True, True, "2026-01-05")


def test_a_note_in_advance_stands_when_the_film_comes(store: Store) -> None:
    noted = actions.note_patient(store, "P9", "SITE", diagnosed=True, last_dxa=None, actor="mia")
    assert noted["seen"] is False
    receive(store, "1.9", "P9", issuer="SITE")
    assert listings.patient_key(store, "P9", None) == (noted["patient_key"], True)


def test_a_note_does_not_guess_between_issuers(store: Store) -> None:
    receive(store, "1.5", "P1", issuer="OTHER")
    with pytest.raises(Permanent, match="issuer"):
        actions.note_patient(store, "P1", None, diagnosed=True, last_dxa=None, actor="mia")


def test_the_audit_holds_no_patient_id(store: Store) -> None:
    actions.note_patient(store, "P1", None, diagnosed=True, last_dxa=None, actor="mia")
    assert "P1" not in json.dumps(listings.audit(store))


def test_export_to_csv_is_private_and_harmless(store: Store, tmp_path: Path) -> None:
    to = tmp_path / "alerts.csv"
    assert actions.export_alerts(store, to, state=None, actor="mia") == 1
    with to.open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["patient_name"] == "'=HYPERLINK(1)"
    assert float(row["lowest_t_score"]) == pytest.approx(-2.8)
    assert stat.S_IMODE(to.stat().st_mode) == 0o600
    assert listings.audit(store)[0]["detail"] == {"count": 1}


def test_export_to_json_is_the_listing(store: Store, tmp_path: Path) -> None:
    actions.export_alerts(store, tmp_path / "a.json", state="open", actor="mia")
    assert json.loads((tmp_path / "a.json").read_text()) == listings.alerts(store, state="open")


@pytest.mark.parametrize("name", ["alerts.pdf", "absent/alerts.csv"])
def test_an_export_that_cannot_be_is_said(store: Store, tmp_path: Path, name: str) -> None:
    with pytest.raises(Permanent):
        actions.export_alerts(store, tmp_path / name, state=None, actor="mia")
