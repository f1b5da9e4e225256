"""The bones of one patient, drawn into a film, and the 16 landmarks they define.

Measures are of the project's own digital chest phantom study; all in mm, at body size 1, y from T1's upper edge.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from screening_node.phantom.cohort import PhantomPatient
from screening_node.phantom.projection import BoneStuff, Mineral, Points, View

_BODIES = ("C4", "C5", "C6", "C7", *(f"T{level}" for level in range(1, 13)), "L1", "L2", "L3")
_BODY_HEIGHT = (13.5, 13.5, 13.5, 14.5, 16.5, 17.5, 18, 18.5, 19, 19.5, 20, 20.5, 21, 22, 23.5, 25, 26.5, 27.5, 28)
_DISC = (5, 5.2, 5.5, 5.5, 4.5, 3.8, 3.4, 3.2, 3.4, 3.6, 3.8, 4, 4.4, 5, 5.8, 6.5, 7.5, 9, 10)
_BODY_WIDTH = (24, 25, 27, 30, 31, 29, 27, 26.5, 27, 28, 29, 30.5, 32, 34, 37, 40, 42, 43.5, 45)
_BODY_DEPTH = (15, 15, 16, 17, 17, 18.5, 20, 21.5, 23, 24.5, 26, 27, 28, 29, 30, 31, 32, 33, 34)
_T1 = _BODIES.index("T1")

_RIB_HALF_WIDTH = (60, 90, 108, 120, 128, 134, 138, 140, 138, 131, 120, 100)
_RIB_HALF_DEPTH = (44, 62, 74, 82, 88, 92, 95, 97, 97, 95, 90, 84)
_RIB_SLOPE = (0.50, 0.56, 0.60, 0.62, 0.64, 0.66, 0.68, 0.68, 0.66, 0.62, 0.58, 0.55)
_RIB_DROP = (2, 4, 6, 8, 10, 12, 14, 16, 18, 18, 14, 10)
_RIB_END = (62, 60, 58, 56, 54, 50, 44, 36, 26, 14, -12, -40)
_RIB_HALF_HEIGHT = (7.5, 5.8, 6.1, 6.3, 6.5, 6.6, 6.6, 6.5, 6.2, 5.8, 5.2, 4.4)
_RIB_HALF_THICKNESS = (4.2, 3.7, 3.6, 3.6, 3.6, 3.7, 3.7, 3.6, 3.5, 3.3, 3.0, 2.7)
_RIB_BACK_Z = -48.0
_LANDMARK_RIBS = (3, 5, 7, 9)

_CLAVICLE = np.array(
    [(17, 26, 62), (45, 22, 66), (78, 13, 50), (112, 3, 22), (140, -2, 2), (158, 0, -8)], dtype=np.float64
)
_CLAVICLE_LANDMARKS = (0.06, 0.50, 0.92)


@dataclass(frozen=True, kw_only=True)
class Habit:
    """How one patient's skeleton differs from the mean: all in SDs or mm.

    ``inspiration`` in SDs lifts the ribs; ``curve`` in mm is the amplitude of the spine's sideways wave, with
    its ``phase``; ``kyphosis`` in rad is how far the upper and lower spine lean against the beam;
    ``shoulder`` in mm moves (left, right) shoulders up.
    """

    inspiration: float
    curve: float
    phase: float
    kyphosis: float
    shoulder: tuple[float, float]
    chest_width: float


def draw_habit(rng: np.random.Generator) -> Habit:
    """A habit from the generator."""
    return Habit(
        inspiration=float(rng.standard_normal()),
        curve=float(3.0 * rng.standard_normal()),
        phase=float(rng.uniform(0, 2 * np.pi)),
        kyphosis=float(rng.normal(0.16, 0.05)),
        shoulder=(float(5 * rng.standard_normal()), float(5 * rng.standard_normal())),
        chest_width=float(np.exp(0.03 * rng.standard_normal())),
    )


@dataclass(frozen=True, kw_only=True)
class Skeleton:
    """One patient's bones; ``seed`` fixes each bone's own noise."""

    patient: PhantomPatient
    habit: Habit
    seed: int

    def landmarks(self) -> Points:
        """The landmarks (16, 3) in mm, in the order of LANDMARK_NAMES."""
        clavicles = [self._clavicle_point(side, place) for side in (1, -1) for place in _CLAVICLE_LANDMARKS]
        ribs = [_outermost(self.rib(side, number)) for side in (1, -1) for number in _LANDMARK_RIBS]
        return np.array([*clavicles, *ribs, self.body_centre("C7"), self.body_centre("T12")])

    def body_centre(self, name: str) -> Points:
        """Centre (3,) of a vertebral body."""
        index = _BODIES.index(name)
        top = sum(_BODY_HEIGHT[_T1:index]) + sum(_DISC[_T1:index])
        top -= sum(_BODY_HEIGHT[index:_T1]) + sum(_DISC[index:_T1])
        y = (top + _BODY_HEIGHT[index] / 2) * self.patient.size
        bow = -14 * np.sin(np.pi * np.clip(y, 0, 280) / 280)
        return np.array([self._sway(y), y, -22 * self.patient.size + bow])

    def rib(self, side: int, number: int) -> Points:
        """Centre line (n, 3) of a rib; ``side`` 1 is the patient's left."""
        i = number - 1
        angle = np.radians(np.linspace(-81, _RIB_END[i], 40))
        size, habit = self.patient.size, self.habit
        z = _RIB_HALF_DEPTH[i] * (1 + np.sin(angle))
        head = self.body_centre(f"T{number}")
        y = (_RIB_SLOPE[i] - 0.03 * habit.inspiration) * z + _RIB_DROP[i] * np.cos(angle)
        x = _RIB_HALF_WIDTH[i] * habit.chest_width * np.cos(angle)
        top = head[1] - _BODY_HEIGHT[_T1 + i] * size / 2
        return np.stack([side * x * size + head[0], top + y * size, (_RIB_BACK_Z + z) * size], axis=1)

    def clavicle(self, side: int) -> Points:
        """Centre line (n, 3) of a clavicle."""
        smooth = np.stack([np.interp(np.linspace(0, 5, 41), range(6), _CLAVICLE[:, axis]) for axis in range(3)], axis=1)
        smooth[1:-1] = (smooth[:-2] + smooth[1:-1] + smooth[2:]) / 3
        smooth[:, 1] -= self._lift(side) * np.clip((smooth[:, 0] - 17) / 120, 0, 1)
        smooth[:, 0] *= side
        return smooth * self.patient.size

    def draw(self, view: View) -> Mineral:
        """All the bones on a film."""
        mineral = Mineral.empty(view)
        rng = np.random.default_rng([self.seed, 4])
        self._draw_spine(mineral, rng)
        self._draw_ribs(mineral, rng)
        for side, name in ((1, "left"), (-1, "right")):
            self._draw_clavicle(mineral, rng, side, f"{name}_clavicle")
            self._draw_shoulder(mineral, rng, side, f"{name}_clavicle")
        self._draw_sternum(mineral, rng)
        return mineral

    def _sway(self, y: float) -> float:
        return float(self.habit.curve * np.sin(2 * np.pi * y / 300 + self.habit.phase))

    def _lift(self, side: int) -> float:
        return self.habit.shoulder[0 if side > 0 else 1]

    def _clavicle_point(self, side: int, place: float) -> Points:
        line = self.clavicle(side)
        travelled = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
        return np.array([np.interp(place * travelled[-1], travelled, line[:, axis]) for axis in range(3)])

    def _draw_clavicle(self, mineral: Mineral, rng: np.random.Generator, side: int, region: str) -> None:
        size = self.patient.size
        stuff = BoneStuff(q=self.patient.bone_q(region, rng), cortex=1.25 * size, trabecular=0.20)
        heights = [9.5 * size, 6.6 * size, 5.6 * size, 5.8 * size, 6.2 * size]
        mineral.add_tubes([self.clavicle(side)], half_height=heights, half_width=5.5 * size, stuff=stuff)

    def _draw_ribs(self, mineral: Mineral, rng: np.random.Generator) -> None:
        size = self.patient.size
        for side, region in ((1, "left_ribs"), (-1, "right_ribs")):
            for number in range(1, 13):
                stuff = BoneStuff(q=self.patient.bone_q(region, rng), cortex=0.75 * size, trabecular=0.12)
                mineral.add_tubes(
                    [self.rib(side, number)],
                    half_height=_RIB_HALF_HEIGHT[number - 1] * size,
                    half_width=_RIB_HALF_THICKNESS[number - 1] * size,
                    stuff=stuff,
                )

    def _draw_spine(self, mineral: Mineral, rng: np.random.Generator) -> None:
        sideways = _sideways(mineral.view)
        for index, name in enumerate(_BODIES):
            q = self.patient.bone_q(_spine_region(name), rng)
            centre = self.body_centre(name)
            size = self.patient.size
            width, depth = _BODY_WIDTH[index] * size, _BODY_DEPTH[index] * size
            share = np.clip((index - _T1 - 6) / 6, -1.2, 1.2)
            slope = self._sway(centre[1] + 1) - self._sway(centre[1])
            mineral.add_body(
                centre,
                width=depth if sideways else width,
                height=_BODY_HEIGHT[index] * size,
                depth=width if sideways else depth,
                tilt=0.0 if sideways else -float(slope),
                lean=0.0 if sideways else float(self.habit.kyphosis * share + mineral.view.pose.tilt),
                stuff=BoneStuff(q=q, cortex=0.4 * size, trabecular=0.13),
            )
            self._draw_arch(mineral, index, centre, q)

    def _draw_arch(self, mineral: Mineral, index: int, centre: Points, q: float) -> None:
        """Pedicles, laminae, transverse and spinous processes of one vertebra."""
        size = self.patient.size
        pedicles, processes = zip(*_arch_lines(index), strict=True)
        for lines, half_height, half_width in ((pedicles, 5.5, 3.6), (processes, 4.4, 2.8)):
            placed = [centre + line * size for group in lines for line in group]
            mineral.add_tubes(
                placed,
                half_height=half_height * size,
                half_width=half_width * size,
                stuff=BoneStuff(q=q, cortex=0.6 * size, trabecular=0.16),
            )

    def _draw_shoulder(self, mineral: Mineral, rng: np.random.Generator, side: int, region: str) -> None:
        """Scapula as a blade with borders, spine and coracoid; humeral head and shaft."""
        size, lift = self.patient.size, self._lift(side)
        scapula = BoneStuff(q=self.patient.bone_q(region, rng), cortex=0.9 * size, trabecular=0.14)
        humerus = BoneStuff(q=self.patient.bone_q(region, rng), cortex=1.6 * size, trabecular=0.13)

        def place(*points: tuple[float, float, float]) -> Points:
            line = np.array(points, dtype=np.float64) - (0, lift, 0)
            return line * (side, 1, 1) * size

        lateral = [(156, 40, -35), (141, 80, -55), (126, 130, -72), (118, 158, -76)]
        medial = [(108, 18, -72), (102, 80, -84), (109, 130, -82), (118, 158, -76)]
        fan = [
            place(*(tuple(np.array(a) * (1 - w) + np.array(b) * w) for a, b in zip(lateral, medial, strict=True)))
            for w in np.linspace(0.15, 0.95, 7)
        ]
        mineral.add_tubes([place(*lateral)], half_height=5.0 * size, half_width=4.2 * size, stuff=scapula)
        mineral.add_tubes(fan, half_height=9.0 * size, half_width=8.0 * size, stuff=scapula, share=0.07)
        ridge = place((108, 22, -76), (135, 8, -50), (160, -6, -18))
        mineral.add_tubes([ridge], half_height=[3, 4.5, 6.5], half_width=4 * size, stuff=scapula)
        coracoid = place((146, 26, -25), (138, 18, -2), (144, 24, 14))
        mineral.add_tubes([coracoid], half_height=5.0 * size, half_width=5.0 * size, stuff=scapula)
        if _sideways(mineral.view):
            return  # the arms are up
        mineral.add_ball(place((181, 30, -20))[0], radius=23.5 * size, stuff=humerus)
        shaft = place((186, 40, -20), (196, 90, -20), (208, 340, -20))
        mineral.add_tubes([shaft], half_height=11 * size, half_width=11 * size, stuff=humerus)

    def _draw_sternum(self, mineral: Mineral, rng: np.random.Generator) -> None:
        size = self.patient.size
        stuff = BoneStuff(q=self.patient.bone_q("thoracic", rng), cortex=0.5 * size, trabecular=0.12)
        line = np.array([(0, 32, 66), (0, 80, 86), (0, 185, 100)], dtype=np.float64) * size
        mineral.add_tubes([line], half_height=5 * size, half_width=17 * size, stuff=stuff)


def _arch_lines(index: int) -> Iterator[tuple[list[Points], list[Points]]]:
    """Centre lines around a body's centre, at size 1: (pedicles, processes) of each side, then of the middle."""
    half = 0.78 * _BODY_WIDTH[index] / 2
    up = -0.12 * _BODY_HEIGHT[index]
    back = -_BODY_DEPTH[index] / 2
    level = index - _T1
    reach = 9.0 if level < 0 else 27.0 if level > 11 else 19.0 - 0.7 * level
    for side in (1, -1):
        pedicle = np.array([(side * half, up, back + 3), (side * half, up, back - 8)])
        lamina = np.array([(side * half, up + 2, back - 9), (side * 2, up + 9, back - 20)])
        transverse = np.array([(side * half, up, back - 8), (side * (half + reach), up - 3, back - 14)])
        yield [pedicle], [lamina, transverse]
    long, drop = (14.0, 6.0) if level < -1 else (26.0, 14.0) if level < 2 else (22.0, 20.0 if level < 10 else 12.0)
    yield [], [np.array([(0, up + 9, back - 20), (0, up + 9 + drop, back - 20 - long)])]


def _spine_region(name: str) -> str:
    if name[0] == "C":
        return "cervical"
    return "lower_spine" if name in ("T11", "T12", "L1", "L2", "L3") else "thoracic"


def _sideways(view: View) -> bool:
    """Whether the patient stands side on, as for a lateral film."""
    return bool(abs(np.sin(view.pose.rotation)) > 0.7)


def _outermost(line: Points) -> Points:
    point: Points = line[np.argmax(np.abs(line[:, 0]))]
    return point
