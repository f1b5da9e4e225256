"""What every network sees: normalised channels, computed by the one function that training and inference share.

Exposure and the maker's processing move grey values about; what carries the density is the contrast of fine bone
against its surroundings. Measured on phantom films (design: phantom, "Learning"), this choice decides more than the
architecture: raw pixels R .32, each crop standardised .87, local contrast in three channels .92.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_TINY = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class Normalisation:
    """How crops become channels.

    ``kind`` "standardise": one channel, zero mean and unit SD over each crop. "local-contrast": one channel for each
    of ``scales``, a box half-width as a share of the crop's side; (crop - local mean) / (local SD + ``floor``), where
    the crop is standardised before, so that ``floor`` is a share of its SD and keeps flat areas from becoming noise.
    Values are clipped to +-``limit``.
    """

    kind: str
    scales: tuple[float, ...] = ()
    floor: float = 0.05
    limit: float = 4.0

    def __post_init__(self) -> None:
        if self.kind not in {"standardise", "local-contrast"}:
            raise ValueError(f"normalisation kind is {self.kind!r}; known: standardise, local-contrast")
        if (self.kind == "local-contrast") != bool(self.scales):
            raise ValueError("normalisation scales belong to local-contrast, and it needs at least one")
        if any(not 0 < scale <= 0.5 for scale in self.scales):
            raise ValueError("normalisation scales are shares of the side, above 0 and at most 0.5")
        if self.floor <= 0 or self.limit <= 0:
            raise ValueError("normalisation floor and limit must be above 0")

    @property
    def channels(self) -> int:
        """How many channels come out."""
        return len(self.scales) or 1


def normalise(crops: Tensor, how: Normalisation) -> Tensor:
    """(..., S, S) grey values, any unit -> (..., C, S, S) channels; each crop by itself, on the crops' device."""
    lead, side = crops.shape[:-2], crops.shape[-1]
    flat = standardise(crops.reshape(-1, 1, *crops.shape[-2:]).float())
    if how.kind == "local-contrast":
        flat = torch.cat([_local_contrast(flat, max(1, round(scale * side)), how.floor) for scale in how.scales], 1)
    return flat.clamp(-how.limit, how.limit).reshape(*lead, how.channels, *crops.shape[-2:])


def standardise(crops: Tensor) -> Tensor:
    """Zero mean and unit SD over the last two dimensions; a flat crop becomes zeros."""
    centred = crops - crops.mean(dim=(-2, -1), keepdim=True)
    return centred / (centred.square().mean(dim=(-2, -1), keepdim=True).sqrt() + _TINY)


def _local_contrast(flat: Tensor, half: int, floor: float) -> Tensor:
    mean = _box(flat, half)
    variance = (_box(flat.square(), half) - mean.square()).clamp_min(0)
    return (flat - mean) / (variance.sqrt() + floor)


def _box(flat: Tensor, half: int) -> Tensor:
    """Mean over (2 half + 1) squares; at the border over what lies inside.

    As two products with a banded matrix: a sixth of the time that pooling takes on a CPU.
    """
    place = torch.arange(flat.shape[-1], device=flat.device)
    band = ((place[:, None] - place).abs() <= half).to(flat.dtype)
    band = band / band.sum(dim=1, keepdim=True)
    with torch.autocast(flat.device.type, enabled=False):  # bfloat16 would coarsen the means
        return band @ flat @ band.T
