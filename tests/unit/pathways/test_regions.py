from __future__ import annotations

import numpy as np
import pytest

from screening_node.domain.result import LANDMARK_NAMES, ROI_NAMES
from screening_node.errors import Misconfigured
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


FILM = (1000, 1000)


def crops(film: np.ndarray, layout: str, points: np.ndarray, size: int) -> dict[str, np.ndarray]:
    placed = regions.rectangles(layout, points, film.shape, None)
    return dict(zip(regions.input_names(layout), sample(build_pyramid(film), placed, size), strict=True))


def by_name(layout: str, points: np.ndarray, spacing: tuple[float, float] | None = None) -> dict[str, np.ndarray]:
    placed = regions.rectangles(layout, points, FILM, spacing)
    return dict(zip(regions.input_names(layout), placed, strict=True))


def outlines(points: np.ndarray, **options: object) -> dict[str, np.ndarray]:
    placed = regions.place(points, options.pop("spacing", None), **options)  # type: ignore[arg-type]
    return {roi.name: np.array(roi.corners) for roi in placed}


def test_there_are_fourteen_in_the_papers_split() -> None:
    names = list(outlines(POINTS))
    assert tuple(names) == ROI_NAMES
    counts = [sum(name.startswith(part) for name in names) for part in
              ("left_clavicle", "right_clavicle", "left_rib", "right_rib", "cervical", "lumbar")]  # fmt: skip
    assert counts == [2, 2, 4, 4, 1, 1]
    assert regions.input_names("rois-15") == (*ROI_NAMES, "whole")


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


@pytest.mark.parametrize("layout", ["rois-15", "rois-7"])
def test_left_crops_look_like_right_ones_on_a_symmetric_film(layout: str) -> None:
    half = np.random.default_rng(0).random((1000, 500)).astype(np.float32)
    found = crops(np.concatenate([half, half[:, ::-1]], axis=1), layout, POINTS, 32)
    sides = [name for name in found if name.startswith("left")]
    assert sides
    for name in sides:
        assert np.allclose(found[name], found[name.replace("left", "right")], atol=1e-3)
        assert not np.allclose(found[name], found[name][:, ::-1], atol=1e-2)


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
    for layout in ("rois-15", "rois-7"):
        found = np.stack(list(crops(film, layout, points, 16).values()))
        assert found.shape[1:] == (16, 16)
        assert np.isfinite(found).all()


@pytest.mark.parametrize("layout", ["rois-15", "rois-7", "patches-2", "patches-3", "patches-4", "whole"])
def test_the_last_crop_is_the_whole_film(layout: str) -> None:
    film = np.random.default_rng(0).random((64, 64)).astype(np.float32)
    found = crops(film, layout, POINTS, 64)
    assert list(found)[-1] == "whole"
    assert np.allclose(found["whole"], film, atol=1e-5)


def test_the_outlines_of_fifteen_are_those_that_a_report_draws() -> None:
    placed = by_name("rois-15", POINTS, spacing=(0.2, 0.1))
    for name, corners in outlines(POINTS, spacing=(0.2, 0.1)).items():
        assert np.array_equal(placed[name], corners)


def test_an_unknown_layout_is_named() -> None:
    for call in (regions.input_names, lambda layout: regions.rectangles(layout, POINTS, FILM, None)):
        with pytest.raises(Misconfigured, match="'rois-8'") as caught:
            call("rois-8")
        assert "rois-7" in str(caught.value.fix)


@pytest.mark.parametrize("spacing", [None, (0.2, 0.1)])
def test_each_of_seven_is_a_rectangle_about_the_whole_bone(spacing: tuple[float, float] | None) -> None:
    """Of the several ROIs of a bone in rois-15 it holds every corner, and touches on each of its four sides."""
    unit = np.array([1.0, spacing[0] / spacing[1] if spacing else 1.0])
    small = by_name("rois-15", POINTS, spacing)
    found = by_name("rois-7", POINTS, spacing)
    assert list(found) == ["left_clavicle", "right_clavicle", "cervical", "left_rib_cage", "right_rib_cage", "lumbar",
                           "whole"]  # fmt: skip
    for name, corners in found.items():
        corners = corners * unit
        across, down = corners[1] - corners[0], corners[3] - corners[0]
        assert np.allclose(corners[2], corners[0] + across + down)
        assert abs(across @ down) < 1e-6 * np.hypot(*across) * np.hypot(*down)
        parts = np.concatenate([small[part] * unit for part in small if part.startswith(name)]) - corners[0]
        for axis in (across, down):
            shares = parts @ axis / (axis @ axis)
            assert (shares.min(), shares.max()) == pytest.approx((0, 1), abs=1e-9)


def test_seven_are_mirrored_left_to_right() -> None:
    found = by_name("rois-7", POINTS)
    for name in ("left_clavicle", "left_rib_cage"):
        assert np.allclose(found[name], found[name.replace("left", "right")] * [-1, 1] + [999, 0])


def test_a_bone_that_is_one_crop_in_both_layouts_is_the_same_crop() -> None:
    fifteen, seven = by_name("rois-15", POINTS), by_name("rois-7", POINTS)
    assert all(np.allclose(fifteen[name], seven[name]) for name in ("cervical", "lumbar"))


@pytest.mark.parametrize(("layout", "split"), [("patches-2", 2), ("patches-3", 3), ("patches-4", 4)])
@pytest.mark.parametrize("shape", [(120, 96), (100, 130)])
def test_patches_tile_the_film_exactly(layout: str, split: int, shape: tuple[int, int]) -> None:
    placed = regions.rectangles(layout, POINTS, shape, None)[:-1]
    assert len(placed) == split**2 == len(regions.input_names(layout)) - 1
    for index, corners in enumerate(placed):
        row, column = divmod(index, split)
        low = [column * shape[1] / split - 0.5, row * shape[0] / split - 0.5]
        high = [(column + 1) * shape[1] / split - 0.5, (row + 1) * shape[0] / split - 0.5]
        assert np.allclose(corners, [low, [high[0], low[1]], high, [low[0], high[1]]])


def test_patches_at_full_resolution_are_the_film_itself() -> None:
    film = np.random.default_rng(0).random((96, 96)).astype(np.float32)
    found = crops(film, "patches-3", POINTS, 32)
    rows = [np.concatenate([found[f"patch_{row}_{column}"] for column in (1, 2, 3)], axis=1) for row in (1, 2, 3)]
    assert np.allclose(np.concatenate(rows), film, atol=1e-5)


def test_a_crop_at_full_resolution_is_the_film_itself() -> None:
    film = np.random.default_rng(0).random((256, 256)).astype(np.float32)
    square = np.array([(31.5, 15.5), (95.5, 15.5), (95.5, 79.5), (31.5, 79.5)])
    assert np.allclose(sample(build_pyramid(film), [square], 64)[0], film[16:80, 32:96], atol=1e-4)


def test_shrinking_averages_instead_of_picking() -> None:
    film = np.indices((1024, 1024)).sum(axis=0).astype(np.float32) % 2  # a fine chequerboard
    small = sample(build_pyramid(film), [letterbox(film.shape)], 64)[0]
    assert np.abs(small - 0.5).max() < 0.01


def test_an_oblong_is_averaged_along_its_long_side_too() -> None:
    stripes = np.tile(np.arange(1024)[:, None] % 2, (1, 1024)).astype(np.float32) + np.arange(1024)[:, None] // 6 % 2
    oblong = np.array([(99.5, 99.5), (163.5, 99.5), (163.5, 355.5), (99.5, 355.5)])  # 64 x 256 into 64 x 64
    found = sample(build_pyramid(stripes.astype(np.float32)), [oblong, oblong[[1, 2, 3, 0]]], 64)
    means = stripes[100:356, 100].reshape(64, 4).mean(axis=1)
    assert np.allclose(found[0], means[:, None], atol=1e-3)
    assert np.allclose(found[1], means[None, :], atol=1e-3)


def test_crops_of_many_scales_keep_their_order() -> None:
    ramp = np.tile(np.arange(2048, dtype=np.float32), (2048, 1))
    squares = [np.array([(x, 5), (x + side, 5), (x + side, 5 + side), (x, 5 + side)], dtype=float)
               for x, side in ((100, 16), (200, 900), (300, 40), (20, 1800))]  # fmt: skip
    found = sample(build_pyramid(ramp), squares, 16)
    means = [square[:, 0].mean() for square in squares]
    assert np.allclose(found.mean(axis=(1, 2)), means, atol=1.0)
