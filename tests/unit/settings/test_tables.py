"""Reference tables and threshold sets: every shipped one loads, every broken one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from screening_node.domain.result import Vertebra
from screening_node.errors import Misconfigured
from screening_node.settings import load_reference_table, load_threshold_set

CONFIG = Path(__file__).parents[3] / "config"
TABLE = (CONFIG / "references" / "wang2022-implied.toml").read_text()
THRESHOLDS = (CONFIG / "thresholds" / "flex.toml").read_text()


@pytest.mark.parametrize("path", sorted((CONFIG / "references").glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_table_loads_under_its_name_and_has_a_source(path: Path) -> None:
    table = load_reference_table(path)
    assert table.name == path.stem
    assert table.source


@pytest.mark.parametrize("path", sorted((CONFIG / "thresholds").glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_threshold_set_loads_under_its_name(path: Path) -> None:
    thresholds = load_threshold_set(path)
    assert thresholds.name == path.stem
    assert set(thresholds.by_vertebra) == set(Vertebra)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("mean = 1.000", "mean = 1000.0", "rows.0.mean"),
        ('sex = "any"\nvertebra = "L1"', 'sex = "any"\nvertebra = "L5"', "rows.0.vertebra"),
        ('vertebra = "L2"', 'vertebra = "L1"', "more than one row for sex any, L1"),
        ('version = "1"', "", "version"),
        ("[[rows]]", "[[row]]", "row"),
    ],
)
def test_a_broken_table_is_refused(tmp_path: Path, old: str, new: str, reason: str) -> None:
    assert old in TABLE
    path = tmp_path / "table.toml"
    path.write_text(TABLE.replace(old, new))
    with pytest.raises(Misconfigured) as caught:
        load_reference_table(path)
    assert str(path) in str(caught.value)
    assert reason in str(caught.value)


@pytest.mark.parametrize(("old", "new", "reason"), [("L4 = -1.9", "", "no L4"), ("L4 = -1.9", "L4 = 19", "L4")])
def test_a_broken_threshold_set_is_refused(tmp_path: Path, old: str, new: str, reason: str) -> None:
    assert old in THRESHOLDS
    path = tmp_path / "set.toml"
    path.write_text(THRESHOLDS.replace(old, new))
    with pytest.raises(Misconfigured, match=reason):
        load_threshold_set(path)
