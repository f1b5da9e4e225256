from pathlib import Path

import pytest

from screening_node.errors import Misconfigured
from screening_node.laboratory import config
from screening_node.laboratory.experiment.plan import load_plan

FOLDER = Path(__file__).parents[3] / "config" / "pathways"
EXPERIMENTS = Path(__file__).parents[3] / "config" / "experiments"


@pytest.mark.parametrize("name", ["smoke", "compact", "paper"])
def test_the_shipped_configurations_load(name: str) -> None:
    assert config.load(FOLDER / f"{name}.toml").reference == "wang2022-implied"


def test_the_paper_has_sixteen_networks_of_one_vertebra_each() -> None:
    paper = config.load(FOLDER / "paper.toml")
    assert [network.vertebrae for network in paper.architectures()] == [(v,) for v in ("L1", "L2", "L3", "L4")]
    assert paper.split.folds == 4


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("folds = 2", "folds = 1", "split.folds"),
        ("folds = 2", 'folds = "many"', "split.folds"),
        ("folds = 2", "folds = 2\nflods = 3", "split.flods"),
        ("views = 1", "views = 0", "inputs.views"),
        ("epochs = 2\nbatch = 4", "epochs = 0\nbatch = 4", "detector_training.epochs"),
        ("learning_rate = 1e-3", "learning_rate = -1.0", "detector_training.learning_rate"),
        ('kind = "dag"', 'kind = "dog"', "detector"),
        ('version = "0.0.0-smoke"', "", "version"),
        ("[split]", "[split", "cannot be read"),
        ("[ensemble]", "[ensembel]", "ensembel"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, named: str) -> None:
    text = (FOLDER / "smoke.toml").read_text()
    assert old in text
    path = tmp_path / "wrong.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(Misconfigured, match=named) as caught:
        config.load(path)
    assert str(path) in caught.value.message
    assert caught.value.fix


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"gone\.toml"):
        config.load(tmp_path / "gone.toml")


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("*.toml")), ids=lambda path: path.stem)
def test_the_shipped_experiments_load(path: Path) -> None:
    plan = load_plan(path)
    tables = {model.table for model in plan.models}
    assert {"single-roi", "models"} <= tables


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("seed = 30000000", "seed = 10000001", "seeds that train has drawn"),
        ('name = "clavicle"', 'name = "cervical"', "must differ in table and name"),
        ('only = ["cervical"]', 'only = ["servical"]', "servical"),
        ('layout = "patches-3"', 'layout = "patches-9"', "patches-9"),
        ("seeds = [0, 1, 2]", "seeds = []", "at least one seed"),
        ("epochs = ", "epoch = ", "training.epoch"),
    ],
)
def test_what_is_wrong_in_an_experiment_is_named(tmp_path: Path, old: str, new: str, named: str) -> None:
    text = (EXPERIMENTS / "two-cores.toml").read_text()
    assert old in text
    path = tmp_path / "wrong.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(Misconfigured, match=named):
        load_plan(path)
