from pathlib import Path

import pytest
from typer.testing import CliRunner

from screening_node.cli import app
from screening_node.errors import Misconfigured
from screening_node.phantom.cohort_folder import CohortOrder, write_cohort
from screening_node.settings import REPOSITORY, load_reference_table

runner = CliRunner()


def test_a_cohort_too_small_to_calibrate_on_is_judged_and_refused(site: Path, tmp_path: Path) -> None:
    reference = load_reference_table(REPOSITORY / "config" / "references" / "wang2022-implied.toml")
    order = CohortOrder(films=2, seed=3, size=512)
    list(write_cohort(order, tmp_path / "cohort", reference=reference, processes=1))
    command = ["calibrate", "--cohort", str(tmp_path / "cohort"), "--out", str(tmp_path / "new"), "--config", str(site)]
    answer = runner.invoke(app, [*command, "--by", "scanner", "--specificity", "0.8"])
    assert isinstance(answer.exception, Misconfigured)
    assert "L1: 2 films" in answer.exception.message
    assert (tmp_path / "new" / "answers.csv").exists()
    assert not (tmp_path / "new" / "bundle").exists()


def test_one_figure_is_wanted_not_two(site: Path, tmp_path: Path) -> None:
    command = ["calibrate", "--cohort", str(tmp_path), "--out", str(tmp_path / "new"), "--config", str(site)]
    answer = runner.invoke(app, [*command, "--sensitivity", "0.9", "--specificity", "0.9"])
    assert isinstance(answer.exception, Misconfigured)
    with pytest.raises(Misconfigured, match="either a sensitivity or a specificity"):
        raise answer.exception
