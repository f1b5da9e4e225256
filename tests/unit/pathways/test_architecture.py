from __future__ import annotations

import copy
import re
from dataclasses import replace
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
        ({"kind": "transformer"}, r"kind is 'transformer'.* attentive, concatenated, baseline"),
        ({"layout": "rois-14"}, r"layout is 'rois-14'.* rois-15, rois-7, whole, patches-2, patches-3, patches-4"),
        ({"layout": "rois-7", "only": ["cervix"]}, r"only names \['cervix'\].* left_clavicle, .* whole"),
        ({"only": ["patch_1_1"]}, r"only names \['patch_1_1'\].* in rois-15: left_clavicle_medial"),
        ({"only": ["lumbar", "lumbar"]}, "only"),
        ({"kind": "baseline"}, "a baseline has one input, and rois-15 gives 15"),
        ({"backbone": "resnet101"}, r"backbone is 'resnet101'.* vgg16, .* resnet50, compact"),
        ({"width_share": 0.5}, "width_share"),
        (PAPER_ESTIMATOR.to_dict() | {"width_share": 1.5}, "width_share is 1.5"),
        (PAPER_ESTIMATOR.to_dict() | {"width_share": 0.0}, "width_share is 0.0"),
        (PAPER_ESTIMATOR.to_dict() | {"norm": "group"}, "norm"),
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
    with pytest.raises(Misconfigured) as caught:
        EstimatorArchitecture.from_dict(COMPACT_ESTIMATOR.to_dict() | change)
    assert re.search(says, f"{caught.value.message} {caught.value.fix}")


def test_a_layout_that_is_not_named_is_the_papers() -> None:
    table = {key: value for key, value in PAPER_ESTIMATOR.to_dict().items() if key != "layout"}
    layouts = [EstimatorArchitecture.from_dict(table | {"kind": kind}).to_dict()["layout"]
               for kind in ("attentive", "concatenated", "baseline")]  # fmt: skip
    assert layouts == ["rois-15", "rois-15", "whole"]


def test_inputs_come_in_the_layouts_order_however_they_are_named() -> None:
    chosen = replace(PAPER_ESTIMATOR, layout="rois-7", only=("whole", "cervical"))
    assert chosen.inputs == (2, 6)
    assert replace(PAPER_ESTIMATOR, layout="patches-2").inputs == (0, 1, 2, 3, 4)


def test_a_missing_key_is_named() -> None:
    table = copy.deepcopy(COMPACT_DETECTOR.to_dict())
    del table["size"]
    with pytest.raises(Misconfigured, match="size"):
        DetectorArchitecture.from_dict(table)
