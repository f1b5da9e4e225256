from __future__ import annotations

import copy
from typing import Any

import pytest

from screening_node.errors import Misconfigured
from screening_node.pathways.chest_film.architecture import (
    COMPACT_DETECTOR,
    COMPACT_ESTIMATOR,
    PAPER_DETECTOR,
    PAPER_ESTIMATOR,
    DetectorArchitecture,
    EstimatorArchitecture,
)

TWO_CHANNELS = {"kind": "local-contrast", "scales": [0.1, 0.2]}


@pytest.mark.parametrize("architecture", [PAPER_DETECTOR, COMPACT_DETECTOR, PAPER_ESTIMATOR, COMPACT_ESTIMATOR])
def test_an_architecture_travels_as_a_table(architecture: DetectorArchitecture | EstimatorArchitecture) -> None:
    assert type(architecture).from_dict(architecture.to_dict()) == architecture


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "yolo"}, "kind is 'yolo'"),
        ({"backbone": "resnet"}, "backbone is 'resnet'"),
        ({"size": 100}, "size is 100"),
        ({"widths": []}, "widths"),
        ({"widths": [1, 2, 3, 4, 5, 6]}, "widths are"),
        ({"colour": "red"}, r"unknown keys \['colour'\]"),
        ({"normalisation": {"kind": "raw"}}, "normalisation kind is 'raw'"),
        ({"normalisation": {"kind": "standardise", "colour": 1}}, "unknown keys"),
    ],
)
def test_an_impossible_detector_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(Misconfigured, match=says):
        DetectorArchitecture.from_dict(COMPACT_DETECTOR.to_dict() | change)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "transformer"}, "kind is"),
        ({"size": 100}, "multiple of 32"),
        ({"vertebrae": ["L2", "L1"]}, "in that order"),
        ({"vertebrae": []}, "vertebrae"),
        ({"vertebrae": ["T12"]}, "vertebrae"),
        ({"convolutions": [1]}, "one count for each width"),
        ({"roi_scale": 9.0}, "roi_scale"),
        ({"layers": 0}, "at least 1"),
        (PAPER_ESTIMATOR.to_dict() | {"normalisation": TWO_CHANNELS}, "1 or 3 channels"),
    ],
)  # fmt: skip
def test_an_impossible_estimator_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(Misconfigured, match=says):
        EstimatorArchitecture.from_dict(COMPACT_ESTIMATOR.to_dict() | change)


def test_a_missing_key_is_named() -> None:
    table = copy.deepcopy(COMPACT_DETECTOR.to_dict())
    del table["size"]
    with pytest.raises(Misconfigured, match="size"):
        DetectorArchitecture.from_dict(table)
