"""T-scores against hand-computed values, and the choice of the most specific row."""

import pytest
from builders import a_reference

from screening_node.domain.result import Category, Vertebra
from screening_node.domain.tscore import ReferenceRow, category, lowest_category
from screening_node.errors import Misconfigured


def test_t_score_is_distance_from_the_mean_in_sd() -> None:
    reference = a_reference(("any", "L1", 1.0, 0.107))
    assert reference.t_score(0.7325, Vertebra.L1, None) == pytest.approx(-2.5)
    assert reference.t_score(1.0, Vertebra.L1, "F") == 0.0


def test_the_most_specific_row_wins() -> None:
    reference = a_reference(
        ("any", "any", 9.0, 1.0), ("F", "any", 8.0, 1.0), ("any", "L2", 7.0, 1.0), ("F", "L2", 6.0, 1.0)
    )
    assert reference.row(Vertebra.L2, "F") == ReferenceRow(sex="F", vertebra="L2", mean=6.0, sd=1.0)
    assert reference.row(Vertebra.L2, "M") == ReferenceRow(sex="any", vertebra="L2", mean=7.0, sd=1.0)
    assert reference.row(Vertebra.L1, "F") == ReferenceRow(sex="F", vertebra="any", mean=8.0, sd=1.0)
    assert reference.row(Vertebra.L1, None) == ReferenceRow(sex="any", vertebra="any", mean=9.0, sd=1.0)


def test_a_table_of_women_covers_no_man_and_nobody_of_unknown_sex() -> None:
    women = a_reference(("F", "any", 1.0, 0.1))
    assert women.needs_sex
    assert women.covers("F")
    assert not women.covers("M")
    assert not women.covers("O")
    assert not women.covers(None)
    with pytest.raises(Misconfigured, match="no row for L1"):
        women.t_score(1.0, Vertebra.L1, "M")


@pytest.mark.parametrize(
    ("t_score", "expected"),
    [
        (-2.51, Category.OSTEOPOROSIS),
        (-2.5, Category.OSTEOPOROSIS),
        (-2.49, Category.OSTEOPENIA),
        (-1.01, Category.OSTEOPENIA),
        (-1.0, Category.NORMAL),
        (1.0, Category.NORMAL),
    ],
)
def test_category_bounds(t_score: float, expected: Category) -> None:
    assert category(t_score) is expected


def test_lowest_vertebra_names_the_category() -> None:
    assert lowest_category([0.2, -2.6, -1.2, -0.4]) is Category.OSTEOPOROSIS
