from __future__ import annotations

import numpy as np
import pytest
import torch
from laboratory.annotated_films import CHEST, drawn

from screening_node.laboratory.landmarks.augmentation import MIRRORED, Augmentation, augmented

STILL = Augmentation(turn=0, scale=0, stretch=0, shift=0, mirror=0, border=0, patch=0, blur=0, gamma=0, gain=0, noise=0)


def films(count: int = 4, side: int = 128) -> tuple[torch.Tensor, torch.Tensor]:
    picture = torch.from_numpy(drawn(CHEST * side - 0.5, side)).float() / 255
    return picture.expand(count, -1, -1), torch.from_numpy(CHEST).float().expand(count, -1, -1).clone()


def test_nothing_asked_changes_nothing_but_the_size() -> None:
    squares, points = films()
    new, placed = augmented(squares, points, STILL, 128, torch.Generator().manual_seed(0))
    assert new.numpy() == pytest.approx(squares.clamp(1e-3, 1).numpy(), abs=1e-5)
    assert placed.numpy() == pytest.approx(points.numpy(), abs=1e-6)
    assert augmented(squares, points, STILL, 64, torch.Generator().manual_seed(0))[0].shape == (4, 64, 64)


@pytest.mark.parametrize("mirror", [0.0, 1.0])
def test_points_go_where_the_picture_goes(mirror: float) -> None:
    squares, points = films(8)
    how = Augmentation(border=0, patch=0, blur=0, gamma=0, gain=0, noise=0, mirror=mirror)
    new, placed = augmented(squares, points, how, 128, torch.Generator().manual_seed(3))
    for picture, where in zip(new.numpy(), placed.numpy() * 128 - 0.5, strict=True):
        for x, y in where[(where > 6).all(axis=1) & (where < 121).all(axis=1)].round().astype(int):
            around = picture[y - 6 : y + 7, x - 6 : x + 7]
            row, column = np.unravel_index(around.argmax(), around.shape)
            assert np.hypot(row - 6, column - 6) <= 2


def test_a_mirrored_film_keeps_left_on_the_right_of_the_picture() -> None:
    squares, points = films(1)
    _, placed = augmented(
        squares, points, Augmentation(**{**vars_of(STILL), "mirror": 1.0}), 64, torch.Generator().manual_seed(0)
    )
    assert placed[0, 0, 0] > placed[0, 3, 0]
    assert [MIRRORED[index] for index in MIRRORED] == list(range(16))


def vars_of(how: Augmentation) -> dict[str, float]:
    return {name: getattr(how, name) for name in how.__dataclass_fields__}


def test_unknown_points_stay_unknown_and_alone() -> None:
    squares, points = films(2)
    points[0, 14] = torch.nan
    _, placed = augmented(squares, points, Augmentation(mirror=0), 64, torch.Generator().manual_seed(1))
    unknown = torch.isnan(placed).any(dim=-1)
    assert unknown.sum() == 1
    assert unknown[0, 14]


def test_the_same_generator_gives_the_same_films() -> None:
    squares, points = films()
    one, two = (augmented(squares, points, Augmentation(), 64, torch.Generator().manual_seed(9))[0] for _ in range(2))
    assert torch.equal(one, two)
    assert torch.isfinite(one).all()
