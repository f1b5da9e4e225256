"""What a network looks like and what it wants to be fed: frozen and validated.

An architecture is a table in a training configuration (config/pathways/*.toml) and, unchanged, in the card of the
weights that were trained with it. All that preprocessing needs is in it, so it travels with the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from screening_node.domain.result import Vertebra
from screening_node.errors import Misconfigured
from screening_node.networks.normalise import Normalisation
from screening_node.networks.resnet import RESNETS
from screening_node.networks.vgg import VGG_CONVOLUTIONS
from screening_node.pathways.chest_film.regions import WHOLE, input_names

_TORCHVISION = (*VGG_CONVOLUTIONS, *RESNETS)


@dataclass(frozen=True, kw_only=True, slots=True)
class DetectorArchitecture:
    """A landmark detector.

    ``kind``: "dag" (Deep Adaptive Graph) or "heatmap" (soft-argmax, the baseline). ``backbone``: "hrnet-w18" or
    "compact" with ``widths``. ``size``: side of the square input in pixels, a multiple of 32. ``width``: channels of
    the stride-4 map. ``graph_width``, ``blocks``, ``iterations``: the graph modules (dag only).
    """

    kind: str
    backbone: str
    size: int
    normalisation: Normalisation
    widths: tuple[int, ...] = ()
    width: int = 64
    graph_width: int = 128
    blocks: int = 4
    iterations: int = 3

    def __post_init__(self) -> None:
        _known("detector kind", self.kind, ("dag", "heatmap"))
        _known("detector backbone", self.backbone, ("hrnet-w18", "compact"))
        _check(self.size >= 64 and self.size % 32 == 0, f"detector size is {self.size}", "Use a multiple of 32.")
        _check((self.backbone == "compact") == bool(self.widths), "detector widths", "They belong to compact.")
        _check(
            not self.widths or (2 <= len(self.widths) <= 5 and min(self.widths) > 0),
            f"detector widths are {self.widths}",
            "Give 2 to 5 positive widths, one for each halving.",
        )
        _check(min(self.width, self.graph_width, self.blocks) > 0 and self.iterations >= 0, "detector sizes", "> 0.")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> DetectorArchitecture:
        """From a TOML table; Misconfigured names what is unknown, missing or impossible."""
        return _built(cls, data)  # type: ignore[no-any-return]

    def to_dict(self) -> dict[str, Any]:
        """The TOML table."""
        return {key: _listed(value) for key, value in asdict(self).items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class EstimatorArchitecture:
    """A BMD estimator.

    ``kind``: "attentive" (a transformer over the inputs, Wang 2022), "concatenated" (their features side by side,
    Wang 2021 and 2022) or "baseline" (one input). ``layout``: where the inputs lie on the film (regions.input_names);
    left empty it is "whole" for a baseline and "rois-15" for the others. ``only``: names of the layout's inputs that
    are used, () for all: ["left_clavicle", "right_clavicle"] of "rois-7" is a single-ROI model of Wang 2021, table 2.
    ``backbone``: a VGG or ResNet of torchvision, its channels multiplied by ``width_share``, or "compact" with
    ``widths``, ``convolutions`` and ``norm`` ("batch" or "group").
    ``size``: side of each crop in pixels. ``roi_scale``: how much larger than the standard outline each ROI is cut.
    ``vertebrae``: the outputs, any subset of L1..L4. ``layers``, ``heads``, ``head_width``, ``mlp_width``: the encoder.
    ``regressor_width``: hidden width of every regressor.
    """

    kind: str
    backbone: str
    size: int
    normalisation: Normalisation
    layout: str = ""
    only: tuple[str, ...] = ()
    vertebrae: tuple[str, ...] = ("L1", "L2", "L3", "L4")
    width_share: float = 1.0
    widths: tuple[int, ...] = ()
    convolutions: tuple[int, ...] = ()
    norm: str = "batch"
    roi_scale: float = 1.0
    layers: int = 6
    heads: int = 6
    head_width: int = 64
    mlp_width: int = 512
    regressor_width: int = 256

    def __post_init__(self) -> None:
        _known("estimator kind", self.kind, ("attentive", "concatenated", "baseline"))
        if not self.layout:
            object.__setattr__(self, "layout", WHOLE if self.kind == "baseline" else "rois-15")
        self._check_inputs()
        self._check_backbone()
        _check(0.5 <= self.roi_scale <= 2, f"estimator roi_scale is {self.roi_scale}", "Keep it in 0.5 .. 2.")
        ordered = tuple(vertebra for vertebra in Vertebra if vertebra in self.vertebrae)
        _check(bool(ordered) and ordered == self.vertebrae, f"estimator vertebrae are {list(self.vertebrae)}",
               "Give a subset of L1, L2, L3, L4 in that order.")  # fmt: skip
        _check(
            min(self.layers, self.heads, self.head_width, self.mlp_width, self.regressor_width) > 0,
            "estimator sizes",
            "Layers, heads and widths are at least 1.",
        )

    @property
    def inputs(self) -> tuple[int, ...]:
        """Which of the layout's inputs the network uses, as places in ``regions.input_names(layout)``."""
        names = input_names(self.layout)
        return tuple(index for index, name in enumerate(names) if not self.only or name in self.only)

    def _check_inputs(self) -> None:
        names = input_names(self.layout)
        unknown = sorted(set(self.only) - set(names))
        _check(not unknown, f"estimator only names {unknown}", f"Known in {self.layout}: {', '.join(names)}.")
        _check(len(set(self.only)) == len(self.only), f"estimator only is {list(self.only)}", "Name each input once.")
        _check(self.kind != "baseline" or len(self.inputs) == 1,
               f"a baseline has one input, and {self.layout} gives {len(self.inputs)}",
               f"Take the layout {WHOLE}, or name one input in only.")  # fmt: skip

    def _check_backbone(self) -> None:
        compact = self.backbone == "compact"
        _known("estimator backbone", self.backbone, (*_TORCHVISION, "compact"))
        _known("estimator norm", self.norm, ("batch", "group"))
        halvings = len(self.widths) or 5
        _check(self.size >= 2**halvings and self.size % 2**halvings == 0, f"estimator size is {self.size}",
               f"Use a multiple of {2**halvings}: the backbone halves {halvings} times.")  # fmt: skip
        _check(compact == bool(self.widths), "estimator widths", "They belong to compact.")
        _check(compact or self.norm == "batch", "estimator norm", "Only compact has another than batch.")
        _check(len(self.convolutions) == len(self.widths), "estimator convolutions", "Give one count for each width.")
        _check(0 < self.width_share <= 1, f"estimator width_share is {self.width_share}", "Above 0, at most 1.")
        _check(not compact or self.width_share == 1, "estimator width_share", "compact has widths of its own.")
        _check(compact or self.normalisation.channels in {1, 3},
               "estimator normalisation", f"{self.backbone} takes 1 or 3 channels.")  # fmt: skip

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> EstimatorArchitecture:
        """From a TOML table; Misconfigured names what is unknown, missing or impossible."""
        return _built(cls, data)  # type: ignore[no-any-return]

    def to_dict(self) -> dict[str, Any]:
        """The TOML table."""
        return {key: _listed(value) for key, value in asdict(self).items()}


def _built(kind: type[Any], data: Mapping[str, Any]) -> Any:
    """A frozen architecture from a table, lists made tuples."""
    known = {field.name for field in fields(kind)}
    unknown = sorted(set(data) - known)
    _check(not unknown, f"architecture has the unknown keys {unknown}", f"Known keys: {', '.join(sorted(known))}.")
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
    if kind is not Normalisation:
        values["normalisation"] = _built(Normalisation, values.get("normalisation", {}))
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise Misconfigured(f"An architecture cannot be built: {error}.", fix="Mend the key that it names.") from error


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _known(what: str, value: str, names: tuple[str, ...]) -> None:
    _check(value in names, f"{what} is {value!r}", f"Known: {', '.join(names)}.")


def _check(right: bool, what: str, fix: str) -> None:
    if not right:
        raise Misconfigured(f"Architecture: {what}.", fix=fix)


#: The detector at the paper's size (HRNet-W18-like, 3 local iterations, 4 blocks a module).
PAPER_DETECTOR = DetectorArchitecture(
    kind="dag",
    backbone="hrnet-w18",
    size=512,
    width=256,
    graph_width=256,
    normalisation=Normalisation(kind="local-contrast", scales=(0.02, 0.06, 0.2)),
)
#: The estimator at the paper's size (Wang 2022, III.C to III.E).
PAPER_ESTIMATOR = EstimatorArchitecture(
    kind="attentive",
    backbone="vgg16",
    size=256,
    vertebrae=("L1",),
    normalisation=Normalisation(kind="local-contrast", scales=(0.03, 0.08, 0.2)),
)
#: Networks of the same shape that two cores can train and run.
COMPACT_DETECTOR = DetectorArchitecture(
    kind="dag",
    backbone="compact",
    size=256,
    widths=(16, 32, 48, 64, 96),
    width=64,
    graph_width=96,
    blocks=2,
    normalisation=Normalisation(kind="local-contrast", scales=(0.03, 0.12)),
)
COMPACT_ESTIMATOR = EstimatorArchitecture(
    kind="attentive",
    backbone="compact",
    size=96,
    widths=(16, 32, 64, 96, 128),
    convolutions=(1, 1, 2, 2, 1),
    normalisation=Normalisation(kind="local-contrast", scales=(0.03, 0.08, 0.2)),
    layers=2,
    heads=4,
    head_width=32,
    mlp_width=128,
    regressor_width=64,
)
