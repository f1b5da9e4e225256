import numpy as np
import pytest

from screening_node.phantom.anatomy.shapes import Dome, Ellipsoid, Rod, Shape, Stack, joined, window_of
from screening_node.phantom.physics.camera import Camera, Rays, rotation


def rays(*, turned: float = 0.0) -> Rays:
    turn = rotation(about_y=turned, about_x=0.0, about_z=0.0)
    view = Camera(shape=(300, 300), spacing=1.0, turn=turn, shift=(0, 0), centre_y=0.0, source_z=-18000.0, film_z=200.0)
    return view.rays(301, 301)


def tall(only: int = 0) -> Stack:
    heights = [-100.0, 100.0]
    return Stack(
        heights=heights, centre_x=[0, 0], centre_z=[0, 0], half_x=[60, 60], half_z=[30, 30], exponent=2.0, only=only
    )


@pytest.mark.parametrize("turned", [0.0, 0.2, np.pi / 2])
@pytest.mark.parametrize(
    ("shape", "volume"),
    [
        (Ellipsoid(centre=(10, -20, 5), half=(40, 30, 20), roll=0.4), 4 / 3 * np.pi * 40 * 30 * 20),
        (Rod(start=(0, -60, 0), end=(0, 60, 0), radius=15), np.pi * 15**2 * 130),
        (tall(), np.pi * 60 * 30 * 200),
    ],
)
def test_the_path_adds_up_to_the_volume(shape: Shape, volume: float, turned: float) -> None:
    view = rays(turned=turned)
    area = (299 / 300 / (18200 / 18000)) ** 2
    assert joined(view, [shape]).sum() * area == pytest.approx(volume, rel=0.02)


@pytest.mark.parametrize("turned", [0.0, 0.25, -0.25])
def test_two_halves_make_a_whole(turned: float) -> None:
    view = rays(turned=turned)
    halves = joined(view, [tall(1)]) + joined(view, [tall(-1)])
    assert halves == pytest.approx(joined(view, [tall()]), abs=1e-6)


def test_a_union_counts_what_overlaps_once() -> None:
    view = rays()
    ball = Ellipsoid(centre=(0, 0, 0), half=(40, 40, 40))
    inner = Ellipsoid(centre=(0, 0, 10), half=(10, 10, 10))
    assert joined(view, [ball, inner, ball]) == pytest.approx(joined(view, [ball]))


def test_within_keeps_to_the_stretch() -> None:
    view = rays()
    ball = Ellipsoid(centre=(0, 0, 0), half=(40, 40, 40))
    inner = Ellipsoid(centre=(0, 0, 10), half=(10, 10, 10))
    assert joined(view, [ball], within=[inner.cross(view)]) == pytest.approx(joined(view, [inner]))


def test_a_dome_is_full_below_and_empty_above() -> None:
    view = rays()
    path = joined(view, [Dome(top=(0, 0, 0), reach=(50, 50), fall=40)])
    assert path[:148].max() == 0
    assert path[200, 150] > 50


def test_points_are_held_where_rays_run() -> None:
    points = np.random.default_rng(1).uniform(-120, 120, (20000, 3))
    for shape, volume in ((tall(), np.pi * 60 * 30 * 200), (tall(1), np.pi * 60 * 30 * 100)):
        assert shape.holds(points).mean() * 240**3 == pytest.approx(volume, rel=0.15)


def test_the_window_holds_every_ray_that_hits() -> None:
    view = rays()
    stretch = Ellipsoid(centre=(30, 20, 0), half=(10, 15, 10)).cross(view)
    window = window_of(stretch)
    hit = stretch[1] > stretch[0]
    assert hit[window].sum() == hit.sum() > 0
    assert window_of((stretch[0], stretch[0])) == (slice(0, 0), slice(0, 0))
