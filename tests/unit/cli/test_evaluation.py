"""``evaluate`` on a site whose networks are untrained: what is written, said and refused."""

import json
from pathlib import Path

from typer.testing import CliRunner, Result

from screening_node.cli import app
from screening_node.errors import Misconfigured
from screening_node.pathways.weights import load_bundle

DRAWN = ["--films", "3", "--size", "512", "--processes", "1"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["evaluate", *arguments])


def test_unseen_films_are_drawn_and_kept_as_a_cohort(site: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("--config", str(site), "--out", str(out), "--true-landmarks", "--json", *DRAWN)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told == json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert told["facts"]["Films"] == "3"
    assert load_bundle(site.parent / "bundle").card.weights_sha256.startswith(told["facts"]["Weights (SHA-256)"])
    overview = told["tables"]["overview"]["rows"]
    assert [row["model"] for row in overview] == ["tiny 0", "tiny 0, true landmarks"]
    assert {row["films"] for row in overview} == {3}
    assert len(told["tables"]["true-landmarks"]["rows"]) == 5
    assert "Untrained. Tests only." in (out / "evaluation.html").read_text(encoding="utf-8")
    assert (out / "tables" / "table-1.csv").exists()

    answers = (out / "predictions" / "tiny-0.csv").read_bytes()
    again = run("--config", str(site), "--cohort", str(out / "cohort"), "--bundle", "bundle", "--out", str(out))
    assert again.exit_code == 0, again.output
    assert (out / "predictions" / "tiny-0.csv").read_bytes() == answers  # nothing was judged twice
    assert "Overview" in again.stdout
    assert "never rules disease out" in " ".join(again.stdout.split())


def test_an_unknown_bundle_is_named_with_those_there_are(site: Path, tmp_path: Path) -> None:
    done = run("--config", str(site), "--bundle", "other", "--out", str(tmp_path / "out"))
    assert isinstance(done.exception, Misconfigured)
    assert "other" in done.exception.message
    assert "bundle" in done.exception.fix
    assert not (tmp_path / "out").exists()


def test_a_broken_cohort_ends_it_before_a_film_is_judged(site: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cohort"
    folder.mkdir()
    (folder / "dxa.csv").write_text("film,patient_id\n", encoding="utf-8")
    done = run("--config", str(site), "--cohort", str(folder), "--out", str(tmp_path / "out"))
    assert isinstance(done.exception, Misconfigured)
    assert "dxa.csv" in str(done.exception)
    assert not (tmp_path / "out" / "predictions").exists()
