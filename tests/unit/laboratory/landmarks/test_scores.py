from __future__ import annotations

import numpy as np
import pytest
import torch
from laboratory.annotated_films import CHEST

from screening_node.laboratory.landmarks.loss import PointWeights, landmark_loss, margin_distance
from screening_node.laboratory.landmarks.scores import ACROSS, ALL, MARGIN, by_group, scores
from screening_node.pathways.chest_film.training import detector_loss

TRUE = np.stack([CHEST] * 3)
SIDES = np.array([400.0, 400.0, 200.0])


def target(films: int = 2) -> torch.Tensor:
    return torch.from_numpy(np.stack([CHEST] * films)).float()


def test_distance_from_a_margin_and_from_its_prolongation() -> None:
    margin = torch.tensor([[[0.0, 0.0], [0.0, 1.0], [0.0, 2.0]]])
    points = torch.tensor([[[0.3, 0.5], [-0.4, 1.5], [0.3, 2.1]]])
    assert margin_distance(points, margin).flatten().tolist() == pytest.approx([0.3, 0.4, 0.3], abs=1e-3)
    cut = margin_distance(points, margin, prolonged=False).flatten().tolist()
    assert cut == pytest.approx([0.3, 0.4, 0.1**0.5], abs=1e-3)


def test_scores_are_distances_in_mm() -> None:
    found = TRUE.copy()
    found[:, :, 0] += 0.01
    result = scores(found, TRUE, SIDES)
    assert result["C7"]["mean_mm"] == pytest.approx((4 + 4 + 2) / 3)
    assert result[ALL]["within_10_mm"] == 1.0
    assert result["films"] == 3
    low, high = result["C7"]["interval_mm"]
    assert 2 <= low < result["C7"]["mean_mm"] < high <= 4.001


def test_a_rib_point_that_slides_along_the_margin_is_right_across_it() -> None:
    found = TRUE.copy()
    found[:, 7] = (TRUE[:, 7] + TRUE[:, 8]) / 2
    result = scores(found, TRUE, SIDES)
    assert result["ribs"]["mean_mm"] > 1
    assert result[MARGIN]["mean_mm"] == pytest.approx(0, abs=0.05)
    found[:, 9] += found[:, 9] - found[:, 8]  # beyond the last annotated point
    result = scores(found, TRUE, SIDES)
    assert result[MARGIN]["mean_mm"] > 1
    assert result[ACROSS]["mean_mm"] == pytest.approx(0, abs=0.05)


def test_unknown_points_do_not_count() -> None:
    true = TRUE.copy()
    true[:, 15] = np.nan
    true[0, 6] = np.nan
    result = scores(TRUE + 0.5, true, SIDES)
    assert result["T12"] == {"points": 0}
    assert result["ribs"]["points"] == 23
    assert result[MARGIN]["points"] == 20  # of a margin with a gap nothing is known


def test_groups_are_scored_apart() -> None:
    found = TRUE.copy()
    found[2] += 0.1
    result = by_group(found, TRUE, SIDES, ("usual", "usual", "poor"))
    assert result["usual"][ALL]["mean_mm"] == pytest.approx(0, abs=1e-9)
    assert result["poor"][ALL]["mean_mm"] > 20
    assert result["all"]["films"] == 3


def test_phantom_films_have_the_detectors_own_loss() -> None:
    stages = [target() + torch.randn(2, 16, 2, generator=torch.Generator().manual_seed(1)) / 10 for _ in range(3)]
    ours = landmark_loss(stages, target(), torch.zeros(2, dtype=torch.bool), PointWeights())
    assert float(ours) == pytest.approx(float(detector_loss(stages, target())), rel=1e-5)


def test_on_real_films_the_level_of_a_rib_counts_little() -> None:
    real = torch.ones(2, dtype=torch.bool)
    along, across = target().clone(), target().clone()
    along[:, 7] = (along[:, 7] + along[:, 8]) / 2
    across[:, 7, 0] += float((along[:, 7] - target()[:, 7]).norm(dim=-1)[0])
    slid = landmark_loss([along], target(), real, PointWeights())
    off = landmark_loss([across], target(), real, PointWeights())
    assert float(slid) < 0.25 * float(off)
    none = landmark_loss([along], target(), real, PointWeights(along=0.0))
    assert float(none) == pytest.approx(0, abs=1e-4)


def test_points_that_nobody_saw_have_no_gradient() -> None:
    wanted = target()
    wanted[:, 14] = torch.nan
    wanted[0, 6] = torch.nan
    stage = (target() + 0.05).requires_grad_()
    loss = landmark_loss([stage], wanted, torch.tensor([True, True]), PointWeights())
    (slope,) = torch.autograd.grad(loss, stage)
    assert torch.isfinite(slope).all()
    assert slope[:, 14].abs().max() == 0
    assert slope[0, 6:10].abs().max() == 0
    assert slope[1, 6:10].abs().min() >= 0
    assert slope[1, 6:10].abs().max() > 0
