"""What a synthetic film is: pixels, and the truth about them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from screening_node.phantom.cohort import PhantomPatient

#: Named on every film, so that weights can say what they were trained on; a change to any drawing raises it.
PHANTOM_VERSION = "anatomical-2"

FRONTAL = "frontal"
LATERAL = "lateral"
BEDSIDE = "bedside"
EXTREMITY = "extremity"
ABDOMEN = "abdomen"
HAND = "hand"
#: PA and lateral chest, AP chest at the bedside, a knee, abdomen and hand.
KINDS = (FRONTAL, LATERAL, BEDSIDE, EXTREMITY, ABDOMEN, HAND)
#: Those that show a chest.
CHESTS = (FRONTAL, LATERAL, BEDSIDE)


@dataclass(frozen=True, kw_only=True)
class SyntheticFilm:
    """A film as a detector would store it, and the truth about it.

    ``pixels`` uint16 (rows, columns), ``spacing`` in mm, ``landmarks`` (16, 2) as (x, y) in pixels in the order
    of LANDMARK_NAMES (empty (0, 2) on other views), ``patient`` with BMD in g/cm2; ``version`` names the
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
    version: str
    kvp: int
    source_to_detector: float
    findings: tuple[str, ...] = ()
