import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from screening_node.cli import app
from screening_node.errors import Misconfigured
from screening_node.phantom.cohort_folder import CohortOrder, write_cohort
from screening_node.settings import REPOSITORY, load_reference_table

runner = CliRunner()


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    table = load_reference_table(REPOSITORY / "config" / "references" / "wang2022-implied.toml")
    list(write_cohort(CohortOrder(films=2, seed=3, size=256), folder, reference=table, processes=1))
    return folder


def test_a_good_cohort_is_said_to_be_one_by_the_table_that_it_names(cohort: Path) -> None:
    answer = runner.invoke(app, ["cohort", "check", str(cohort)])
    assert answer.exit_code == 0, answer.output
    assert answer.stdout == "2 films of 2 patients; nothing is wrong; T-scores are those of wang2022-implied 1.\n"


def test_what_is_wrong_is_told_as_json(cohort: Path) -> None:
    answer = runner.invoke(app, ["cohort", "check", str(cohort), "--reference", "hong-kong-women", "--json", "--quick"])
    assert answer.exit_code == 2
    told = json.loads(answer.stdout)
    assert told["films"] == 2
    assert {problem["kind"] for problem in told["problems"]} == {"T-scores of another reference"}
    assert told["problems"][0]["file"] == "dxa.csv"


def test_what_is_wrong_is_an_error_of_the_command(cohort: Path) -> None:
    answer = runner.invoke(app, ["cohort", "check", str(cohort), "--reference", "hong-kong-women"])
    assert isinstance(answer.exception, Misconfigured)
