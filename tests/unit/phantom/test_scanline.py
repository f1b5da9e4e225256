import numpy as np
import pytest

from screening_node.phantom.anatomy.bone import Bone, Stuff, ball, tube
from screening_node.phantom.physics.camera import Camera
from screening_node.phantom.physics.scanline import Weighted, path_map

BEHIND, BEFORE = -1665.0, 1935.0


def camera(*, source_z: float = BEHIND, spacing: float = 0.5, shape: tuple[int, int] = (160, 200)) -> Camera:
    film_z = 135.0 if source_z < 0 else -135.0
    return Camera(
        shape=shape, spacing=spacing, turn=np.eye(3), shift=(0, 0), centre_y=0.0, source_z=source_z, film_z=film_z
    )


def solid() -> Stuff:
    return Stuff(q=1.0, cortex=0.0, trabecular=0.0)


def paths(bone: Bone, view: Camera, *, shrink: int = 1) -> np.ndarray:
    return path_map([Weighted(rings=view.project(bone.outer), weight=1.0)], view.shape, shrink=shrink)


def fine_ball(radius: float) -> Bone:
    angle = np.linspace(0, np.pi, 181)
    rings = np.stack(
        [
            np.stack(
                [
                    radius * np.sin(angle)[:, None] * np.cos(turn),
                    -radius * np.cos(angle)[:, None] * np.ones_like(turn),
                    radius * np.sin(angle)[:, None] * np.sin(turn),
                ],
                axis=-1,
            )
            for turn in [2 * np.pi * np.arange(240)[None] / 240]
        ]
    )[0]
    return Bone(stuff=solid(), outer=rings, inner=rings)


@pytest.mark.parametrize("source_z", [BEHIND, BEFORE])
def test_the_path_through_a_ball_is_its_chord(source_z: float) -> None:
    view = camera(source_z=source_z)
    radius = 20.0
    seen = paths(fine_ball(radius), view)
    rows, columns = view.shape
    x, y = np.meshgrid((np.arange(columns) - (columns - 1) / 2) * 0.5, (np.arange(rows) - (rows - 1) / 2) * 0.5)
    direction = np.stack([x, y, np.full_like(x, view.film_z - source_z)])
    direction /= np.linalg.norm(direction, axis=0)
    nearest = np.abs(source_z) ** 2 - (source_z * direction[2]) ** 2
    expected = 2 * np.sqrt(np.maximum(radius**2 - nearest, 0))
    inside = expected > 6
    assert inside.sum() > 2000
    assert seen[inside] == pytest.approx(expected[inside], rel=5e-3)
    assert seen[expected == 0] == pytest.approx(0, abs=1e-6)


def test_the_path_through_a_tube_across_the_beam_is_its_width() -> None:
    line = np.array([(-40.0, 0, 0), (40.0, 0, 0)])
    seen = paths(tube(line, 6.0, 9.0, stuff=solid(), exponent=2.0, around=400), camera())
    # Half axis 6 upright, 9 along the beam: 18 mm in the middle.
    assert seen[79:81, 90:110] == pytest.approx(18.0, rel=2e-3)


def test_a_hollow_shows_its_walls() -> None:
    line = np.array([(-40.0, 0, 0), (40.0, 0, 0)])
    bone = tube(line, 6.0, 9.0, stuff=Stuff(q=1.0, cortex=1.0, trabecular=0.0), exponent=2.0, around=200)
    view = camera()
    surfaces = [
        Weighted(rings=view.project(bone.outer), weight=1.0),
        Weighted(rings=view.project(bone.inner), weight=-1.0),
    ]
    walls = path_map(surfaces, view.shape)
    assert walls[79:81, 90:110] == pytest.approx(2.0, rel=1e-2)
    assert walls.min() > -1e-6


def test_surfaces_that_overlap_add_up() -> None:
    view = camera()
    one = Weighted(rings=view.project(fine_ball(10).outer), weight=1.0)
    assert path_map([one, one], view.shape) == pytest.approx(2 * path_map([one], view.shape), abs=1e-9)


def test_the_film_s_edge_cuts_and_changes_nothing_inside() -> None:
    bone = tube(np.array([(-140.0, -60, 5), (150.0, 70, -9)]), 8.0, 5.0, stuff=solid(), around=24)
    whole = paths(bone, camera(shape=(400, 720)))
    part = paths(bone, camera(shape=(160, 200)))
    assert whole[0].max() == pytest.approx(0, abs=1e-9)
    assert part == pytest.approx(whole[120:280, 260:460], abs=1e-7)


def test_a_coarser_film_sees_the_same_paths() -> None:
    view = camera(spacing=0.25, shape=(320, 400))
    bone = fine_ball(20)
    fine, coarse = paths(bone, view), paths(bone, view, shrink=4)
    assert coarse.shape == (80, 100)
    assert coarse.sum() * 16 == pytest.approx(fine.sum(), rel=5e-3)


def test_the_volume_under_the_paths_is_the_mesh_s_own() -> None:
    view = camera(spacing=0.2, shape=(300, 300))
    bone = ball(np.array([0.0, 0, 0]), (15.0, 10.0, 12.0), stuff=solid(), around=40)
    magnification = view.magnification(np.zeros(3))
    volume = paths(bone, view).sum() * (0.2 / magnification) ** 2
    assert volume == pytest.approx(_volume(bone.outer), rel=5e-3)


def _volume(rings: np.ndarray) -> float:
    """Divergence theorem over the triangles that the rings span."""
    a, b = rings, np.roll(rings, -1, axis=1)
    total = 0.0
    for p, q, r in ((a[:-1], b[:-1], a[1:]), (b[:-1], b[1:], a[1:])):
        total += float(np.einsum("...i,...i->...", p, np.cross(q, r)).sum()) / 6
    return abs(total)
