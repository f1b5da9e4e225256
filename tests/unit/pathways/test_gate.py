from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from screening_node.domain.result import RefusalCode
from screening_node.errors import BundleInvalid
from screening_node.imaging.pyramid import build_pyramid
from screening_node.pathways.chest_film import gate
from screening_node.phantom.anatomical import render
from screening_node.phantom.film import FRONTAL, SyntheticFilm

LIMITS = gate.GateLimits()


@pytest.fixture(scope="module")
def film() -> SyntheticFilm:
    return render(11, kind=FRONTAL, long_side=512)


def bright(film: SyntheticFilm) -> np.ndarray:
    pixels = film.pixels.astype(np.float32)
    return pixels.max() - pixels if film.monochrome1 else pixels


def measured(pixels: np.ndarray, points: np.ndarray, shake: float = 0.0) -> gate.Measurements:
    views = points + shake * np.random.default_rng(0).standard_normal((3, 16, 2))
    return gate.measure(build_pyramid(pixels), (0.8, 0.8), points, views)


def code(found: gate.Measurements) -> RefusalCode | None:
    refusal = gate.judge(found, LIMITS)
    return None if refusal is None else refusal.code


def test_a_frontal_film_with_its_true_landmarks_passes(film: SyntheticFilm) -> None:
    assert gate.check_pixels(build_pyramid(bright(film)), (0.8, 0.8), LIMITS) is None
    assert code(measured(bright(film), film.landmarks, shake=1.0)) is None


def test_landmarks_that_move_with_the_view_are_refused(film: SyntheticFilm) -> None:
    assert code(measured(bright(film), film.landmarks, shake=12.0)) is RefusalCode.LANDMARKS_IMPLAUSIBLE


def test_an_inverted_film_shows_no_lungs(film: SyntheticFilm) -> None:
    assert code(measured(bright(film).max() - bright(film), film.landmarks)) is RefusalCode.NOT_FRONTAL


def test_a_chest_seen_on_a_picture_without_one_is_refused(film: SyntheticFilm) -> None:
    y, x = np.mgrid[: film.pixels.shape[0], : film.pixels.shape[1]]
    slope = (x + 0.2 * y).astype(np.float32)
    assert code(measured(slope, film.landmarks)) is RefusalCode.NOT_FRONTAL


def test_a_plate_on_a_clavicle_is_hardware(film: SyntheticFilm) -> None:
    pixels = bright(film)
    medial, lateral = film.landmarks[3], film.landmarks[5]
    for share in np.linspace(0, 1, 400):
        x, y = np.round(medial + share * (lateral - medial)).astype(int)
        pixels[y - 6 : y + 6, x - 3 : x + 3] = pixels.max()
    refusal = gate.judge(measured(pixels, film.landmarks), LIMITS)
    assert refusal is not None
    assert refusal.code is RefusalCode.HARDWARE
    assert "right clavicle" in refusal.text


def _moved(indices: list[int], by: tuple[float, float]) -> Any:
    def change(points: np.ndarray) -> np.ndarray:
        points = points.copy()
        points[indices] += by
        return points

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_moved([0, 1, 2, 3, 4, 5], (0, -400)), "off the film"),
        (lambda points: points[[2, 1, 0, *range(3, 16)]], "order"),
        (lambda points: points[[*range(6), 9, 8, 7, 6, *range(10, 16)]], "order"),
        (lambda points: points[[3, 4, 5, 0, 1, 2, 10, 11, 12, 13, 6, 7, 8, 9, 14, 15]], "order"),
        (lambda points: points[[*range(14), 15, 14]], "order"),
        (lambda points: (points - points[14]) * [0.6, 1] + points[14], "times as wide"),
        (lambda points: points.mean(axis=0) + (points - points.mean(axis=0)) * 0.5, "mm apart"),
        (_moved([6, 7, 8, 9], (0, 90)), "left and right"),
        (_moved([15], (130, 0)), "tilted"),
    ],
)
def test_implausible_geometry(film: SyntheticFilm, change: Any, says: str) -> None:
    refusal = gate.judge(measured(bright(film), change(film.landmarks)), LIMITS)
    assert refusal is not None
    assert refusal.code is RefusalCode.LANDMARKS_IMPLAUSIBLE
    assert says in refusal.text


@pytest.mark.parametrize(
    ("pixels", "spacing", "expected"),
    [
        (np.zeros((500, 500)), None, RefusalCode.EXPOSURE),
        (np.full((500, 500), 3000.0), None, RefusalCode.EXPOSURE),
        (np.random.default_rng(0).random((500, 500)) * 5, None, RefusalCode.EXPOSURE),
        (np.where(np.random.default_rng(0).random((500, 500)) < 0.6, 4095, 0.0), None, RefusalCode.EXPOSURE),
        (np.random.default_rng(0).random((300, 900)) * 4000, None, RefusalCode.RESOLUTION_TOO_LOW),
        (np.random.default_rng(0).random((500, 500)) * 4000, (1.4, 1.4), RefusalCode.RESOLUTION_TOO_LOW),
    ],
)
def test_pixels_that_no_model_can_judge(
    pixels: np.ndarray, spacing: tuple[float, float] | None, expected: RefusalCode
) -> None:
    refusal = gate.check_pixels(build_pyramid(pixels.astype(np.float32)), spacing, LIMITS)
    assert refusal is not None
    assert refusal.code is expected


def test_without_a_spacing_lengths_are_not_judged(film: SyntheticFilm) -> None:
    found = gate.measure(build_pyramid(bright(film)), None, film.landmarks, film.landmarks[None])
    assert found.spine_mm is None
    assert code(found) is None


def test_a_card_overrides_limits_by_name() -> None:
    limits = gate.GateLimits.with_overrides({"most_tilt": 3.0})
    assert limits == replace(LIMITS, most_tilt=3.0)
    with pytest.raises(BundleInvalid, match="most_tilted"):
        gate.GateLimits.with_overrides({"most_tilted": 3.0})


@pytest.mark.parametrize("points", [np.zeros((16, 2)), np.full((16, 2), -1e6), np.full((16, 2), 250.0)])
def test_landmarks_of_a_lost_detector_are_refused_not_raised(film: SyntheticFilm, points: np.ndarray) -> None:
    assert code(measured(bright(film), points)) is RefusalCode.LANDMARKS_IMPLAUSIBLE
