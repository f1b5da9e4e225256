"""The anatomical generator: meshes for bone, intervals for soft tissue, a beam, a detector, a maker's processing.

Everything is drawn from the seed in this order: patient, posture, stance and film, technique, processing;
each part of the body has a generator of its own, so that a change to one part leaves the others as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from screening_node.phantom.anatomy import chest, findings, ribs, shoulder, spine, torso, vessels
from screening_node.phantom.anatomy.abdomen import CENTRE_Y, abdomen
from screening_node.phantom.anatomy.bone import Bone, Grain
from screening_node.phantom.anatomy.extremity import Part, hand, knee
from screening_node.phantom.anatomy.figure import SIDES, Figure, draw_posture
from screening_node.phantom.cohort import BONE_NOISE, draw_patient
from screening_node.phantom.film import (
    ABDOMEN,
    BEDSIDE,
    CHESTS,
    EXTREMITY,
    FRONTAL,
    HAND,
    KINDS,
    LATERAL,
    PHANTOM_VERSION,
    SyntheticFilm,
)
from screening_node.phantom.physics import beam, vendor
from screening_node.phantom.physics.camera import Camera, Points, rotation
from screening_node.phantom.physics.grids import Array, spread
from screening_node.phantom.physics.scanline import Weighted, path_map
from screening_node.phantom.physics.texture import grain

#: Soft tissue is drawn on a grid of so many mm, vessels and grain's strength on films so many times coarser.
_TISSUE_MM = 1.6
_VESSEL_SHRINK, _GRAIN_SHRINK = 2, 4
#: Field sizes in mm, (height, width), and detector pitches in mm (Wang et al. 2022, section IV.A).
_FIELDS = ((430.0, 350.0), (430.0, 430.0), (350.0, 430.0), (430.0, 410.0))
_PITCHES = (0.125, 0.16)
_LANDMARK_RIBS = (3, 5, 7, 9)
#: Parts of the body that are no chest; their tube voltages in kV; fields in mm and heights of the film's centre in mm.
_OTHER_PARTS: Mapping[str, Callable[[Figure], Part]] = {EXTREMITY: knee, ABDOMEN: abdomen, HAND: hand}
_KVP = {EXTREMITY: (60, 70), ABDOMEN: (70, 85), HAND: (50, 56)}
_HAND_FIELD = (240.0, 200.0)


@dataclass(frozen=True, kw_only=True)
class Maps:
    """What the beam meets, (rows, columns): ``water`` in cm, ``mineral`` in g/cm2 with its trabecular grain."""

    water: Array = field(repr=False)
    mineral: Array = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One patient before one film."""

    figure: Figure
    camera: Camera
    kind: str

    def landmarks(self) -> npt.NDArray[np.float64]:
        """The 16 landmarks (16, 2) as (x, y) in pixels, in the order of LANDMARK_NAMES; none but on frontal films."""
        if self.kind not in (FRONTAL, BEDSIDE):
            return np.zeros((0, 2))
        return np.asarray(self.camera.project(landmark_points(self.figure))[:, :2])


@dataclass(frozen=True, kw_only=True)
class Shot:
    """How a film of a scene is taken: technique, the maker's processing, and what the shutters leave open."""

    technique: beam.Technique
    processing: vendor.Processing
    window: tuple[slice, slice]


@dataclass(frozen=True, kw_only=True)
class Exam:
    """A patient before the detector with all that the beam meets: what costs the time, kept for further films.

    All films of an exam show one patient, and belong on one side of a split.
    """

    seed: int
    scene: Scene
    shown: findings.Findings
    maps: Maps
    first: Shot


def render(seed: int, *, kind: str = FRONTAL, long_side: int | None = None, bmd_shift: float = 0.0) -> SyntheticFilm:
    """The film of a seed. ``long_side`` in pixels, else a detector of 0.125 or 0.16 mm; ValueError for another kind."""
    return take(draw_exam(seed, kind=kind, long_side=long_side, bmd_shift=bmd_shift))


def draw_exam(seed: int, *, kind: str = FRONTAL, long_side: int | None = None, bmd_shift: float = 0.0) -> Exam:
    """The patient of a seed with his maps; ``long_side`` in pixels; ValueError for another kind."""
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}, not one of {', '.join(KINDS)}")
    rng = np.random.default_rng([seed, 41])
    scene = draw_scene(seed, rng, kind=kind, long_side=long_side, bmd_shift=bmd_shift)
    technique, processing = _draw_settings(rng, kind)
    shown = findings.draw_findings(rng, scene.figure.patient.sex, bedside=kind == BEDSIDE)
    if kind not in CHESTS:
        shown = findings.Findings(names=frozenset())
    first = Shot(technique=technique, processing=processing, window=_collimation(rng, scene.camera.shape))
    return Exam(seed=seed, scene=scene, shown=shown, maps=draw_maps(scene, shown), first=first)


def take(exam: Exam, number: int = 0) -> SyntheticFilm:
    """A film of an exam: 0 is the seed's own; others differ in technique, noise, processing and collimation alone."""
    scene, shot = exam.scene, exam.first
    if number:
        rng = np.random.default_rng([exam.seed, 43, number])
        technique, processing = _draw_settings(rng, scene.kind)
        shot = Shot(technique=technique, processing=processing, window=_collimation(rng, scene.camera.shape))
    spacing = scene.camera.spacing
    log_signal = beam.expose(exam.maps.water, exam.maps.mineral, shot.technique, spacing, window=shot.window)
    return SyntheticFilm(
        seed=exam.seed,
        kind=scene.kind,
        pixels=vendor.process(log_signal, shot.processing, window=shot.window),
        spacing=spacing,
        bits=shot.processing.bits,
        monochrome1=shot.processing.monochrome1,
        landmarks=scene.landmarks(),
        patient=scene.figure.patient,
        version=PHANTOM_VERSION,
        kvp=round(shot.technique.kvp),
        source_to_detector=abs(scene.camera.film_z - scene.camera.source_z),
        findings=tuple(sorted(exam.shown.names)),
    )


def _draw_settings(rng: np.random.Generator, kind: str) -> tuple[beam.Technique, vendor.Processing]:
    technique = beam.draw_technique(rng, bedside=kind == BEDSIDE)
    processing = vendor.draw_processing(rng)
    if kind in _KVP:  # softer beams where there is no air to get through
        low, high = _KVP[kind]
        technique = replace(technique, kvp=float(np.interp(technique.kvp, [110, 125], [low, high])))
    return technique, processing


def draw_scene(seed: int, rng: np.random.Generator, *, kind: str, long_side: int | None, bmd_shift: float) -> Scene:
    """Patient, posture and stance of a seed."""
    patient = draw_patient(seed, bmd_shift=bmd_shift)
    figure = Figure(patient=patient, posture=draw_posture(rng, bedside=kind == BEDSIDE), bone_noise=BONE_NOISE)
    return Scene(figure=figure, camera=_camera(rng, kind, long_side, figure), kind=kind)


def landmark_points(figure: Figure) -> Points:
    """The landmarks (16, 3) in mm, in the order of LANDMARK_NAMES."""
    clavicles = [point for side in SIDES for point in shoulder.clavicle_landmarks(figure, side)]
    margins = [ribs.outermost(ribs.centre_line(figure, side, n)) for side in SIDES for n in _LANDMARK_RIBS]
    return np.array([*clavicles, *margins, spine.body_centre(figure, "C7"), spine.body_centre(figure, "T12")])


def draw_maps(scene: Scene, shown: findings.Findings) -> Maps:
    """Water and mineral on the film."""
    if scene.kind in _OTHER_PARTS:
        part = _OTHER_PARTS[scene.kind](scene.figure)
        rays = scene.camera.rays(
            *(max(int(side * scene.camera.spacing / _TISSUE_MM), 16) for side in scene.camera.shape)
        )
        water = np.maximum(spread(0.1 * part.tissue(rays), scene.camera.shape), 0)
        return Maps(water=water, mineral=_mineral(scene, part.bones, []))
    bones = _bones(scene)
    things = [(bone.outer, density) for bone, density in shown.objects(scene.figure)]
    things += [(bone.outer, density) for bone, density in ribs.cartilages(scene.figure)]
    if scene.kind != LATERAL:
        height, width = (side * scene.camera.spacing for side in scene.camera.shape)
        marker = findings.side_marker(scene.figure, scene.camera, width, height)
        things += [(bone.outer, density) for bone, density in marker]
    return Maps(water=_water(scene, shown), mineral=_mineral(scene, bones, things))


def _bones(scene: Scene) -> list[Bone]:
    figure = scene.figure
    arms_up = scene.kind == LATERAL
    return [*spine.bones(figure), *ribs.bones(figure), *shoulder.bones(figure, arms_up=arms_up)]


def _mineral(scene: Scene, bones: Sequence[Bone], things: Sequence[tuple[Points, float]]) -> Array:
    """Areal mineral in g/cm2: cortex, marrow, objects, and the grain of the marrow."""
    camera = scene.camera
    surfaces = [*_mineral_surfaces(camera, bones)]
    surfaces += [Weighted(rings=camera.project(rings), weight=0.1 * density) for rings, density in things]
    mineral = path_map(surfaces, camera.shape).astype(np.float32)
    variances, qualities = {}, {}
    for direction in Grain:
        part = [bone for bone in bones if bone.stuff.grain is direction]
        if not part:
            continue
        marrow = [Weighted(rings=camera.project(b.inner), weight=0.1 * b.stuff.grain_variance) for b in part]
        variances[direction] = path_map(marrow, camera.shape, shrink=_GRAIN_SHRINK)
        qualities[direction] = float(np.exp(np.mean([np.log(bone.stuff.q) for bone in part])))
    rng = scene.figure.rng(60)
    mineral += grain(variances, qualities, camera.shape, camera.spacing, rng)
    return np.maximum(mineral, 0)


def _mineral_surfaces(camera: Camera, bones: Sequence[Bone]) -> Iterator[Weighted]:
    """Outer surfaces as cortex; inner ones take it away and put marrow in its place (g/cm2 for each mm)."""
    for bone in bones:
        cortical, trabecular = bone.stuff.cortical_density, bone.stuff.trabecular_density
        yield Weighted(rings=camera.project(bone.outer), weight=0.1 * cortical)
        yield Weighted(rings=camera.project(bone.inner), weight=0.1 * (trabecular - cortical))


def _water(scene: Scene, shown: findings.Findings) -> Array:
    """Water-equivalent thickness in cm."""
    figure, camera = scene.figure, scene.camera
    build, body = torso.draw_build(figure), chest.build_chest(figure)
    rays = camera.rays(*(max(int(side * camera.spacing / _TISSUE_MM), 16) for side in camera.shape))
    path = torso.body(figure, build, rays, arms_up=scene.kind == LATERAL) - torso.belly(figure, rays, body.dome)
    air = (1 - body.density) * body.air(rays, shown.fluid(figure, body, rays))
    path -= np.maximum(air - shown.infiltrate(figure, body, rays), 0)
    water = spread(0.1 * path, camera.shape)
    water += spread(path_map([*_tubes(scene, body)], camera.shape, shrink=_VESSEL_SHRINK), camera.shape)
    return np.maximum(water, 0)


def _tubes(scene: Scene, body: chest.Chest) -> Iterator[Weighted]:
    """Vessels, which fill lung, and airways, which empty the mediastinum; in cm of water."""
    for group in vessels.vessels(scene.figure, body):
        for rings in scene.camera.project(group):
            yield Weighted(rings=rings, weight=0.1 * (1 - body.density))
    for rings, share in vessels.airway(scene.figure):
        yield Weighted(rings=scene.camera.project(rings), weight=-0.1 * share)


def _camera(rng: np.random.Generator, kind: str, long_side: int | None, figure: Figure) -> Camera:
    """Film, source and stance; the film is centred on the chest but for a shift."""
    height, width = _FIELDS[int(rng.integers(len(_FIELDS)))]
    if kind == HAND:
        height, width = _HAND_FIELD
    pitch = float(rng.choice(_PITCHES))
    spacing = pitch if long_side is None else max(height, width) / long_side
    size, bedside = figure.size, kind == BEDSIDE
    loose = 2.0 if bedside else 1.0
    turn = rotation(
        about_y=float(0.035 * loose * rng.standard_normal()) + (np.pi / 2 if kind == LATERAL else 0.0),
        about_x=float(0.04 * loose * rng.standard_normal()),
        about_z=float(0.02 * loose * rng.standard_normal()),
    )
    aside = -22.0 * size if kind == LATERAL else 0.0
    away = float(rng.uniform(1000, 1200)) if bedside else 1800.0
    camera = Camera(
        shape=(round(height / spacing), round(width / spacing)),
        spacing=spacing,
        turn=turn,
        shift=(aside + float(5 * loose * rng.standard_normal()), float(8 * loose * rng.standard_normal())),
        centre_y=131 * size,
        source_z=-115 + away if bedside else 138 - away,
        film_z=-115.0 if bedside else 138.0,
    )
    if kind == LATERAL:
        return replace(camera, film_z=205.0, source_z=205.0 - away)
    if kind == ABDOMEN:  # on the back, the source above
        return replace(camera, film_z=-115.0, source_z=-115.0 + 1150, centre_y=CENTRE_Y * size)
    return replace(camera, film_z=22.0, source_z=22.0 - 1100) if kind == HAND else camera


def _collimation(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[slice, slice]:
    """The part of the film that the shutters leave open: all of it on three films of four."""
    cuts = rng.uniform(0.0, [0.045, 0.015, 0.04, 0.04]) * (rng.random(4) < 0.6) * (rng.random() < 0.25)
    rows, columns = shape
    return (
        slice(int(cuts[0] * rows), rows - int(cuts[1] * rows)),
        slice(int(cuts[2] * columns), columns - int(cuts[3] * columns)),
    )
