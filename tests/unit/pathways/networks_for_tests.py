"""Networks and bundles small enough for tests: the architecture of the real ones, a thousandth of the work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from screening_node.domain.alarm import ThresholdSet
from screening_node.domain.result import Vertebra
from screening_node.domain.tscore import ReferenceRow, ReferenceTable
from screening_node.networks.normalise import Normalisation
from screening_node.pathways.chest_film.architecture import DetectorArchitecture, EstimatorArchitecture
from screening_node.pathways.chest_film.estimator import build_estimator
from screening_node.pathways.chest_film.landmarks import build_detector
from screening_node.pathways.weights import Card, Network, write_bundle

DETECTOR = DetectorArchitecture(
    kind="dag",
    backbone="compact",
    size=64,
    widths=(4, 8, 8),
    width=8,
    graph_width=8,
    blocks=1,
    iterations=2,
    normalisation=Normalisation(kind="local-contrast", scales=(0.1,)),
)
ESTIMATOR = EstimatorArchitecture(
    kind="attentive",
    backbone="compact",
    size=16,
    widths=(4, 8),
    convolutions=(1, 1),
    normalisation=Normalisation(kind="standardise"),
    layers=1,
    heads=2,
    head_width=4,
    mlp_width=8,
    regressor_width=8,
)
REFERENCE = ReferenceTable(
    name="test",
    version="1",
    title="Test",
    maker="nobody",
    population="nobody",
    source="invented",
    rows=(ReferenceRow(sex="any", vertebra="any", mean=1.05, sd=0.11),),
)
WOMEN = replace(REFERENCE, name="women", rows=(ReferenceRow(sex="F", vertebra="any", mean=1.05, sd=0.11),))
THRESHOLDS = ThresholdSet(name="test", source="invented", by_vertebra=dict.fromkeys(Vertebra, -2.0))


def modules(architectures: Sequence[EstimatorArchitecture]) -> tuple[nn.Module, list[nn.Module]]:
    torch.manual_seed(7)
    return build_detector(DETECTOR), [build_estimator(architecture) for architecture in architectures]


def make_card(
    architectures: Sequence[EstimatorArchitecture] = (ESTIMATOR,) * 2, gate: dict[str, float] | None = None
) -> Card:
    return Card(
        name="tiny",
        version="0",
        pathway="chest_film",
        intended_use="tests",
        limits_of_use="Untrained. Tests only.",
        reference="test",
        training_data="none",
        metrics={"L1": {"r": 0.0}},
        residual_sd=dict.fromkeys(("L1", "L2", "L3", "L4"), 0.08),
        gate=gate or {},
        detectors=(Network(file="detector.safetensors", sha256="", architecture=DETECTOR.to_dict()),),
        members=tuple(
            Network(
                file=f"member-{index}.safetensors",
                sha256="",
                architecture=architecture.to_dict(),
                vertebrae=architecture.vertebrae,
            )
            for index, architecture in enumerate(architectures)
        ),
    )


#: Limits that let everything through: an untrained detector's landmarks fit no chest.
OPEN_GATE = {
    "most_off_film": 1.0,
    "most_unsteadiness": 9.0,
    "most_opaque_edge": 1.0,
    "least_lung_contrast": -9.0,
    "least_mirror_likeness": -9.0,
    "least_spine_mm": 0.0,
    "most_spine_mm": 9999.0,
    "most_asymmetry": 9.0,
    "most_tilt": 180.0,
    "least_width_ratio": 0.0,
    "most_width_ratio": 9.0,
}


def make_bundle(
    folder: Path,
    *,
    architectures: Sequence[EstimatorArchitecture] = (ESTIMATOR,) * 2,
    gate: dict[str, float] | None = None,
) -> Card:
    """A bundle of untrained networks; the detector always says its starting shape."""
    detector, estimators = modules(architectures)
    tensors = {"detector.safetensors": detector.state_dict()} | {
        f"member-{index}.safetensors": estimator.state_dict() for index, estimator in enumerate(estimators)
    }
    return write_bundle(folder, make_card(architectures, gate), tensors)
