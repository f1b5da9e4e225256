from __future__ import annotations

import numpy as np
import pytest

from screening_node.domain.result import LANDMARK_NAMES, ROI_NAMES
from screening_node.imaging.pyramid import build_pyramid
from screening_node.pathways.chest_film import regions
from screening_node.pathways.chest_film.sampling import letterbox, sample

#: A symmetric chest about x = 500 on a film of 1000 columns.
RIGHT = [(440, 200), (330, 160), (200, 120), (260, 320), (200, 470), (160, 620), (140, 770)]
POINTS = np.array(
    [(999 - x, y) for x, y in RIGHT[:3]]
    + RIGHT[:3]
    + [(999 - x, y) for x, y in RIGHT[3:]]
    + RIGHT[3:]
    + [(499.5, 100), (499.5, 800)],
    dtype=float,
)


def outlines(points: np.ndarray, **options: object) -> dict[str, np.ndarray]:
    placed = regions.place(points, options.pop("spacing", None), **options)  # type: ignore[arg-type]
    return {roi.name: np.array(roi.corners) for roi in placed}


def test_there_are_fourteen_in_the_papers_split() -> None:
    names = list(outlines(POINTS))
    assert tuple(names) == ROI_NAMES
    counts = [sum(name.startswith(part) for name in names) for part in
              ("left_clavicle", "right_clavicle", "left_rib", "right_rib", "cervical", "lumbar")]  # fmt: skip
    assert counts == [2, 2, 4, 4, 1, 1]
    assert regions.INPUTS == 15


def test_they_are_rectangles_that_hold_their_landmark() -> None:
    landmark = dict(zip(LANDMARK_NAMES, POINTS, strict=True))
    held = {"left_rib_cage_1": "left_rib_3", "right_rib_cage_4": "right_rib_9", "cervical": "c7", "lumbar": "t12"}
    found = outlines(POINTS)
    for corners in found.values():
        across, down = corners[1] - corners[0], corners[3] - corners[0]
        assert np.allclose(corners[2], corners[0] + across + down)
        assert abs(across @ down) < 1e-6 * np.hypot(*across) * np.hypot(*down)
    for name, point in held.items():
        corners = found[name]
        across, down = corners[1] - corners[0], corners[3] - corners[0]
        inside = [(landmark[point] - corners[0]) @ axis / (axis @ axis) for axis in (across, down)]
        assert all(0 < share < 1 for share in inside)


def test_left_outlines_are_the_right_ones_mirrored() -> None:
    found = outlines(POINTS)
    for name in ROI_NAMES:
        if name.startswith("left"):
            mirrored = found[name.replace("left", "right")] * [-1, 1] + [999, 0]
            assert np.allclose(found[name], mirrored)


def test_left_crops_look_like_right_ones_on_a_symmetric_film() -> None:
    half = np.random.default_rng(0).random((1000, 500)).astype(np.float32)
    film = np.concatenate([half, half[:, ::-1]], axis=1)
    found = dict(zip(ROI_NAMES, regions.crops(film, regions.place(POINTS, None), 32), strict=False))
    for name in ROI_NAMES:
        if name.startswith("left"):
            assert np.allclose(found[name], found[name.replace("left", "right")], atol=1e-3)


def test_outlines_follow_a_turned_and_scaled_chest() -> None:
    angle = 0.2
    turn = 0.7 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turned = outlines(POINTS @ turn.T + [30, 50])
    for name, corners in outlines(POINTS).items():
        assert np.allclose(turned[name], corners @ turn.T + [30, 50])


def test_pixels_that_are_not_square_give_the_same_anatomy() -> None:
    squeezed = POINTS * [1, 0.5]
    for name, corners in outlines(squeezed, spacing=(0.2, 0.1)).items():
        assert np.allclose(corners, outlines(POINTS)[name] * [1, 0.5])


def test_scale_enlarges_about_the_centre() -> None:
    large, small = outlines(POINTS, scale=1.5), outlines(POINTS)
    assert np.hypot(*(large["lumbar"][1] - large["lumbar"][0])) == pytest.approx(
        1.5 * np.hypot(*(small["lumbar"][1] - small["lumbar"][0]))
    )
    assert np.allclose(large["lumbar"].mean(axis=0), POINTS[15])


@pytest.mark.parametrize("points", [np.zeros((16, 2)), np.full((16, 2), -5000.0), POINTS[::-1] * 40])
def test_any_landmarks_give_finite_crops(points: np.ndarray) -> None:
    film = np.random.default_rng(0).random((300, 200)).astype(np.float32)
    found = regions.crops(film, regions.place(points, None), 16)
    assert found.shape == (15, 16, 16)
    assert np.isfinite(found).all()


def test_the_last_crop_is_the_whole_film() -> None:
    film = np.random.default_rng(0).random((64, 64)).astype(np.float32)
    assert np.allclose(regions.crops(film, regions.place(POINTS, None), 64)[-1], film, atol=1e-5)


def test_a_crop_at_full_resolution_is_the_film_itself() -> None:
    film = np.random.default_rng(0).random((256, 256)).astype(np.float32)
    square = np.array([(31.5, 15.5), (95.5, 15.5), (95.5, 79.5), (31.5, 79.5)])
    assert np.allclose(sample(build_pyramid(film), [square], 64)[0], film[16:80, 32:96], atol=1e-4)


def test_shrinking_averages_instead_of_picking() -> None:
    film = np.indices((1024, 1024)).sum(axis=0).astype(np.float32) % 2  # a fine chequerboard
    small = sample(build_pyramid(film), [letterbox(film.shape)], 64)[0]
    assert np.abs(small - 0.5).max() < 0.01


def test_crops_of_many_scales_keep_their_order() -> None:
    ramp = np.tile(np.arange(2048, dtype=np.float32), (2048, 1))
    squares = [np.array([(x, 5), (x + side, 5), (x + side, 5 + side), (x, 5 + side)], dtype=float)
               for x, side in ((100, 16), (200, 900), (300, 40), (20, 1800))]  # fmt: skip
    found = sample(build_pyramid(ramp), squares, 16)
    means = [square[:, 0].mean() for square in squares]
    assert np.allclose(found.mean(axis=(1, 2)), means, atol=1.0)
