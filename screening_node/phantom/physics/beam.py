"""Polyenergetic exposure: Beer-Lambert at three energies, scatter, grid, heel, detector blur and quanta."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from screening_node.phantom.physics.grids import Array, wide_blur

#: Three energies (45, 62, 85 keV) stand for 120 kVp: weight, mu of water per cm, mu of mineral per g/cm2.
_WEIGHTS = np.array([0.35, 0.40, 0.25])
_WATER = np.array([0.245, 0.203, 0.180])
_MINERAL = np.array([0.75, 0.39, 0.24])
#: Weight that moves from the highest to the lowest energy for each kV below 120.
_HARDENING = 0.006
_OPEN_FIELD_QUANTA = 8e5
#: What closed shutters let through.
_LEAK = 2e-4
#: Scatter as two Gaussians in mm, 60 : 40.
_SCATTER = ((0.6, 14.0), (0.4, 55.0))


@dataclass(frozen=True, kw_only=True)
class Technique:
    """How one film was exposed; ``kvp`` in kV, ``scatter`` to primary after the grid, ``blur_mm`` of the detector.

    ``exposure`` multiplies the quanta; ``heel`` is the fall of intensity from foot to head end; ``correlated`` the
    share of the noise that neighbouring pixels have in common; ``grid_lines`` the amplitude of what a grid leaves.
    """

    seed: int
    kvp: float
    scatter: float
    exposure: float
    heel: float
    blur_mm: float
    correlated: float
    grid_lines: float


def draw_technique(rng: np.random.Generator, *, bedside: bool = False) -> Technique:
    """A technique; a bedside unit works at 90 to 110 kV, often without a grid."""
    return Technique(
        seed=int(rng.integers(2**31)),
        kvp=float(rng.uniform(95, 110) if bedside else rng.uniform(110, 125)),
        scatter=float(rng.uniform(0.35, 0.7) if bedside else rng.uniform(0.12, 0.40)),
        exposure=float(np.exp((0.35 + 0.49 * (rng.random() < 0.3)) * rng.standard_normal())),
        heel=float(rng.uniform(0.02, 0.10)),
        blur_mm=float(rng.uniform(0.09, 0.17)),
        correlated=float(rng.uniform(0.2, 0.5)),
        grid_lines=float(rng.uniform(0.0005, 0.002) if rng.random() < 0.1 else 0.0),
    )


def expose(water: Array, mineral: Array, technique: Technique, spacing: float, *, window: tuple[slice, slice]) -> Array:
    """-log of the detector's signal (rows, columns), from water in cm and mineral in g/cm2.

    Outside ``window`` shutters hold the beam back, and scatter alone arrives.
    """
    rng = np.random.default_rng([technique.seed, 8])
    primary = np.full(water.shape, np.float32(_LEAK))
    primary[window] = _primary(water[window], mineral[window], technique.kvp)
    signal = primary.copy()
    for share, reach in _SCATTER:
        signal += np.float32(share * technique.scatter) * wide_blur(primary, reach / spacing)
    signal *= _heel(water.shape[0], technique.heel)
    if technique.grid_lines:
        period = np.arange(water.shape[1], dtype=np.float32) * np.float32(2 * np.pi * spacing * 0.37)
        signal *= 1 + np.float32(technique.grid_lines) * np.sin(period)[None]
    signal = _blurred(signal, technique.blur_mm / spacing)
    return np.asarray(-np.log(np.maximum(_with_noise(signal, technique, spacing, rng), 3e-5)), dtype=np.float32)


def _primary(water: Array, mineral: Array, kvp: float) -> Array:
    """Energy that reaches the detector unscattered, 1 in the open field."""
    moved = _HARDENING * (120 - kvp)
    weights = np.clip(_WEIGHTS + np.array([moved, 0.0, -moved]), 0.02, 1)
    weights /= weights.sum()
    total = np.zeros(water.shape, np.float32)
    for weight, mu_water, mu_mineral in zip(weights, _WATER, _MINERAL, strict=True):
        path = water * np.float32(-mu_water)
        path -= mineral * np.float32(mu_mineral)
        total += np.float32(weight) * np.exp(path, out=path)
    return total


def _heel(rows: int, fall: float) -> Array:
    return np.linspace(1 - fall, 1.0, rows, dtype=np.float32)[:, None]


def _blurred(signal: Array, sigma: float) -> Array:
    """The detector's blur, as a short separable filter."""
    reach = max(int(np.ceil(3 * sigma)), 1)
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma, 1e-3)) ** 2)
    taps /= taps.sum()
    for axis in (0, 1):
        signal = ndimage.correlate1d(signal, taps, axis=axis, mode="nearest")
    return signal


def _with_noise(signal: Array, technique: Technique, spacing: float, rng: np.random.Generator) -> Array:
    """Quantum noise, part of it shared by neighbours (light that spreads in the scintillator)."""
    quanta = _OPEN_FIELD_QUANTA * technique.exposure * spacing**2
    noise: npt.NDArray[np.float32] = rng.standard_normal(signal.shape, dtype=np.float32)
    common = noise + np.roll(noise, 1, axis=0) + np.roll(noise, 1, axis=1)
    noise *= np.float32(np.sqrt(1 - technique.correlated))
    noise += np.float32(np.sqrt(technique.correlated / 3)) * common
    noise *= np.sqrt(np.maximum(signal, 0) * np.float32(1 / quanta))
    return signal + noise
