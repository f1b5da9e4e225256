"""The admin's commands over a real store: tables, JSON, errors, exit codes, audit."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from admin.filled_store import fill
from typer.testing import CliRunner, Result

from screening_node import cli
from screening_node.store.session import Store

Run = Callable[..., Result]

CONFIG = """
[store]
url = "sqlite:///node.sqlite"
archive = "archive"
[pathways.chest_film]
bundle = "bundle"
reference = "wang2022-implied"
thresholds = "flex"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "card.toml").touch()
    (tmp_path / "node.toml").write_text(CONFIG)
    store = Store(f"sqlite:///{tmp_path}/node.sqlite")
    store.migrate()
    fill(store)
    store.close()
    return tmp_path / "node.toml"


@pytest.fixture
def run(config: Path) -> Run:
    """Run a command on the filled store."""

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(cli.app, [*arguments, "--config", str(config)], catch_exceptions=False)

    return call


def listed(run: Run, *arguments: str) -> Any:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("alerts", "list"), "osteoporosis"),
        (("alerts", "show", "1"), "lowest vertebra: L1"),
        (("exams", "list"), "not-frontal"),
        (("exams", "list", "--state", "failed"), "It broke three"),
        (("exams", "show", "1"), "limits of use: Phantom-trained"),
        (("deliveries", "list"), "parked"),
    ],
)
def test_tables_say_it(run: Run, command: tuple[str, ...], expected: str) -> None:
    done = run(*command)
    assert done.exit_code == 0
    assert expected in " ".join(done.stdout.split())


def test_names_cannot_drive_the_terminal(run: Run) -> None:
    done = run("exams", "show", "2")
    assert "Doe" in done.stdout
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("group", ["alerts", "exams", "deliveries", "audit"])
def test_every_listing_is_a_json_list(run: Run, group: str) -> None:
    assert isinstance(listed(run, group, "list"), list)


def test_an_acknowledged_alert_names_the_actor_everywhere(run: Run) -> None:
    assert run("alerts", "acknowledge", "1", "--comment", "DXA booked", "--actor", "mia").exit_code == 0
    (alert,) = listed(run, "alerts", "list")
    assert (alert["state"], alert["acknowledged_by"], alert["comment"]) == ("acknowledged", "mia", "DXA booked")
    (entry,) = listed(run, "audit", "list")
    assert (entry["actor"], entry["action"]) == ("mia", "alert.acknowledge")


def test_the_actor_is_the_user_where_none_is_given(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "tom")
    run("alerts", "close", "1")
    (entry,) = listed(run, "audit", "list")
    assert entry["actor"] == "tom"


def test_an_alarm_is_retracted_with_a_reason(run: Run) -> None:
    told = listed(run, "alerts", "retract", "1", "--reason", "A marker lay on the clavicle.", "--actor", "dr")
    assert (told["state"], told["outcome"]) == ("closed", "retracted")
    assert listed(run, "alerts", "show", "1")["comment"] == "A marker lay on the clavicle."
    assert [row["actor"] for row in listed(run, "audit", "list") if row["action"] == "alert.retract"] == ["dr"]
    assert run("alerts", "retract", "1").exit_code == 2, "a reason has to be given"


def test_all_deliveries_are_retried(run: Run) -> None:
    assert listed(run, "deliveries", "retry", "--all") == {"count": 1}
    assert "parked" not in {row["state"] for row in listed(run, "deliveries", "list")}


def test_a_failed_exam_is_retried(run: Run) -> None:
    assert listed(run, "exams", "retry", "3") == {"id": 3, "state": "waiting"}


def test_a_note_about_an_unknown_patient_is_questioned(run: Run) -> None:
    done = run("patients", "note", "NOBODY", "--diagnosed")
    assert done.exit_code == 0
    assert "No film of a patient" in done.stderr


def test_a_note_has_to_say_something(run: Run) -> None:
    assert run("patients", "note", "P1").exit_code == 2


def test_an_export_lies_where_it_was_asked_for(run: Run, tmp_path: Path) -> None:
    assert run("alerts", "export", "--out", str(tmp_path / "alerts.csv")).exit_code == 0
    assert (tmp_path / "alerts.csv").read_text(encoding="utf-8-sig").startswith("number,state,category")


def exit_of_main(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int | str | None:
    """Run the whole program in this process; its exit code."""
    monkeypatch.setattr(sys, "argv", ["screening-node", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


def test_what_is_not_there_is_an_error_with_a_fix(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_of_main(monkeypatch, "alerts", "show", "99", "--config", config) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "There is no alert 99. Fix: " in said.err
    assert "Traceback" not in said.err


def test_a_wrong_configuration_is_exit_code_2(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(config.read_text() + "[nodes]\n")
    for command in (("serve",), ("alerts", "list"), ("screen", "film.dcm"), ("send", __file__)):
        assert exit_of_main(monkeypatch, *command, "--config", config) == 2
        assert f"{config}: nodes: " in capsys.readouterr().err
