import dataclasses

import numpy as np
import pytest

from screening_node.domain.result import LANDMARK_NAMES
from screening_node.phantom import anatomical
from screening_node.phantom.anatomy import chest, ribs, shoulder, spine
from screening_node.phantom.anatomy.bone import Bone
from screening_node.phantom.anatomy.figure import SIDES, Figure, draw_posture
from screening_node.phantom.anatomy.findings import Findings
from screening_node.phantom.cohort import draw_patient
from screening_node.phantom.dicom_film import dataset_of
from screening_node.phantom.film import (
    ABDOMEN,
    BEDSIDE,
    EXTREMITY,
    FRONTAL,
    HAND,
    KINDS,
    LATERAL,
    PHANTOM_VERSION,
    SyntheticFilm,
)
from screening_node.phantom.physics.camera import Camera
from screening_node.phantom.physics.scanline import Weighted, path_map

SIZE = 320


@pytest.fixture(scope="module")
def films() -> dict[str, SyntheticFilm]:
    return {kind: anatomical.render(11, kind=kind, long_side=SIZE) for kind in KINDS}


def figure_of(seed: int, *, q: float | None = None) -> Figure:
    """A body; of even density q, straight and of mean size where q is given."""
    patient, posture = draw_patient(seed), draw_posture(np.random.default_rng(seed))
    if q is not None:
        even = dict.fromkeys(patient.region_log_q, float(np.log(q)))
        patient = dataclasses.replace(patient, region_log_q=even, size=1.0)
        posture = dataclasses.replace(posture, sway=0.0, kyphosis=1.0)
    return Figure(patient=patient, posture=posture, bone_noise=0.0)


def straight(spacing: float = 0.8, shape: tuple[int, int] = (560, 620)) -> Camera:
    """A source so far away that nothing is magnified."""
    return Camera(
        shape=shape, spacing=spacing, turn=np.eye(3), shift=(0, 0), centre_y=130.0, source_z=-1e6, film_z=135.0
    )


def mineral_of(bones: list[Bone], view: Camera) -> np.ndarray:
    return path_map(list(anatomical._mineral_surfaces(view, bones)), view.shape)


@pytest.mark.parametrize("kind", KINDS)
def test_a_film_has_sound_pixels(films: dict[str, SyntheticFilm], kind: str) -> None:
    film = films[kind]
    assert film.pixels.dtype == np.uint16
    assert max(film.pixels.shape) == SIZE
    assert 10 <= film.bits <= 14
    assert film.pixels.max() < 2**film.bits
    assert film.pixels.std() > 0.05 * 2**film.bits
    assert film.version == PHANTOM_VERSION


def test_a_seed_is_a_film(films: dict[str, SyntheticFilm]) -> None:
    again = anatomical.render(11, long_side=SIZE)
    assert (again.pixels == films[FRONTAL].pixels).all()
    assert (again.landmarks == films[FRONTAL].landmarks).all()
    other = anatomical.render(12, long_side=SIZE)
    assert other.pixels.shape != again.pixels.shape or (other.pixels != again.pixels).any()


def test_frontal_films_have_landmarks_and_others_none(films: dict[str, SyntheticFilm]) -> None:
    for kind in (FRONTAL, BEDSIDE):
        assert films[kind].landmarks.shape == (len(LANDMARK_NAMES), 2)
        assert np.isfinite(films[kind].landmarks).all()
    for kind in (LATERAL, EXTREMITY, ABDOMEN, HAND):
        assert films[kind].landmarks.shape == (0, 2)


def test_the_patient_s_left_is_on_the_right(films: dict[str, SyntheticFilm]) -> None:
    for kind in (FRONTAL, BEDSIDE):
        x = dict(zip(LANDMARK_NAMES, films[kind].landmarks[:, 0], strict=True))
        assert x["left_clavicle_medial"] > x["c7"] > x["right_clavicle_medial"]
        assert x["left_rib_7"] > x["t12"] > x["right_rib_7"]


@pytest.mark.parametrize("seed", [2, 3])
def test_landmarks_lie_inside_their_bones(seed: int) -> None:
    figure, view = figure_of(seed), straight()
    points = view.project(anatomical.landmark_points(figure))[:, :2].round().astype(int)
    bones = {
        "clavicles": [bone for bone in shoulder.bones(figure) if bone.stuff.grain == "axial"],
        "ribs": list(ribs.bones(figure)),
        "spine": list(spine.bones(figure)),
    }
    whole = {name: mineral_of(part, view) for name, part in bones.items()}
    for name, places in (("clavicles", points[:6]), ("ribs", points[6:14]), ("spine", points[14:])):
        assert all(whole[name][y, x] > 0.02 for x, y in places), name


def test_rib_landmarks_are_the_margin_s_outermost_points() -> None:
    figure = figure_of(4)
    for side in SIDES:
        for number in (3, 5, 7, 9):
            line = ribs.centre_line(figure, side, number)
            reach = np.abs(line[:, 0] - line[0, 0])
            point = ribs.outermost(line)
            assert abs(point[0] - line[0, 0]) == pytest.approx(reach.max(), abs=0.5)


@pytest.mark.parametrize(("q", "expected"), [(0.7, 0.56), (1.0, 0.83), (1.3, 1.11)])
def test_areal_mineral_of_t12(q: float, expected: float) -> None:
    figure, view = figure_of(4, q=q), straight(0.5, (1000, 300))
    areal = mineral_of(list(spine.bones(figure)), view)
    x, y = view.project(spine.body_centre(figure, "T12"))[:2]
    half_width, half_height = 40 / 2 / 0.5, 25 / 2 / 0.5
    box = areal[int(y - half_height) : int(y + half_height), int(x - half_width) : int(x + half_width)]
    assert box.mean() == pytest.approx(expected, abs=0.05)


def test_the_middle_of_the_back_is_no_denser_than_t12() -> None:
    figure, view = figure_of(4, q=1.0), straight(0.5, (1000, 300))
    areal = mineral_of(list(spine.bones(figure)), view)
    means = []
    for level in ("T4", "T6", "T8", "T12"):
        x, y = view.project(spine.body_centre(figure, level))[:2].astype(int)
        means.append(areal[y - 16 : y + 16, x - 26 : x + 26].mean())
    assert max(means[:3]) < means[3] + 0.05


def test_more_bone_means_more_mineral_and_nothing_else() -> None:
    maps = []
    for shift in (-1.5, 0.0, 1.5):
        rng = np.random.default_rng(1)
        scene = anatomical.draw_scene(6, rng, kind=FRONTAL, long_side=256, bmd_shift=shift)
        maps.append(anatomical.draw_maps(scene, Findings(names=frozenset())))
    low, middle, high = (part.mineral.mean() for part in maps)
    assert low < middle < high
    assert all(np.isfinite(part.mineral).all() and np.isfinite(part.water).all() for part in maps)
    assert maps[0].water.max() == pytest.approx(maps[2].water.max(), rel=0.05)


def test_an_effusion_takes_air_and_metal_adds_mineral() -> None:
    rng = np.random.default_rng(1)
    scene = anatomical.draw_scene(6, rng, kind=FRONTAL, long_side=256, bmd_shift=0.0)
    plain = anatomical.draw_maps(scene, Findings(names=frozenset()))
    ill = anatomical.draw_maps(scene, Findings(names=frozenset({"effusion", "pacemaker", "consolidation"})))
    assert ill.water.sum() > plain.water.sum()
    assert (ill.mineral - plain.mineral).max() > 2


def test_lungs_stay_inside_the_ribs() -> None:
    for seed in (2, 5, 9):
        figure = figure_of(seed)
        body = chest.build_chest(figure)
        for side, cavity in zip(SIDES, body.cavities, strict=True):
            for number in range(2, 10):
                tip = ribs.outermost(ribs.centre_line(figure, side, number))
                beyond = tip + np.array([[side * 2.0, 0, 0]])
                assert not cavity.holds(beyond).any()


@pytest.mark.parametrize(("kind", "position", "part"), [(FRONTAL, "PA", "CHEST"), (BEDSIDE, "AP", "CHEST")])
def test_the_header_says_what_the_film_is(films: dict[str, SyntheticFilm], kind: str, position: str, part: str) -> None:
    dataset = dataset_of(films[kind])
    assert (dataset.ViewPosition, dataset.BodyPartExamined) == (position, part)
    assert dataset.ManufacturerModelName == "anatomical-2"
    assert 90 <= float(dataset.KVP) <= 125


@pytest.mark.parametrize(("kind", "part"), [(EXTREMITY, "KNEE"), (ABDOMEN, "ABDOMEN"), (HAND, "HAND")])
def test_other_parts_of_the_body_are_no_chest(films: dict[str, SyntheticFilm], kind: str, part: str) -> None:
    dataset = dataset_of(films[kind])
    assert dataset.BodyPartExamined == part
    assert dataset.StudyDescription == f"Synthetic {part.lower()} film"
    assert float(dataset.KVP) <= 85
    assert films[kind].findings == ()


@pytest.mark.parametrize(("kind", "least"), [(EXTREMITY, 0.05), (ABDOMEN, 0.6), (HAND, 0.02)])
def test_other_parts_have_bone_in_the_middle_of_the_film(kind: str, least: float) -> None:
    maps = anatomical.draw_exam(3, kind=kind, long_side=256).maps
    rows, columns = maps.mineral.shape
    middle = maps.mineral[rows // 4 : 3 * rows // 4, columns // 3 : 2 * columns // 3]
    assert middle.max() > 0.1
    covered = float((maps.water > 1).mean())
    assert least < covered


def test_raised_arms_stand_beside_the_neck_on_a_lateral_film() -> None:
    figure = figure_of(4)
    for arms_up, above in ((True, True), (False, False)):
        tips = [bone.outer[..., 1].min() < -150 for bone in shoulder.bones(figure, arms_up=arms_up)]
        assert any(tips) is above


def test_the_detector_s_pitch_is_that_of_the_paper_by_default() -> None:
    figure = figure_of(1)
    pitches = {anatomical._camera(np.random.default_rng(s), FRONTAL, None, figure).spacing for s in range(12)}
    assert pitches == {0.125, 0.16}


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="skull"):
        anatomical.render(1, kind="skull")


def test_weights_fold_into_one_map() -> None:
    view = straight()
    bone = next(spine.bones(figure_of(3)))
    both = mineral_of([bone], view)
    outer = path_map([Weighted(rings=view.project(bone.outer), weight=0.1 * bone.stuff.cortical_density)], view.shape)
    assert 0 < both.sum() < outer.sum()
    assert both.min() > -1e-9
