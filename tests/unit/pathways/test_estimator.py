from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from screening_node.pathways.chest_film.architecture import PAPER_ESTIMATOR
from screening_node.pathways.chest_film.estimator import EstimatorOutput, build_estimator
from screening_node.pathways.chest_film.training import estimator_loss

from .networks_for_tests import ESTIMATOR


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


@pytest.mark.parametrize(("kind", "positions"), [("attentive-multi-roi", 16), ("multi-roi", 15), ("baseline", 0)])
@pytest.mark.parametrize("vertebrae", [("L1",), ("L1", "L2", "L3", "L4"), ("L2", "L4")])
def test_every_variant_answers_in_the_same_form(kind: str, positions: int, vertebrae: tuple[str, ...]) -> None:
    network = build_estimator(replace(ESTIMATOR, kind=kind, vertebrae=vertebrae))
    output = network(torch.rand(3, 15, 1, 16, 16))
    assert output.global_bmd.shape == (3, len(vertebrae))
    assert output.local_bmd.shape == (3, positions, len(vertebrae))


def test_the_answer_is_in_grams() -> None:
    network = build_estimator(ESTIMATOR).eval()
    crops = torch.rand(2, 15, 1, 16, 16)
    with torch.inference_mode():
        before = network(crops).global_bmd
        network.bmd_mean += 0.5
        assert torch.allclose(network(crops).global_bmd, before + 0.5, atol=1e-6)
    assert {"bmd_mean", "bmd_sd"} <= set(network.state_dict())


def test_the_baseline_sees_the_whole_film_only() -> None:
    network = build_estimator(replace(ESTIMATOR, kind="baseline")).eval()
    crops = torch.rand(1, 15, 1, 16, 16)
    other = torch.cat([torch.rand(1, 14, 1, 16, 16), crops[:, -1:]], dim=1)
    with torch.inference_mode():
        assert torch.equal(network(crops).global_bmd, network(other).global_bmd)


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
