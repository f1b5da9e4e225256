"""Distributions in fixed bins, as cards keep them and nodes count them."""

import json
from typing import Any

import pytest

from screening_node.domain.histogram import METRIC, Histogram, film_means


def test_values_are_counted_where_they_lie() -> None:
    counted = Histogram.of([0.71, 0.74, 0.76, 0.0, 9.0, float("nan")])
    bins = dict(zip(counted.edges, counted.counts, strict=False))
    assert (bins[0.7], bins[0.75]) == (2, 1)
    assert (counted.counts[0], counted.counts[-1]) == (1, 1), "what lies outside is counted at the ends"
    assert counted.total == 5


def test_a_card_gives_back_what_it_was_given() -> None:
    counted = Histogram.of([0.5, 1.0, 1.0])
    metrics = {"unseen_films": 3, METRIC: json.loads(json.dumps(counted.to_table()))}
    assert Histogram.from_metrics(metrics) == counted


@pytest.mark.parametrize(
    "table",
    [None, 3, {}, {"counts": [1]}, {"begin": 0.3, "step": 0.05, "counts": [1, 2]},
     {"begin": 0.3, "step": 0.1, "counts": [0] * 28}, {"begin": 0.3, "step": 0.05, "counts": [-1] + [0] * 27},
     {"begin": 0.3, "step": 0.05, "counts": ["1"] * 28}],
)  # fmt: skip
def test_what_cannot_be_laid_over_ones_own_is_none(table: Any) -> None:
    assert Histogram.from_metrics({METRIC: table}) is None
    assert Histogram.from_metrics({}) is None


def test_overlap_is_what_both_have() -> None:
    one = Histogram.of([0.71] * 3 + [0.91])
    assert one.overlap(one) == pytest.approx(1.0)
    assert one.overlap(Histogram.of([0.71] * 10)) == pytest.approx(0.75)
    assert one.overlap(Histogram.of([1.5])) == 0.0
    assert one.overlap(Histogram.of([])) == 0.0


def test_a_film_is_the_mean_of_what_it_has() -> None:
    nan = float("nan")
    assert film_means([[0.8, 1.0, nan, nan], [nan] * 4, [0.7, 0.7, 0.7, 0.7]]) == pytest.approx([0.9, 0.7])
