"""One synthetic film with its truth."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from screening_node.phantom.cohort import PhantomPatient, draw_patient
from screening_node.phantom.exposure import draw_technique, expose
from screening_node.phantom.projection import Pose, View
from screening_node.phantom.skeleton import Skeleton, draw_habit
from screening_node.phantom.tissue import draw_tissue, draw_water

#: Named on every film, so that weights can say what they were trained on; a change to any drawing raises it.
PHANTOM_VERSION = "simple-1"

FRONTAL = "frontal"
LATERAL = "lateral"
BEDSIDE = "bedside"
EXTREMITY = "extremity"
ABDOMEN = "abdomen"
HAND = "hand"
#: PA and lateral chest, AP chest at the bedside, a knee, abdomen and hand; the simple generator draws the first two.
KINDS = (FRONTAL, LATERAL, BEDSIDE, EXTREMITY, ABDOMEN, HAND)
#: Those that show a chest.
CHESTS = (FRONTAL, LATERAL, BEDSIDE)

#: Field sizes in mm, (height, width), that the films come in.
_FIELDS = ((420.0, 350.0), (430.0, 430.0), (420.0, 400.0), (400.0, 420.0))


@dataclass(frozen=True, kw_only=True)
class SyntheticFilm:
    """A film as a detector would store it, and the truth about it.

    ``pixels`` uint16 (rows, columns), ``spacing`` in mm, ``landmarks`` (16, 2) as (x, y) in pixels in the order
    of LANDMARK_NAMES (empty (0, 2) unless the film is frontal), ``patient`` with BMD in g/cm2; ``version`` names the
    generator, ``kvp`` in kV, ``source_to_detector`` in mm, ``findings`` what the film shows besides a healthy chest.
    """

    seed: int
    kind: str
    pixels: npt.NDArray[np.uint16] = field(repr=False)
    spacing: float
    bits: int
    monochrome1: bool
    landmarks: npt.NDArray[np.float64] = field(repr=False)
    patient: PhantomPatient
    version: str = PHANTOM_VERSION
    kvp: int = 120
    source_to_detector: float = 1800.0
    findings: tuple[str, ...] = ()


def render(seed: int, *, kind: str = FRONTAL, long_side: int | None = None, bmd_shift: float = 0.0) -> SyntheticFilm:
    """The film of a seed. ``long_side`` in pixels, else drawn so that the spacing is 0.34 to 0.46 mm."""
    if kind not in (FRONTAL, LATERAL):
        raise ValueError(f"kind is {kind!r}, not {FRONTAL!r} or {LATERAL!r}")
    rng = np.random.default_rng([seed, 2])
    patient = draw_patient(seed, bmd_shift=bmd_shift)
    skeleton = Skeleton(patient=patient, habit=draw_habit(rng), seed=seed)
    tissue = draw_tissue(patient, skeleton.habit.inspiration, rng)
    technique = draw_technique(rng)
    view = _draw_view(rng, kind, long_side, patient)
    mineral = skeleton.draw(view)
    water = draw_water(skeleton, tissue, view, lateral=kind == LATERAL)
    landmarks = view.project(skeleton.landmarks())[0] if kind == FRONTAL else np.zeros((0, 2))
    return SyntheticFilm(
        seed=seed,
        kind=kind,
        pixels=expose(water, mineral, technique),
        spacing=view.spacing,
        bits=technique.bits,
        monochrome1=technique.monochrome1,
        landmarks=landmarks,
        patient=patient,
    )


def _draw_view(rng: np.random.Generator, kind: str, long_side: int | None, patient: PhantomPatient) -> View:
    """Field, spacing and pose; the field is centred on the chest but for a shift."""
    height, width = _FIELDS[int(rng.integers(len(_FIELDS)))]
    spacing = float(rng.uniform(0.34, 0.46))
    if long_side is not None:
        spacing = max(height, width) / long_side
    spacing = round(spacing, 4)
    turn = np.pi / 2 if kind == LATERAL else 0.0
    pose = Pose(
        rotation=float(turn + 0.035 * rng.standard_normal()),
        tilt=float(0.04 * rng.standard_normal()),
        roll=float(0.02 * rng.standard_normal()),
        shift=(float(5 * rng.standard_normal()), float(8 * rng.standard_normal())),
    )
    middle = 128 * patient.size * 1.08
    aside = 26.0 * 1.08 if kind == LATERAL else 0.0
    return View(
        shape=(round(height / spacing), round(width / spacing)),
        spacing=spacing,
        origin=(width / 2 - aside, height / 2 - middle),
        pose=pose,
    )
