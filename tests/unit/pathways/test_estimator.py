from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from screening_node.networks.normalise import Normalisation
from screening_node.networks.transformer import SelfAttention
from screening_node.pathways.chest_film.architecture import PAPER_ESTIMATOR
from screening_node.pathways.chest_film.estimator import EstimatorOutput, build_estimator, explained
from screening_node.pathways.chest_film.regions import input_names
from screening_node.pathways.chest_film.training import estimator_loss

from .networks_for_tests import ESTIMATOR

ONE_CHANNEL = Normalisation(kind="standardise")
THREE_CHANNELS = Normalisation(kind="local-contrast", scales=(0.03, 0.08, 0.2))


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_paper_sizes() -> None:
    """Wang 2022, III.E: VGG16 14.7 M (without its classifier), encoder 7.9 M, local 2.1 M, global 0.13 M."""
    network = build_estimator(PAPER_ESTIMATOR)
    assert parameters(network.backbone) == 14_714_688
    assert parameters(network.embedding) + parameters(network.encoder) == 7_894_528
    assert parameters(network.global_regressor) == 131_585
    assert len(network.local_regressors) == 16
    assert parameters(network.local_regressors) == 16 * 131_585
    assert PAPER_ESTIMATOR.size == 256


#: Inputs of each layout.
COUNTS = {"rois-15": 15, "rois-7": 7, "patches-2": 5, "patches-3": 10, "patches-4": 17, "whole": 1}
VARIANTS = [(kind, layout, ()) for kind in ("attentive", "concatenated") for layout in COUNTS] + [
    ("baseline", "whole", ()),
    ("baseline", "rois-15", ("lumbar",)),
    ("concatenated", "rois-7", ("left_clavicle", "right_clavicle")),
    ("concatenated", "rois-7", ("cervical",)),
    ("attentive", "patches-3", ("patch_1_1", "patch_3_2", "whole")),
]


@pytest.mark.parametrize(("kind", "layout", "only"), VARIANTS)
def test_every_variant_answers_in_the_same_form_and_learns_in_all_its_parts(
    kind: str, layout: str, only: tuple[str, ...]
) -> None:
    torch.manual_seed(0)
    network = build_estimator(replace(ESTIMATOR, kind=kind, layout=layout, only=only, vertebrae=("L2", "L4")))
    output = network(torch.rand(3, COUNTS[layout], 1, 16, 16))
    used = len(only) or COUNTS[layout]
    assert output.global_bmd.shape == (3, 2)
    assert output.local_bmd.shape == (3, {"attentive": used + 1, "concatenated": used, "baseline": 0}[kind], 2)
    estimator_loss(output, torch.ones(3, 2)).backward()  # type: ignore[no-untyped-call]
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    still = [name for name, parameter in network.named_parameters() if not parameter.grad.any()]  # type: ignore[union-attr]
    assert not still


def test_crops_of_another_layout_are_refused() -> None:
    network = build_estimator(replace(ESTIMATOR, layout="rois-7", only=("cervical",)))
    with pytest.raises(ValueError, match="7 inputs, the crops are of 15"):
        network(torch.rand(1, 15, 1, 16, 16))


@pytest.mark.parametrize("vertebrae", [("L1",), ("L1", "L2", "L3", "L4")])
def test_it_has_an_output_for_each_vertebra(vertebrae: tuple[str, ...]) -> None:
    output = build_estimator(replace(ESTIMATOR, vertebrae=vertebrae))(torch.rand(2, 15, 1, 16, 16))
    assert output.global_bmd.shape == (2, len(vertebrae))
    assert output.local_bmd.shape == (2, 16, len(vertebrae))


@pytest.mark.parametrize(("kind", "layout", "only"), [v for v in VARIANTS if v[2]])
def test_only_the_named_inputs_are_seen(kind: str, layout: str, only: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    network = build_estimator(replace(ESTIMATOR, kind=kind, layout=layout, only=only)).eval()
    crops = torch.rand(1, COUNTS[layout], 1, 16, 16)
    named = [index for index, name in enumerate(input_names(layout)) if name in only]
    others, changed = torch.rand_like(crops), crops.clone()
    others[:, named] = crops[:, named]
    changed[:, named[-1]] = 1 - crops[:, named[-1]]
    with torch.inference_mode():
        assert torch.equal(network(crops).global_bmd, network(others).global_bmd)
        assert not torch.equal(network(crops).global_bmd, network(changed).global_bmd)


@pytest.mark.parametrize("backbone", ["vgg11", "vgg13", "vgg16", "vgg19", "resnet18", "resnet34", "resnet50"])
@pytest.mark.parametrize("normalisation", [ONE_CHANNEL, THREE_CHANNELS])
def test_any_backbone_can_stand_below_it(backbone: str, normalisation: Normalisation) -> None:
    narrow = replace(
        ESTIMATOR, layout="whole", backbone=backbone, width_share=0.125, size=32, widths=(), convolutions=(),
        normalisation=normalisation,
    )  # fmt: skip
    network = build_estimator(narrow)
    output = network(torch.rand(2, 1, normalisation.channels, 32, 32))
    estimator_loss(output, torch.ones(2, 4)).backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_the_answer_is_in_grams() -> None:
    network = build_estimator(ESTIMATOR).eval()
    crops = torch.rand(2, 15, 1, 16, 16)
    with torch.inference_mode():
        before = network(crops).global_bmd
        network.bmd_mean += 0.5
        assert torch.allclose(network(crops).global_bmd, before + 0.5, atol=1e-6)
    assert {"bmd_mean", "bmd_sd"} <= set(network.state_dict())


def test_positions_tell_crops_apart() -> None:
    torch.manual_seed(3)
    network = build_estimator(ESTIMATOR).eval()
    crops = torch.rand(1, 15, 1, 16, 16)
    with torch.inference_mode():
        assert not torch.allclose(network(crops).global_bmd, network(crops.flip(1)).global_bmd, atol=1e-7)


def test_vertebrae_that_were_not_measured_do_not_count() -> None:
    output = EstimatorOutput(torch.tensor([[1.0, 9.0]], requires_grad=True), torch.tensor([[[1.2, 9.0]]]))
    loss = estimator_loss(output, torch.tensor([[1.0, float("nan")]]))
    assert loss.item() == pytest.approx(0.04)
    loss.backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(output.global_bmd.grad).all()  # type: ignore[arg-type]


def test_a_batch_without_any_measurement_costs_nothing() -> None:
    output = EstimatorOutput(torch.ones(1, 1), torch.ones(1, 2, 1))
    assert estimator_loss(output, torch.full((1, 1), float("nan"))).item() == 0


def test_it_learns_a_brightness_from_a_handful_of_crops() -> None:
    torch.manual_seed(0)
    network = build_estimator(replace(ESTIMATOR, vertebrae=("L1",)))
    crops, target = torch.rand(16, 15, 1, 16, 16), torch.linspace(0.8, 1.2, 16)[:, None]
    crops = crops + (target[:, :, None, None, None] - 1) * 4
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    losses = []
    for _ in range(40):
        loss = estimator_loss(network(crops), target)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


@pytest.mark.parametrize(("kind", "layout", "only"), VARIANTS)
def test_an_explained_answer_is_the_same_answer(kind: str, layout: str, only: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    network = build_estimator(replace(ESTIMATOR, kind=kind, layout=layout, only=only, layers=2)).eval()
    crops = torch.rand(2, COUNTS[layout], 1, 16, 16)
    with torch.inference_mode():
        output, told = network(crops), explained(network, crops)
    used = len(only) or COUNTS[layout]
    assert torch.equal(told.global_bmd, output.global_bmd)
    assert told.local_bmd.shape[:2] == (2, 0 if kind == "baseline" else used)
    assert torch.equal(told.local_bmd, output.local_bmd[:, output.local_bmd.shape[1] - told.local_bmd.shape[1] :])
    assert told.attention.shape == (2, used if kind == "attentive" else 0)


def test_attention_is_that_of_the_encoder() -> None:
    """An input whose key answers every query gets it all."""
    torch.manual_seed(0)
    attention = SelfAttention(width=4, heads=1, head_width=4)
    with torch.no_grad():
        attention.qkv.weight.zero_()
        attention.qkv.weight[:4] = 50 * torch.eye(4)  # queries
        attention.qkv.weight[4:8] = 50 * torch.eye(4)  # keys
    tokens = torch.tensor([[[1.0, 0, 0, 0], [3.0, 0, 0, 0], [0, 1.0, 0, 0]]])
    shares = attention.received(tokens)[0]
    assert shares.sum().item() == pytest.approx(1.0)
    assert shares.tolist() == pytest.approx([0.0, 2 / 3, 1 / 3], abs=1e-6)
