"""Trabecular grain: band-passed noise whose strength follows from the marrow that a ray crosses.

The areal variance of plates of density 1.1 g/cm3 in a marrow path t is rho^2 phi (1 - phi) l t; its spectrum is
log-Gabor, centred at 0.78 q^0.55 cycles/mm with a log-bandwidth of 0.62 (design: phantom, "Texture").
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import scipy.fft

from screening_node.phantom.anatomy.bone import Grain
from screening_node.phantom.physics.grids import Array, spread

_CENTRE, _BANDWIDTH = 0.78, 0.62
#: On large films two tiles whose sides share no small multiple: their sum does not repeat on a film.
_TILES = ((1024, 972), (864, 1125))


def grain(
    variances: Mapping[Grain, npt.NDArray[np.float64]],
    qualities: Mapping[Grain, float],
    shape: tuple[int, int],
    spacing: float,
    rng: np.random.Generator,
) -> Array:
    """Areal mineral of single trabeculae around the mean, g/cm2, (rows, columns).

    ``variances`` in (g/cm2)2 by direction, coarser than the film where memory matters; ``qualities`` is each
    direction's mean q.
    """
    sizes = (
        _TILES if max(shape) > min(_TILES[0]) else (tuple(scipy.fft.next_fast_len(side, real=True) for side in shape),)
    )
    tiles = [_tile_spectra(size, qualities, spacing, rng) for size in sizes]
    total = np.zeros(shape, np.float32)
    for direction, variance in variances.items():
        strength = spread(np.sqrt(np.maximum(variance, 0) / len(tiles)), shape)
        noise = np.zeros(shape, np.float32)
        for tile in tiles:
            noise += _tiled(tile[direction], shape)
        total += noise * strength
    return total


def _tile_spectra(
    size: tuple[int, int], qualities: Mapping[Grain, float], spacing: float, rng: np.random.Generator
) -> dict[Grain, Array]:
    """One tile of unit variance for each direction, all from the same white noise."""
    v = scipy.fft.fftfreq(size[0], spacing).astype(np.float32)[:, None]
    u = scipy.fft.rfftfreq(size[1], spacing).astype(np.float32)[None]
    log_radius = np.log(np.maximum(np.hypot(u, v), 1e-4))
    angle = np.arctan2(np.abs(v), np.maximum(np.abs(u), 1e-9))
    white = scipy.fft.rfft2(rng.standard_normal(size, dtype=np.float32))
    tiles = {}
    for direction, q in qualities.items():
        band = np.exp(-0.5 * ((log_radius - np.log(_CENTRE * q**0.55)) / _BANDWIDTH) ** 2)
        if direction is Grain.UPRIGHT:  # upright plates: the fewer are left, the more upright
            band *= 0.25 + np.exp(-0.5 * (angle / (0.55 * q**0.5)) ** 2)
        elif direction is Grain.AXIAL:  # along a clavicle, which runs across the film
            band *= 0.3 + np.exp(-0.5 * ((np.pi / 2 - angle) / 0.5) ** 2)
        noise = scipy.fft.irfft2(white * band.astype(np.float32), size)
        tiles[direction] = np.asarray(noise / noise.std(), dtype=np.float32)
    return tiles


def _tiled(tile: Array, shape: tuple[int, int]) -> Array:
    """The tile repeated over the film."""
    repeats = [-(-side // own) for side, own in zip(shape, tile.shape, strict=True)]
    return np.tile(tile, repeats)[: shape[0], : shape[1]]
