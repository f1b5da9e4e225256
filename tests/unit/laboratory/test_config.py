from pathlib import Path

import pytest

from screening_node.errors import Misconfigured
from screening_node.laboratory import config
from screening_node.laboratory.cohort import TRAIN, VALIDATION, seeds_of

FOLDER = Path(__file__).parents[3] / "config" / "pathways"


@pytest.mark.parametrize("name", ["smoke", "compact", "paper"])
def test_the_shipped_configurations_load(name: str) -> None:
    loaded = config.load(FOLDER / f"{name}.toml")
    assert not set(seeds_of(loaded, TRAIN)) & set(seeds_of(loaded, VALIDATION))


def test_the_paper_has_sixteen_networks_of_one_vertebra_each() -> None:
    members = config.load(FOLDER / "paper.toml").member_architectures()
    assert [member.vertebrae for member in members] == [(v,) for v in ("L1", "L2", "L3", "L4") for _ in range(4)]


def test_the_key_of_a_cohort_follows_what_decides_it() -> None:
    smoke, compact = (config.load(FOLDER / f"{name}.toml") for name in ("smoke", "compact"))
    assert smoke.cohort_key != compact.cohort_key
    assert smoke.cohort_key == config.load(FOLDER / "smoke.toml").cohort_key


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("train = 8", "train = 0", "cohort.train"),
        ("train = 8", 'train = "many"', "cohort.train"),
        ("train = 8", "", "cohort"),
        ("train = 8", "train = 8\nflims = 3", "cohort.flims"),
        ("epochs = 2\nbatch = 4", "epochs = 0\nbatch = 4", "detector_training.epochs"),
        ("learning_rate = 1e-3", "learning_rate = -1.0", "detector_training.learning_rate"),
        ('kind = "dag"', 'kind = "dog"', "detector"),
        ("members = 1", "members = 0", "ensemble.members"),
        ('version = "0.0.0-smoke"', "", "version"),
        ("[cohort]", "[cohort", "cannot be read"),
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
