import json
from pathlib import Path

import pydicom
from typer.testing import CliRunner

from screening_node.cli import app

runner = CliRunner()


def test_a_cohort_is_written_where_it_is_wanted(tmp_path: Path) -> None:
    command = ["phantom", "cohort", "--films", "1", "--seed", "8", "--size", "256", "--out", str(tmp_path), "--json"]
    answer = runner.invoke(app, command)
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["generator"].startswith("anatomical")
    assert {path.name for path in tmp_path.iterdir()} >= {"films", "dxa.csv", "landmarks.csv", "manifest.json"}


def test_a_bedside_film_is_antero_posterior(tmp_path: Path) -> None:
    path = tmp_path / "film.dcm"
    command = ["phantom", "film", "--kind", "bedside", "--size", "256"]
    answer = runner.invoke(app, [*command, "--out", str(path)])
    assert answer.exit_code == 0, answer.output
    assert pydicom.dcmread(path).ViewPosition == "AP"
