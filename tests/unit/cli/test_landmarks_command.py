import json
from pathlib import Path

import safetensors.torch
from laboratory.annotated_films import write_annotated
from typer.testing import CliRunner

from screening_node.cli import app
from screening_node.pathways.chest_film.architecture import DetectorArchitecture
from screening_node.pathways.chest_film.landmarks import build_detector

runner = CliRunner()

CONFIG = """
name = "tiny"
kinds = ["heatmap"]
[detector]
kind = "heatmap"
backbone = "compact"
size = 64
widths = [8, 8]
width = 8
normalisation = { kind = "local-contrast", scales = [0.1] }
[pretraining]
epochs = 1
batch = 2
learning_rate = 1e-3
[tuning]
epochs = 1
batch = 2
learning_rate = 1e-3
[data]
folds = 3
held_out = 1
square = 64
films = 2
[detector_real]
[augmentation]
"""


def test_detectors_are_trained_and_scored_by_one_command(tmp_path: Path) -> None:
    cohort, real, out = tmp_path / "cohort", tmp_path / "real", tmp_path / "out"
    drawn = ["phantom", "cohort", "--films", "3", "--size", "256", "--out", str(cohort)]
    assert runner.invoke(app, drawn).exit_code == 0
    pictures = write_annotated(real)
    config = tmp_path / "tiny.toml"
    config.write_text(CONFIG)
    command = ["landmarks", "--cohort", str(cohort), "--real", str(real), "--pictures", str(pictures)]
    command += ["--config", str(config), "--folds", "2", "--out", str(out), "--json"]
    answer = runner.invoke(app, command)
    assert answer.exit_code == 0, answer.output
    figures = json.loads(answer.stdout)
    assert figures["folds"] == 2
    assert figures["best"] == "heatmap"
    architecture = DetectorArchitecture.from_dict(json.loads((out / "detector.json").read_text()))
    build_detector(architecture).load_state_dict(safetensors.torch.load_file(out / "detector.safetensors"))
    assert "Real films (6 usual ones)" in (out / "landmarks.md").read_text()


def test_a_cohort_that_is_too_small_is_named(tmp_path: Path) -> None:
    cohort, real = tmp_path / "cohort", tmp_path / "real"
    drawn = ["phantom", "cohort", "--films", "1", "--size", "256", "--out", str(cohort)]
    assert runner.invoke(app, drawn).exit_code == 0
    config = tmp_path / "tiny.toml"
    config.write_text(CONFIG)
    command = ["landmarks", "--cohort", str(cohort), "--real", str(real), "--out", str(tmp_path / "out")]
    command += ["--pictures", str(write_annotated(real)), "--config", str(config)]
    answer = runner.invoke(app, command)
    assert answer.exit_code != 0
    assert "1 films, of which 1 are to be held out" in str(answer.exception)
