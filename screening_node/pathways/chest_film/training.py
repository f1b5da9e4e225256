"""The losses of both networks; the laboratory runs them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from screening_node.pathways.chest_film.estimator import EstimatorOutput

#: Mean L1 error (normalised coordinates) below which the global stage is good enough: the local ones take over.
GLOBAL_MARGIN = 0.02


def detector_loss(
    stages: Sequence[Tensor], target: Tensor, weights: Tensor | None = None, margin: float = GLOBAL_MARGIN
) -> Tensor:
    """Hinge on the global stage's mean L1, plus the mean L1 of each local one (Li et al., ECCV 2020); scalar.

    stages and target (B, 16, 2) normalised; NaN targets (points nobody could see) do not count; ``weights`` (16,) or
    (B, 16) say how much each landmark counts. A single stage (the heatmap baseline) is taken as a local one.
    """
    errors = [_mean_l1(stage, target, weights) for stage in stages]
    if len(errors) == 1:
        return errors[0].mean()
    hinge = (errors[0] - margin).clamp_min(0).mean()
    return hinge + torch.stack(errors[1:]).mean(dim=1).sum()


def estimator_loss(output: EstimatorOutput, target: Tensor, local_weight: float = 1.0) -> Tensor:
    """L2 on the global estimates plus ``local_weight`` times L2 on the local ones; scalar, (g/cm2)^2.

    target (B, V); NaN where a vertebra was not measured.
    """
    loss = _mean_square(output.global_bmd, target)
    if output.local_bmd.shape[1]:
        loss = loss + local_weight * _mean_square(output.local_bmd, target[:, None].expand_as(output.local_bmd))
    return loss


def _mean_l1(stage: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
    """Weighted mean over the known coordinates of each film; (B,)."""
    known = torch.isfinite(target).all(dim=-1).float()  # (B, 16)
    counted = known if weights is None else known * weights
    errors = (stage - torch.nan_to_num(target)).abs().sum(dim=-1) / 2
    return (errors * counted).sum(dim=-1) / counted.sum(dim=-1).clamp_min(1e-6)


def _mean_square(answer: Tensor, target: Tensor) -> Tensor:
    known = torch.isfinite(target)
    errors = torch.where(known, answer - torch.nan_to_num(target), 0.0)
    return errors.square().sum() / known.sum().clamp_min(1)
