"""The detector's loss on films whose points are known to different degrees.

On a phantom film every point is exact. On a real film a rib point is known across the margin of the rib cage but
hardly along it, and T12 to a vertebra at best: it counts there as much as it is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from screening_node.pathways.chest_film.training import GLOBAL_MARGIN

#: Columns of the two rib margins, each from top to bottom, and of T12.
MARGINS = ((6, 7, 8, 9), (10, 11, 12, 13))
T12 = 15
#: How far (shares of the side) a margin is prolonged beyond its end points.
_PROLONGED = 0.25
_TINY = 1e-9


@dataclass(frozen=True, kw_only=True)
class PointWeights:
    """How much points of a real film count beside a well-known one. ``share``: of each batch that is real.

    ``along``: the level of a rib point along its margin (its distance across counts in full). ``t12``: T12.
    ``points``: any other point.
    """

    share: float = 0.5
    along: float = 0.1
    t12: float = 0.3
    points: float = 1.0


def landmark_loss(stages: Sequence[Tensor], target: Tensor, real: Tensor, how: PointWeights) -> Tensor:
    """As training.detector_loss (hinge on a global stage, L1 on the local ones), but margins count on real films.

    stages and target (B, 16, 2), NaN where unknown; real (B,) bool; scalar.
    """
    errors = [_film_errors(stage.float(), target, real, how) for stage in stages]
    if len(errors) == 1:
        return errors[0].mean()
    hinge = (errors[0] - GLOBAL_MARGIN).clamp_min(0).mean()
    return hinge + torch.stack(errors[1:]).mean(dim=1).sum()


def margin_distance(points: Tensor, margin: Tensor, *, prolonged: bool = True) -> Tensor:
    """Distance of points (B, K, 2) from the polyline through margin (B, K, 2); NaN where a margin has a NaN.

    ``prolonged``: the first and last piece reach on beyond their ends.
    """
    start, end = margin[:, :-1].clone(), margin[:, 1:].clone()
    if prolonged:
        first, last = start[:, 0] - end[:, 0], end[:, -1] - start[:, -1]
        start[:, 0] = start[:, 0] + first / (first.norm(dim=-1, keepdim=True) + _TINY) * _PROLONGED
        end[:, -1] = end[:, -1] + last / (last.norm(dim=-1, keepdim=True) + _TINY) * _PROLONGED
    piece = (end - start)[:, None]  # (B, 1, K - 1, 2)
    offset = points[:, :, None] - start[:, None]  # (B, K, K - 1, 2)
    share = ((offset * piece).sum(-1) / (piece.square().sum(-1) + _TINY)).clamp(0, 1)
    apart = offset - share[..., None] * piece
    return (apart.square().sum(-1) + _TINY).sqrt().amin(dim=-1)


def _film_errors(stage: Tensor, target: Tensor, real: Tensor, how: PointWeights) -> Tensor:
    """Weighted mean error of each film (B,)."""
    known = torch.isfinite(target).all(dim=-1)
    filled = torch.nan_to_num(target)
    exact = (stage - filled).abs().sum(dim=-1) / 2
    across, traced = _margin_errors(stage, filled, known, exact, how)
    first = MARGINS[0][0]
    loose = torch.cat([how.points * exact[:, :first], across, exact[:, T12 - 1 :] * _last_weights(exact, how)], dim=1)
    heard = torch.cat(
        [torch.full_like(exact[:, :first], how.points), traced, _last_weights(exact, how).expand(len(exact), -1)], dim=1
    )
    errors = torch.where(real[:, None], loose, exact) * known
    weight = torch.where(real[:, None], heard, 1.0) * known
    return errors.sum(dim=-1) / weight.sum(dim=-1).clamp_min(_TINY)


def _margin_errors(
    stage: Tensor, filled: Tensor, known: Tensor, exact: Tensor, how: PointWeights
) -> tuple[Tensor, Tensor]:
    """Errors of the rib points on real films (B, 8) and their weights: of a margin with a gap nothing is known."""
    errors, weights = [], []
    for columns in MARGINS:
        chosen = list(columns)
        whole = known[:, chosen].all(dim=1, keepdim=True).float()
        # Mean L1 of a slanting error is 0.5 to 0.7 of its length.
        across = 0.6 * margin_distance(stage[:, chosen], filled[:, chosen])
        errors.append(whole * (across + how.along * exact[:, chosen]))
        weights.append(whole.expand(-1, len(chosen)))
    return torch.cat(errors, dim=1), torch.cat(weights, dim=1)


def _last_weights(exact: Tensor, how: PointWeights) -> Tensor:
    """Of C7 and T12, (1, 2)."""
    return exact.new_tensor([[how.points, how.t12]])
