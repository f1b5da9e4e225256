"""``screening-node screen``: one object a film, whatever the film is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest
from typer.testing import CliRunner, Result

from screening_node import cli

KEYS = {
    "file",
    "pathway",
    "refusal",
    "estimates",
    "category",
    "alarm",
    "landmarks",
    "bundle",
    "error",
    "limits_of_use",
    "report",
}
Screen = Callable[..., Result]


@pytest.fixture
def screen(site: Path) -> Screen:
    def call(*arguments: str | Path) -> Result:
        return CliRunner().invoke(
            cli.app, ["screen", *map(str, arguments), "--config", str(site)], catch_exceptions=False
        )

    return call


def listed(done: Result) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(done.stdout)
    assert all(set(one) == KEYS for one in found)
    return found


def test_a_judged_film_has_all_that_was_found(screen: Screen, films: Path) -> None:
    done = screen(films / "frontal.dcm", "--json")
    assert done.exit_code == 0, done.output
    (one,) = listed(done)
    assert (one["file"], one["pathway"], one["refusal"], one["error"]) == (
        str(films / "frontal.dcm"),
        "chest_film",
        None,
        None,
    )
    assert [estimate["vertebra"] for estimate in one["estimates"]] == ["L1", "L2", "L3", "L4"]
    assert all(
        set(estimate) == {"vertebra", "bmd", "sd", "t_score", "threshold", "below"} for estimate in one["estimates"]
    )
    assert one["alarm"] is any(estimate["below"] for estimate in one["estimates"])
    assert one["category"] in ("normal", "osteopenia", "osteoporosis")
    assert len(one["landmarks"]) == 16
    assert (one["bundle"], one["limits_of_use"]) == ("tiny 0", "Untrained. Tests only.")


def test_a_refused_film_is_a_result(screen: Screen, films: Path) -> None:
    done = screen(films / "lateral.dcm", "--json")
    assert done.exit_code == 0
    (one,) = listed(done)
    assert one["refusal"]["code"] == "not-frontal"
    assert (one["estimates"], one["category"], one["alarm"]) == ([], None, None)


def test_what_cannot_be_read_is_its_own_error_and_the_others_are_judged(
    screen: Screen, films: Path, tmp_path: Path
) -> None:
    good = (films / "frontal.dcm").read_bytes()
    broken = {"empty.dcm": b"", "cut.dcm": good[:200], "magic.dcm": good[:128] + b"MCID" + good[132:]}
    for name, content in broken.items():
        (tmp_path / name).write_bytes(content)
    done = screen(*(tmp_path / name for name in broken), tmp_path / "absent.dcm", films / "frontal.dcm", "--json")
    assert done.exit_code == 1
    found = listed(done)
    assert [one["error"] and one["error"]["code"] for one in found] == ["unreadable-object"] * 4 + [None]
    assert found[4]["estimates"]


def test_a_folder_stands_for_the_files_in_it(screen: Screen, films: Path, tmp_path: Path) -> None:
    inner = tmp_path / "films" / "inner"
    inner.mkdir(parents=True)
    (inner / "one.dcm").write_bytes((films / "lateral.dcm").read_bytes())
    (inner / ".hidden").write_bytes(b"")
    done = screen(tmp_path / "films", "--json")
    assert [one["file"] for one in listed(done)] == [str(inner / "one.dcm")]
    assert "a folder with 1 files" in done.stderr


def test_reports_are_written_under_names_of_their_own(screen: Screen, films: Path, tmp_path: Path) -> None:
    done = screen(films / "frontal.dcm", films / "frontal.dcm", "--out", tmp_path / "reports", "--json")
    found = listed(done)
    assert [Path(one["report"]).name for one in found] == ["frontal.sr.dcm", "frontal-2.sr.dcm"]
    report = pydicom.dcmread(found[0]["report"])
    assert report.Modality == "SR"
    assert report.StudyInstanceUID == pydicom.dcmread(films / "frontal.dcm").StudyInstanceUID


def test_the_table_says_what_json_says(screen: Screen, films: Path) -> None:
    done = screen(films / "frontal.dcm", films / "lateral.dcm")
    assert "L4" in done.stdout
    assert "refused" in done.stdout
    assert "Untrained. Tests only." in done.stdout


def test_a_folder_that_cannot_be_made_is_said(site: Path, films: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = CliRunner().invoke(
        cli.app, ["screen", str(films), "--out", str(tmp_path / "file" / "reports"), "--config", str(site)]
    )
    assert done.exit_code == 1
    assert "cannot be made" in str(done.exception)
