"""From thickness to stored pixels: three X-ray energies, scatter, noise, and a vendor's display processing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft
from scipy import ndimage

from screening_node.phantom.projection import Array, Mineral
from screening_node.phantom.tissue import upsample

#: Three energies (45, 62, 85 keV) stand for a 120 kVp beam: weight, water per cm, mineral in cm2/g.
_ENERGIES = ((0.35, 0.245, 0.75), (0.40, 0.203, 0.39), (0.25, 0.180, 0.24))
_OPEN_FIELD_QUANTA = 8e5
_PYRAMID_MM = (2.2, 6.0, 16.0)


@dataclass(frozen=True, kw_only=True)
class Technique:
    """How one film was exposed and processed: nuisance that must tell nothing about BMD."""

    seed: int
    scatter: float
    exposure: float
    blur_mm: float
    gains: tuple[float, float, float]
    low_percentile: float
    high_percentile: float
    slope: float
    middle: float
    bits: int
    monochrome1: bool


def draw_technique(rng: np.random.Generator) -> Technique:
    """A technique from the generator."""
    return Technique(
        seed=int(rng.integers(2**31)),
        scatter=float(rng.uniform(0.12, 0.40)),
        exposure=float(np.exp(0.35 * rng.standard_normal())),
        blur_mm=float(rng.uniform(0.09, 0.17)),
        gains=(float(rng.uniform(1.1, 2.2)), float(rng.uniform(1.0, 1.8)), float(rng.uniform(0.9, 1.3))),
        low_percentile=float(rng.uniform(0.3, 3.0)),
        high_percentile=float(rng.uniform(98.0, 99.8)),
        slope=float(rng.uniform(3.0, 4.6)),
        middle=float(rng.uniform(0.42, 0.58)),
        bits=int(rng.integers(12, 15)),
        monochrome1=bool(rng.random() < 0.35),
    )


def expose(water: Array, mineral: Mineral, technique: Technique) -> npt.NDArray[np.uint16]:
    """Stored pixels (rows, columns) from water in cm and mineral; MONOCHROME1 where the technique says so."""
    rng = np.random.default_rng([technique.seed, 8])
    spacing = mineral.view.spacing
    areal = mineral.areal + _texture(mineral, rng)
    rays = [weight * np.exp(-(mu_w * water + mu_b * areal)) for weight, mu_w, mu_b in _ENERGIES]
    primary = np.asarray(np.sum(rays, axis=0), dtype=np.float32)
    intensity = primary + technique.scatter * _wide_blur(primary, 30.0 / spacing)
    quanta = _OPEN_FIELD_QUANTA * technique.exposure * spacing**2
    intensity += np.sqrt(intensity / quanta) * rng.standard_normal(intensity.shape, dtype=np.float32)
    blurred = ndimage.gaussian_filter(intensity, technique.blur_mm / spacing, truncate=3)
    return _process(-np.log(np.maximum(blurred, 1e-4)), technique, spacing)


def _texture(mineral: Mineral, rng: np.random.Generator) -> Array:
    """Trabecular grain in g/cm2: log-Gabor noise, round and upright, scaled by the local variance."""
    shape, spacing = mineral.view.shape, mineral.view.spacing
    padded = [scipy.fft.next_fast_len(side, real=True) for side in shape]
    v = scipy.fft.fftfreq(padded[0], spacing).astype(np.float32)[:, None]
    u = scipy.fft.rfftfreq(padded[1], spacing).astype(np.float32)[None]
    radius = np.maximum(np.hypot(u, v), 1e-6)
    band = np.exp(-0.5 * (np.log(radius / 0.78) / 0.62) ** 2)
    upright = band * np.exp(-0.5 * (np.arctan2(np.abs(v), np.abs(u)) / 0.5) ** 2)
    white = scipy.fft.rfft2(rng.standard_normal(padded, dtype=np.float32))
    grain = np.zeros(shape, np.float32)
    for spectrum, variance in ((band, mineral.grain_isotropic), (upright, mineral.grain_vertical)):
        noise = scipy.fft.irfft2(white * spectrum, padded)[: shape[0], : shape[1]]
        grain += noise / noise.std() * np.sqrt(variance)
    return grain


def _wide_blur(image: Array, sigma: float) -> Array:
    """Gaussian blur by sigma pixels, done on a coarse copy."""
    step = max(int(sigma / 4), 1)
    coarse = _shrink(image, step)
    return upsample(ndimage.gaussian_filter(coarse, sigma / step, mode="nearest"), (image.shape[0], image.shape[1]))


def _shrink(image: Array, step: int) -> npt.NDArray[np.float64]:
    """Mean over blocks of step x step; a remainder at the edges goes into the last block."""
    rows, columns = (np.arange(0, max(side - step + 1, 1), step) for side in image.shape)
    sums = np.add.reduceat(np.add.reduceat(image, rows, axis=0, dtype=np.float64), columns, axis=1)
    counts = np.diff([*rows, image.shape[0]])[:, None] * np.diff([*columns, image.shape[1]])[None]
    return np.asarray(sums / counts)


def _process(log_signal: Array, technique: Technique, spacing: float) -> npt.NDArray[np.uint16]:
    """A vendor's chain: each band of detail amplified, window over the body, a sigmoid, stored bits."""
    levels = [log_signal, *(_wide_blur(log_signal, mm / spacing) for mm in _PYRAMID_MM)]
    image = levels[-1].copy()
    for gain, fine, coarse in zip(technique.gains, levels, levels[1:], strict=False):
        image += gain * (fine - coarse)
    low, high = np.percentile(image[::4, ::4], [technique.low_percentile, technique.high_percentile])
    share = (image - low) / max(float(high - low), 1e-6)
    ends = 1 / (1 + np.exp(-technique.slope * (np.array([-0.15, 1.25]) - technique.middle)))
    curve = 1 / (1 + np.exp(-technique.slope * (share - technique.middle)))
    top = 2**technique.bits - 1
    stored = np.clip((curve - ends[0]) / (ends[1] - ends[0]), 0, 1) * top
    return np.asarray(np.rint(top - stored if technique.monochrome1 else stored), dtype=np.uint16)
