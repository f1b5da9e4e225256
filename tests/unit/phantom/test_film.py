from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from screening_node.domain.result import LANDMARK_NAMES
from screening_node.phantom.anatomical import render
from screening_node.phantom.dicom_film import dataset_of, write_film
from screening_node.phantom.film import LATERAL, SyntheticFilm

SMALL = 300


@pytest.fixture(scope="module")
def film() -> SyntheticFilm:
    return render(11, long_side=SMALL)


def bone_bright(film: SyntheticFilm) -> np.ndarray:
    share = film.pixels / (2**film.bits - 1)
    return 1 - share if film.monochrome1 else share


def mm_from_the_middle(film: SyntheticFilm) -> np.ndarray:
    rows, columns = film.pixels.shape
    return (film.landmarks - ((columns - 1) / 2, (rows - 1) / 2)) * film.spacing


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
    assert mm_from_the_middle(large) == pytest.approx(mm_from_the_middle(small), abs=1e-6)


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


def test_the_dicom_file_says_what_the_film_is(tmp_path: Path) -> None:
    film = write_film(4, tmp_path / "film.dcm", size=SMALL)
    dataset = dcmread(tmp_path / "film.dcm")
    assert np.array_equal(dataset.pixel_array, film.pixels)
    assert dataset.SOPClassUID.name == "Digital X-Ray Image Storage - For Presentation"
    assert (dataset.ViewPosition, dataset.BodyPartExamined) == ("PA", "CHEST")
    assert float(dataset.ImagerPixelSpacing[0]) == pytest.approx(film.spacing, abs=1e-4)
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
