from __future__ import annotations

import numpy as np
import pytest

from screening_node.imaging.pyramid import build_pyramid


def test_each_level_is_the_mean_of_two_by_two() -> None:
    film = np.random.default_rng(0).random((400, 256)).astype(np.float32)
    pyramid = build_pyramid(film)
    assert pyramid.shape == (400, 256)
    expected = film.reshape(200, 2, 128, 2).mean(axis=(1, 3))
    assert np.allclose(pyramid.levels[1], expected)


def test_odd_sides_repeat_their_last_pixel() -> None:
    pyramid = build_pyramid(np.arange(201 * 301, dtype=np.float32).reshape(201, 301))
    assert pyramid.levels[1].shape == (101, 151)
    assert pyramid.levels[1][-1, -1] == 201 * 301 - 1


@pytest.mark.parametrize(("step", "level"), [(0.2, 0), (1.0, 0), (1.3, 0), (1.5, 1), (2.9, 2), (5.0, 2), (1e6, 4)])
def test_the_level_follows_the_step(step: float, level: int) -> None:
    assert build_pyramid(np.zeros((1600, 1600), np.float32)).level_for(step) == level
