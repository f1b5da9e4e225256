from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from screening_node.domain.result import LANDMARK_NAMES
from screening_node.phantom.dicom_film import dataset_of, write_film
from screening_node.phantom.film import LATERAL, SyntheticFilm, render
from screening_node.phantom.projection import BoneStuff, Mineral, Pose, View

SMALL = 300


@pytest.fixture(scope="module")
def film() -> SyntheticFilm:
    return render(11, long_side=SMALL)


def bone_bright(film: SyntheticFilm) -> np.ndarray:
    share = film.pixels / (2**film.bits - 1)
    return 1 - share if film.monochrome1 else share


def test_the_same_seed_gives_the_same_film(film: SyntheticFilm) -> None:
    assert np.array_equal(film.pixels, render(11, long_side=SMALL).pixels)
    assert not np.array_equal(film.pixels[:200, :200], render(12, long_side=SMALL).pixels[:200, :200])


def test_pixels_fill_their_bits(film: SyntheticFilm) -> None:
    assert max(film.pixels.shape) == SMALL
    assert film.pixels.max() < 2**film.bits
    assert np.ptp(film.pixels) > 0.5 * 2**film.bits


def test_landmarks_lie_where_the_anatomy_is(film: SyntheticFilm) -> None:
    place = dict(zip(LANDMARK_NAMES, film.landmarks, strict=True))
    rows, columns = film.pixels.shape
    assert ((film.landmarks >= 0) & (film.landmarks < (columns, rows))).all()
    assert place["left_rib_7"][0] > place["t12"][0] > place["right_rib_7"][0]  # the patient's left is on the right
    assert place["c7"][1] < place["left_rib_3"][1] < place["left_rib_9"][1] < place["t12"][1] + 0.1 * rows


def test_landmarks_follow_the_size_of_the_pixels() -> None:
    small, large = render(5, long_side=200), render(5, long_side=400)
    assert (large.landmarks + 0.5) * large.spacing == pytest.approx((small.landmarks + 0.5) * small.spacing, abs=0.2)


def test_the_spine_is_brighter_than_the_lungs(film: SyntheticFilm) -> None:
    bright = bone_bright(film)
    t12 = film.landmarks[LANDMARK_NAMES.index("t12")].round().astype(int)
    rib = film.landmarks[[LANDMARK_NAMES.index("right_rib_5"), LANDMARK_NAMES.index("left_rib_5")]]
    lung = (rib[0] + 0.25 * (rib[1] - rib[0])).round().astype(int)
    assert bright[t12[1], t12[0]] > bright[lung[1] - 5 : lung[1] + 5, lung[0] - 5 : lung[0] + 5].mean() + 0.1


def test_a_lateral_film_is_another_picture_of_the_same_patient(film: SyntheticFilm) -> None:
    lateral = render(11, kind=LATERAL, long_side=SMALL)
    assert lateral.patient == film.patient
    assert lateral.landmarks.shape == (0, 2)
    assert not np.array_equal(lateral.pixels, film.pixels)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="oblique"):
        render(1, kind="oblique")


def view(shape: tuple[int, int] = (80, 200)) -> View:
    pose = Pose(rotation=0, tilt=0, roll=0, shift=(0, 0))
    return View(shape=shape, spacing=0.5, origin=(shape[1] * 0.25, shape[0] * 0.25), pose=pose)


def test_a_tube_along_the_film_has_its_analytic_mineral() -> None:
    mineral = Mineral.empty(view())
    stuff = BoneStuff(q=1.0, cortex=1.0, trabecular=0.2)
    mineral.add_tubes([np.array([[-80.0, 0, 135], [80, 0, 135]])], half_height=6, half_width=4, stuff=stuff)
    middle = mineral.areal[38:42, 95:105].mean()
    assert middle == pytest.approx(0.1 * (2 * 1.05 * 1.0 + 0.2 * 2 * 3), rel=0.05)


def test_a_tube_along_the_beam_shows_its_length() -> None:
    mineral = Mineral.empty(view())
    stuff = BoneStuff(q=1.0, cortex=1.0, trabecular=0.2)
    mineral.add_tubes([np.array([[0.0, 0, 115], [0, 0, 135]])], half_height=6, half_width=6, stuff=stuff)
    assert mineral.areal[38:42, 98:102].mean() == pytest.approx(0.1 * 20 * 0.2, rel=0.06)


@pytest.mark.parametrize("part", ["tube", "body", "ball"])
def test_more_bone_gives_more_mineral(part: str) -> None:
    def total(q: float) -> float:
        mineral = Mineral.empty(view())
        stuff = BoneStuff(q=q, cortex=0.6, trabecular=0.14)
        if part == "tube":
            mineral.add_tubes([np.array([[-20.0, 0, 0], [20, 3, 0]])], half_height=6, half_width=4, stuff=stuff)
        elif part == "body":
            mineral.add_body(np.zeros(3), width=40, height=25, depth=30, tilt=0.02, lean=0.1, stuff=stuff)
        else:
            mineral.add_ball(np.zeros(3), radius=12, stuff=stuff)
        return float(mineral.areal.sum())

    assert 0 < total(0.6) < total(0.9) < total(1.2)


def test_bone_beside_the_film_leaves_it_empty() -> None:
    mineral = Mineral.empty(view())
    stuff = BoneStuff(q=1.0, cortex=0.6, trabecular=0.14)
    mineral.add_tubes([np.array([[900.0, 0, 0], [990, 3, 0]])], half_height=6, half_width=4, stuff=stuff)
    mineral.add_body(np.array([900.0, 0, 0]), width=40, height=25, depth=30, tilt=0, lean=0, stuff=stuff)
    mineral.add_ball(np.array([0.0, 900, 0]), radius=12, stuff=stuff)
    assert not mineral.areal.any()


def test_the_dicom_file_says_what_the_film_is(tmp_path: Path) -> None:
    film = write_film(4, tmp_path / "film.dcm", size=SMALL)
    dataset = dcmread(tmp_path / "film.dcm")
    assert np.array_equal(dataset.pixel_array, film.pixels)
    assert dataset.SOPClassUID.name == "Digital X-Ray Image Storage - For Presentation"
    assert (dataset.ViewPosition, dataset.BodyPartExamined) == ("PA", "CHEST")
    assert float(dataset.ImagerPixelSpacing[0]) == pytest.approx(film.spacing)
    assert int(dataset.PatientAge[:3]) == film.patient.age
    years = int(dataset.StudyDate[:4]) - int(dataset.PatientBirthDate[:4])
    assert years - 1 == film.patient.age  # born on the last day of the year
    assert dataset.PatientID.startswith("PHANTOM-")


def test_uids_are_derived(film: SyntheticFilm) -> None:
    one, again = dataset_of(film), dataset_of(render(11, long_side=SMALL))
    lateral = dataset_of(render(11, kind=LATERAL, long_side=SMALL))
    assert one.SOPInstanceUID == again.SOPInstanceUID
    assert one.StudyInstanceUID == lateral.StudyInstanceUID
    assert len({one.SOPInstanceUID, lateral.SOPInstanceUID, one.SeriesInstanceUID, lateral.SeriesInstanceUID}) == 4
    assert one.SOPInstanceUID.is_valid
    assert lateral.ViewPosition == "LL"
