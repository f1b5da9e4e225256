"""One patient, several films: the maps are made once; and what seeds vary in films, drawn without rendering."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from screening_node.phantom import anatomical
from screening_node.phantom.anatomical import Exam
from screening_node.phantom.anatomy.figure import Posture, draw_posture
from screening_node.phantom.dicom_film import dataset_of
from screening_node.phantom.film import BEDSIDE, FRONTAL
from screening_node.phantom.physics import beam, vendor


@pytest.fixture(scope="module")
def exam() -> Exam:
    return anatomical.draw_exam(5, long_side=256)


def test_the_first_film_is_the_seed_s_own(exam: Exam) -> None:
    film, again = anatomical.render(5, long_side=256), anatomical.take(exam)
    assert np.array_equal(film.pixels, again.pixels)
    assert (film.bits, film.monochrome1, film.kvp) == (again.bits, again.monochrome1, again.kvp)


def test_a_further_film_is_of_the_same_patient_with_the_same_bones(exam: Exam) -> None:
    films = [anatomical.take(exam, number) for number in range(4)]
    for film in films[1:]:
        assert film.patient == films[0].patient
        assert np.array_equal(film.landmarks, films[0].landmarks)
        assert film.findings == films[0].findings
        assert film.spacing == films[0].spacing
        assert film.pixels.shape == films[0].pixels.shape
    assert len({film.pixels.tobytes() for film in films}) == 4
    assert np.array_equal(anatomical.take(exam, 2).pixels, films[2].pixels)
    headers = [dataset_of(film) for film in films]
    assert len({str(header.PatientID) for header in headers}) == 1  # a split by patient keeps them together
    assert len({str(header.SOPInstanceUID) for header in headers}) == 4


def test_a_further_film_meets_no_bone_again(exam: Exam, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work is counted, not time: bones, vessels and tissue are traced once an exam."""
    traced: list[str] = []

    def counted(name: str) -> Callable[..., Any]:
        work: Callable[..., Any] = getattr(anatomical, name)

        def count(*given: Any, **named: Any) -> Any:
            traced.append(name)
            return work(*given, **named)

        return count

    for name in ("path_map", "grain", "_water"):
        monkeypatch.setattr(anatomical, name, counted(name))
    whole = anatomical.draw_exam(5, long_side=256)
    assert traced.count("path_map") >= 4
    assert {"grain", "_water"} < set(traced)
    traced.clear()
    for number in (1, 2, 3):
        anatomical.take(whole, number)
    assert traced == []


@pytest.fixture(scope="module")
def settings() -> list[tuple[beam.Technique, vendor.Processing]]:
    return [anatomical._draw_settings(np.random.default_rng([seed, 41]), FRONTAL) for seed in range(300)]


@pytest.fixture(scope="module")
def postures() -> list[Posture]:
    return [draw_posture(np.random.default_rng([seed, 42])) for seed in range(400)]


def test_voltages_bits_and_polarities_all_occur(settings: list[tuple[beam.Technique, vendor.Processing]]) -> None:
    voltages = {round(technique.kvp) for technique, _ in settings}
    assert {115, 120} <= voltages
    assert min(voltages) >= 110
    assert max(voltages) <= 125
    assert {processing.bits for _, processing in settings} == {10, 12, 14}
    inverted = np.mean([processing.monochrome1 for _, processing in settings])
    assert 0.2 < inverted < 0.5


def test_exposure_varies_by_more_than_a_factor_of_four(
    settings: list[tuple[beam.Technique, vendor.Processing]],
) -> None:
    exposures = [technique.exposure for technique, _ in settings]
    assert np.percentile(exposures, 97) / np.percentile(exposures, 3) > 4


def test_scoliosis_and_poor_inspiration_occur(postures: list[Posture]) -> None:
    assert 0.01 < np.mean([abs(posture.sway) > 12 for posture in postures]) < 0.1
    assert 0.02 < np.mean([posture.inspiration < -1.5 for posture in postures]) < 0.15
    bedside = [draw_posture(np.random.default_rng([seed, 42]), bedside=True) for seed in range(200)]
    assert np.mean([posture.inspiration < -1.5 for posture in bedside]) > 0.25


def test_rotation_occurs_and_more_of_it_at_the_bedside() -> None:
    def degrees(kind: str) -> float:
        turns = []
        for seed in range(120):
            scene = anatomical.draw_scene(
                seed, np.random.default_rng([seed, 41]), kind=kind, long_side=256, bmd_shift=0.0
            )
            turns.append(np.degrees(np.arcsin(scene.camera.turn[0, 2])))
        return float(np.std(turns))

    frontal, bedside = degrees(FRONTAL), degrees(BEDSIDE)
    assert 1.5 < frontal < 2.7
    assert bedside > 1.5 * frontal
