"""One body: the patient's size and bone, and the chance that makes no two chests alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from screening_node.phantom.anatomy.bone import Grain, Stuff
from screening_node.phantom.cohort import PhantomPatient

Points = npt.NDArray[np.float64]

LEFT, RIGHT = 1, -1
SIDES = (LEFT, RIGHT)


@dataclass(frozen=True, kw_only=True)
class Posture:
    """How one body differs from the mean.

    ``inspiration`` in SDs lifts the ribs and lowers the diaphragm; ``sway`` in mm is the amplitude of the spine's
    sideways wave, with its ``sway_phase`` and ``sway_period`` in mm; ``kyphosis`` multiplies the spine's bends;
    ``shoulders`` in mm lifts (left, right); ``blades`` in mm moves the scapulae outwards (arms rolled forward);
    ``arms`` in mm is how far the elbows stand out;
    ``chest_width`` and ``chest_depth`` multiply; ``asymmetry`` is the SD of what single ribs do on their own.
    """

    inspiration: float
    sway: float
    sway_phase: float
    sway_period: float
    kyphosis: float
    shoulders: tuple[float, float]
    blades: tuple[float, float]
    arms: float
    chest_width: float
    chest_depth: float
    asymmetry: float


def draw_posture(rng: np.random.Generator, *, bedside: bool = False) -> Posture:
    """A posture; at the bedside a patient breathes in less and the scapulae stay over the lungs."""
    scoliotic = rng.random() < 0.06
    rolled = -14.0 if bedside else 0.0
    return Posture(
        inspiration=float(np.clip(rng.standard_normal() - (1.2 if bedside else 0.0), -2.8, 2.2)),
        sway=float((11 if scoliotic else 3) * rng.standard_normal()),
        sway_phase=float(rng.uniform(0, 2 * np.pi)),
        sway_period=float(rng.uniform(260, 360)),
        kyphosis=float(np.clip(rng.normal(1.0, 0.25), 0.3, 1.8)),
        shoulders=(float(6 * rng.standard_normal()), float(6 * rng.standard_normal())),
        blades=(float(rolled + 6 * rng.standard_normal()), float(rolled + 6 * rng.standard_normal())),
        arms=float(rng.uniform(0, 90)),
        chest_width=float(np.exp(0.035 * rng.standard_normal())),
        chest_depth=float(np.exp(0.05 * rng.standard_normal())),
        asymmetry=float(rng.uniform(0.6, 1.4)),
    )


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A patient with a posture; every part draws its own chance from ``rng``, so that parts stay independent."""

    patient: PhantomPatient
    posture: Posture
    bone_noise: float

    @property
    def size(self) -> float:
        """Body size S: female 0.925, male 1 on average."""
        return self.patient.size

    def rng(self, *part: int) -> np.random.Generator:
        """The generator of one part; the same part of the same patient gets the same."""
        return np.random.default_rng([self.patient.seed, 40, *part])

    def stuff(
        self,
        region: str,
        rng: np.random.Generator,
        *,
        cortex: float,
        trabecular: float,
        grain: Grain = Grain.ROUND,
    ) -> Stuff:
        """What a bone of ``region`` is made of: the region's q with the bone's own noise; mm and g/cm3 at q = 1."""
        q = float(np.exp(self.patient.region_log_q[region] + self.bone_noise * rng.standard_normal()))
        return Stuff(q=q, cortex=cortex * self.size, trabecular=trabecular, grain=grain)

    def lift(self, side: int) -> float:
        """How far a shoulder stands up, mm at size 1."""
        return self.posture.shoulders[0 if side == LEFT else 1]

    def blade_shift(self, side: int) -> float:
        """How far a scapula stands out, mm at size 1."""
        return self.posture.blades[0 if side == LEFT else 1]
