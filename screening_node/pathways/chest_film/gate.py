"""May this film be judged? Answered from its pixels and from where the detector sees the landmarks.

Every check is a number against a limit. The numbers are measured first and judged afterwards, so that a laboratory
can print them for any film; the limits have defaults here, and a bundle's card may override each by name ([gate]).

A detector with a strong idea of shape sees a chest in anything: on a lateral film its landmarks still look like a
chest. What gives it away is that its answer does not follow when the picture is moved (``unsteadiness``), and that
the grey values at the landmarks are not those of a frontal chest (``lung_contrast``, ``mirror_likeness``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from screening_node.domain.result import Refusal, RefusalCode, Roi
from screening_node.errors import BundleInvalid
from screening_node.imaging.pyramid import Pyramid
from screening_node.pathways.chest_film import regions
from screening_node.pathways.chest_film.sampling import Corners, sample

Points = NDArray[np.float64]

_LEFT = np.array([0, 1, 2, 6, 7, 8, 9])
_RIGHT = np.array([3, 4, 5, 10, 11, 12, 13])
_C7, _T12 = 14, 15
#: Side of the square in which the chest is looked at.
_VIEW = 48
#: Change from one sample to the next, as a share of the film's grey range, that only something opaque makes.
_EDGE = 0.12


@dataclass(frozen=True, kw_only=True, slots=True)
class GateLimits:
    """Limits of the pixel checks. Lengths in mm only where the film's spacing is known.

    The defaults were set beside what was measured on phantom films (frontal, bedside, lateral, hands, turned, inverted,
    cut) and on real ones: with annotated landmarks on 92 frontal films, and as detectors see them that know none of the
    patient's films (docs/landmarks.md) on 54 adult frontal films, 4 laterals, and frontal films turned, inverted and
    cut. "Unseen" in the comments is the latter. A limit lies where it refuses next to no sound film, and each wrong
    kind fails at least one.
    """

    #: Pixels of the shorter side, and mm a pixel: below and above, fine bone is gone.
    least_side: float = 400
    most_spacing_mm: float = 1.0
    #: Grey levels between the 1st and 99th percentile; share of all pixels that are the darkest or brightest value.
    least_grey_levels: float = 24
    most_clipped: float = 0.55
    #: Share of landmarks that may lie off the film.
    most_off_film: float = 0.13
    #: Rib cage width over distance C7 to T12 (annotated: 0.71 to 1.45; unseen: 0.85 to 1.26; laterals of the phantom
    #: from 0.69); the same distance in mm (unseen: 211 to 317).
    least_width_ratio: float = 0.7
    most_width_ratio: float = 1.6
    least_spine_mm: float = 180
    most_spine_mm: float = 420
    #: Tilt of the spine from the vertical in degrees (real: 98 % below 11).
    most_tilt: float = 20
    #: RMS distance of the left landmarks from the mirrored right ones, over the distance C7 to T12 (real: 98 % < 0.09).
    most_asymmetry: float = 0.13
    #: Difference mediastinum - lung field in SDs of the chest, on the side where it is less (annotated: 98 % above
    #: 0.78; unseen: 98 % above 1.4, below it a lung that has lost its air; laterals: real at most 0.55, phantom 0.67).
    least_lung_contrast: float = 0.75
    #: Correlation of the chest with its mirror image about the spine (real: 98 % above 0.32).
    least_mirror_likeness: float = 0.1
    #: RMS movement of landmarks between shifted and scaled views of the film, over the distance C7 to T12. Frontal
    #: phantom films at most 0.005, bedside ones 0.013; unseen: median 0.012, 95 % below 0.020, above it films whose
    #: landmarks are off; turned, inverted and lower halves from 0.027, a mirrored film 0.026, laterals from 0.030
    #: (the phantom's from 0.012: they fail by lung contrast).
    most_unsteadiness: float = 0.022
    #: Share of a bone ROI that is the edge of something opaque: metal, a lead marker (phantom: at most 0.013, with a
    #: plate painted on a clavicle at least 0.076; real: 98 % below 0.063, above it mostly side markers on a clavicle).
    most_opaque_edge: float = 0.065

    @classmethod
    def with_overrides(cls, overrides: Mapping[str, float]) -> GateLimits:
        """The defaults with a card's own values; BundleInvalid names an unknown key."""
        unknown = sorted(set(overrides) - {field.name for field in fields(cls)})
        if unknown:
            raise BundleInvalid(f"The card's [gate] has the unknown keys {unknown}.", fix="See gate.GateLimits.")
        return cls(**overrides)


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurements:
    """What the gate measures of a film once its landmarks are known; see GateLimits for each."""

    off_film: float
    ordered: bool
    width_ratio: float
    spine_mm: float | None
    tilt: float
    asymmetry: float
    unsteadiness: float
    lung_contrast: float
    mirror_likeness: float
    opaque_edge: float
    opaque_roi: str


def check_pixels(pyramid: Pyramid, spacing_mm: tuple[float, float] | None, limits: GateLimits) -> Refusal | None:
    """Resolution, exposure and contrast, before any network runs."""
    if min(pyramid.shape) < limits.least_side:
        return _refusal(RefusalCode.RESOLUTION_TOO_LOW, f"The film has only {min(pyramid.shape)} pixels on a side.")
    if spacing_mm is not None and max(spacing_mm) > limits.most_spacing_mm:
        return _refusal(RefusalCode.RESOLUTION_TOO_LOW, f"A pixel is {max(spacing_mm):.2f} mm wide; bone is lost.")
    sampled = pyramid.levels[0][::4, ::4]
    low, high = np.percentile(sampled, [1, 99])
    if high - low < limits.least_grey_levels:
        return _refusal(RefusalCode.EXPOSURE, "The film is blank or has next to no contrast.")
    clipped = max(np.mean(sampled <= sampled.min()), np.mean(sampled >= sampled.max()))
    if clipped > limits.most_clipped:
        return _refusal(RefusalCode.EXPOSURE, f"{clipped:.0%} of the film is saturated.")
    return None


def measure(
    pyramid: Pyramid, spacing_mm: tuple[float, float] | None, points: Points, views: NDArray[np.float64]
) -> Measurements:
    """All numbers of a film: ``points`` (16, 2), and ``views`` (n, 16, 2) as seen in n moved views, stored pixels."""
    spine = points[_T12] - points[_C7]
    length = max(float(np.hypot(*spine)), 1.0)
    scale = None if spacing_mm is None else float(np.sqrt(spacing_mm[0] * spacing_mm[1]))
    chest = _chest(pyramid, points)
    edges = _opaque_edges(pyramid, regions.place(points, spacing_mm))
    opaque_roi = max(edges, key=lambda name: edges[name])
    return Measurements(
        off_film=_off_film(points, pyramid.shape),
        ordered=_ordered(points),
        width_ratio=float(np.abs(points[6:10].mean(0) - points[10:14].mean(0))[0]) / length,
        spine_mm=None if scale is None else length * scale,
        tilt=abs(float(np.degrees(np.arctan2(spine[0], spine[1])))),
        asymmetry=_asymmetry(points, length),
        unsteadiness=float(np.sqrt(np.square(views - views.mean(axis=0)).sum(-1).mean())) / length,
        lung_contrast=_lung_contrast(chest),
        mirror_likeness=_mirror_likeness(chest),
        opaque_edge=edges[opaque_roi],
        opaque_roi=opaque_roi,
    )


def judge(found: Measurements, limits: GateLimits) -> Refusal | None:
    """The measured numbers against the limits: the first reason to refuse, or None. Pure."""
    geometry = (
        (found.off_film > limits.most_off_film, "landmarks lie off the film"),
        (not found.ordered, "landmarks are not in their anatomical order"),
        (
            not limits.least_width_ratio <= found.width_ratio <= limits.most_width_ratio,
            f"the rib cage is {found.width_ratio:.2f} times as wide as the thoracic spine is long",
        ),
        (
            found.spine_mm is not None and not limits.least_spine_mm <= found.spine_mm <= limits.most_spine_mm,
            f"C7 and T12 lie {found.spine_mm or 0:.0f} mm apart",
        ),
        (found.tilt > limits.most_tilt, f"the spine is tilted by {found.tilt:.0f} degrees"),
        (found.asymmetry > limits.most_asymmetry, "left and right do not match"),
    )
    for wrong, what in geometry:
        if wrong:
            return _refusal(RefusalCode.LANDMARKS_IMPLAUSIBLE, f"The landmarks are implausible: {what}.")
    return _judge_view(found, limits)


def _judge_view(found: Measurements, limits: GateLimits) -> Refusal | None:
    if found.lung_contrast < limits.least_lung_contrast:
        return _refusal(RefusalCode.NOT_FRONTAL, "Two lung fields beside a spine are not seen: no frontal chest film.")
    if found.mirror_likeness < limits.least_mirror_likeness:
        return _refusal(RefusalCode.NOT_FRONTAL, "The two sides do not look alike: no frontal chest film.")
    if found.unsteadiness > limits.most_unsteadiness:
        return _refusal(
            RefusalCode.LANDMARKS_IMPLAUSIBLE, "The landmarks are implausible: they move when the film is moved."
        )
    if found.opaque_edge > limits.most_opaque_edge:
        where = found.opaque_roi.replace("_", " ")
        return _refusal(RefusalCode.HARDWARE, f"Metal or a marker lies on a bone that is to be judged: {where}.")
    return None


def _off_film(points: Points, shape: tuple[int, int]) -> float:
    rows, columns = shape
    inside = (points >= -0.5).all(axis=1) & (points <= [columns - 0.5, rows - 0.5]).all(axis=1)
    return float(1 - inside.mean())


def _ordered(points: Points) -> bool:
    """Clavicles from the middle outwards, ribs from top to bottom, left on the right of the picture, C7 above T12."""
    x, y = points[:, 0], points[:, 1]
    return bool(
        x[0] < x[1] < x[2]
        and x[3] > x[4] > x[5]
        and (np.diff(y[6:10]) > 0).all()
        and (np.diff(y[10:14]) > 0).all()
        and x[6:10].min() > x[10:14].max()
        and y[_C7] < y[_T12]
    )


def _asymmetry(points: Points, length: float) -> float:
    """Mirror the right landmarks about the line that fits the mid-points best; RMS distance to the left ones."""
    middles, across = (points[_LEFT] + points[_RIGHT]) / 2, points[_LEFT] - points[_RIGHT]
    normal = across.sum(axis=0) / max(float(np.hypot(*across.sum(axis=0))), 1e-6)
    centre = np.vstack([middles, points[[_C7, _T12]]]).mean(axis=0)
    mirrored = points[_RIGHT] - 2 * ((points[_RIGHT] - centre) @ normal)[:, None] * normal
    return float(np.sqrt(np.square(mirrored - points[_LEFT]).sum(-1).mean())) / length


def _chest(pyramid: Pyramid, points: Points) -> NDArray[np.float64]:
    """The rib cage as a standardised square, spine upright in the middle: (48, 48)."""
    spine = points[_T12] - points[_C7]
    down = spine / max(float(np.hypot(*spine)), 1e-6)
    across = np.array([down[1], -down[0]])
    half = max(float(np.abs((points[_LEFT] - points[_RIGHT]) @ across).max()) / 2, 1.0)
    chest = sample(pyramid, [_square(points, across, down, half)], _VIEW)[0].astype(np.float64)
    return np.asarray((chest - chest.mean()) / (chest.std() + 1e-6))


def _square(points: Points, across: Points, down: Points, half: float) -> Corners:
    """From the spine to the widest point on each side, and from C7 to T12."""
    top, bottom = points[_C7], points[_T12]
    side = across * half
    return np.array([top - side, top + side, bottom + side, bottom - side])


def _lung_contrast(chest: NDArray[np.float64]) -> float:
    """How much brighter the mediastinum is than each lung field, in SDs of the chest; the lesser of both sides.

    Rows from the lung's apex to above the diaphragm, columns by thirds of each half.
    """
    rows = slice(round(0.25 * _VIEW), round(0.65 * _VIEW))
    middle = chest[rows, round(0.45 * _VIEW) : round(0.55 * _VIEW)].mean()
    right = chest[rows, round(0.16 * _VIEW) : round(0.38 * _VIEW)].mean()
    left = chest[rows, round(0.62 * _VIEW) : round(0.84 * _VIEW)].mean()
    return float(middle - max(left, right))


def _mirror_likeness(chest: NDArray[np.float64]) -> float:
    """Correlation of the chest with its mirror image."""
    return float((chest * chest[:, ::-1]).mean())


def _opaque_edges(pyramid: Pyramid, rois: Sequence[Roi]) -> dict[str, float]:
    """For each bone ROI the share of its area where the grey value jumps as it does at the edge of metal.

    Bone and lung change over millimetres; metal and lead letters go from tissue to white within one sample (about
    1 mm at 64 samples a side). Grey values are taken as a share of the film's own range.
    """
    low, high = np.percentile(pyramid.levels[0][::4, ::4], [1, 99])
    crops = sample(pyramid, [np.array(roi.corners) for roi in rois], 64) / max(float(high - low), 1e-6)
    across = (crops[:, 1:-1, 2:] - crops[:, 1:-1, :-2]) / 2
    down = (crops[:, 2:, 1:-1] - crops[:, :-2, 1:-1]) / 2
    shares = (np.hypot(across, down) > _EDGE).mean(axis=(1, 2))
    return {roi.name: float(share) for roi, share in zip(rois, shares, strict=True)}


def _refusal(code: RefusalCode, text: str) -> Refusal:
    return Refusal(code=code, text=text)
