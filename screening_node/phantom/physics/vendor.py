"""What a maker does to a raw film before it is shown: contrast by scale, a window over the body, a curve, bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from screening_node.phantom.physics.grids import Array

_LEVELS = 7
#: Burt and Adelson 1983, "The Laplacian pyramid as a compact image code", equation 2, a = 0.375.
_TAPS = np.array([0.0625, 0.25, 0.375, 0.25, 0.0625], dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class Processing:
    """One maker's taste.

    ``edge`` (0 to 0.9) is how far fine detail is raised and the coarsest levels are held down; ``knee`` is where a
    level's contrast begins to be compressed, in its SDs; ``low`` and ``high`` are the window's percentiles over the
    body; ``slope`` and ``middle`` shape the sigmoid; ``bits`` are stored; ``monochrome1`` stores bone dark.
    """

    edge: float
    knee: float
    low: float
    high: float
    slope: float
    middle: float
    bits: int
    monochrome1: bool


def draw_processing(rng: np.random.Generator) -> Processing:
    """A taste from the generator."""
    return Processing(
        edge=float(rng.uniform(0.0, 0.9)),
        knee=float(rng.uniform(1.5, 4.0)),
        low=float(rng.uniform(0.3, 3.0)),
        high=float(rng.uniform(97.5, 99.7)),
        slope=float(rng.uniform(3.0, 4.6)),
        middle=float(rng.uniform(0.50, 0.70)),
        bits=int(rng.choice([10, 12, 12, 12, 14])),
        monochrome1=bool(rng.random() < 0.35),
    )


def process(log_signal: Array, processing: Processing, *, window: tuple[slice, slice]) -> npt.NDArray[np.uint16]:
    """Stored pixels (rows, columns) from -log of the signal; black where shutters hid the detector (``window``)."""
    stored = np.zeros(log_signal.shape, np.uint16)
    stored[window] = _shown(log_signal[window], processing)
    top = 2**processing.bits - 1
    return np.asarray(top - stored if processing.monochrome1 else stored, dtype=np.uint16)


def _shown(log_signal: Array, processing: Processing) -> npt.NDArray[np.uint16]:
    image = _equalised(log_signal, processing)
    sample, raw = image[::4, ::4], log_signal[::4, ::4]
    body = sample[raw > 0.45]
    low, high = np.percentile(body if body.size > 500 else sample, [processing.low, processing.high])
    image -= np.float32(low)
    image *= np.float32(1 / max(float(high - low), 1e-6))
    ends = 1 / (1 + np.exp(-processing.slope * (np.array([-0.22, 1.20]) - processing.middle)))
    image -= np.float32(processing.middle)
    image *= np.float32(-processing.slope)
    curve = np.float32(1) / (1 + np.exp(np.clip(image, -30, 30)))
    top = 2**processing.bits - 1
    curve -= np.float32(ends[0])
    curve *= np.float32(top / (ends[1] - ends[0]))
    return np.rint(np.clip(curve, 0, top)).astype(np.uint16)


def _equalised(image: Array, processing: Processing) -> Array:
    """Laplacian pyramid with a gain for each level that is compressed where contrast is large."""
    details, coarse = [], image
    for _ in range(_LEVELS):
        if min(coarse.shape) < 16:
            break
        smaller = _reduce(coarse)
        details.append(coarse - _expand(smaller, coarse.shape))
        coarse = smaller
    middle = float(np.median(coarse))
    # The coarsest level carries habitus and exposure: held down, so that lung and spine fit one window.
    coarse = middle + (0.86 - 0.42 * processing.edge) * (coarse - middle)
    for level in range(len(details) - 1, -1, -1):
        gain = 1 + processing.edge * np.interp(level, [0, 2, 4, 6], [0.9, 0.8, 0.35, -0.05])
        coarse = _expand(coarse, details[level].shape)
        coarse += _compressed(details[level], float(gain), processing.knee)
    return coarse


def _compressed(detail: Array, gain: float, knee: float) -> Array:
    """Detail with ``gain``, less of it where it is already strong."""
    limit = np.float32(knee * max(float(detail[::3, ::3].std()), 1e-6))
    strong = np.abs(detail)
    strong *= 1 / limit
    strong += 1
    scale = np.reciprocal(strong, dtype=np.float32)
    scale *= np.float32(gain - 1)
    scale += 1
    scale *= detail
    return scale


def _reduce(image: Array) -> Array:
    """Half the size, smoothed by the five taps."""
    for axis in (0, 1):
        image = ndimage.correlate1d(image, _TAPS, axis=axis, mode="nearest")
        image = image[::2] if axis == 0 else image[:, ::2]
    return np.ascontiguousarray(image)


def _expand(image: Array, shape: tuple[int, ...]) -> Array:
    """Twice the size by the same taps."""
    rows = _doubled(image, shape[0])
    return np.ascontiguousarray(_doubled(np.ascontiguousarray(rows.T), shape[1]).T)


def _doubled(image: Array, rows: int) -> Array:
    """Rows twice as many: the pyramid's taps at even and odd places."""
    padded = np.concatenate([image[:1], image, image[-1:]])
    out = np.empty((2 * len(image), image.shape[1]), np.float32)
    out[0::2] = 0.125 * padded[:-2] + 0.75 * padded[1:-1] + 0.125 * padded[2:]
    out[1::2] = 0.5 * (padded[1:-1] + padded[2:])
    return out[:rows]
