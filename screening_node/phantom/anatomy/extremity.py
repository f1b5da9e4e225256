"""A knee: a film that is no chest, for the gate to refuse."""

from __future__ import annotations

import numpy as np

from screening_node.phantom.anatomy.bone import Bone, Points, ball, tube
from screening_node.phantom.anatomy.figure import Figure
from screening_node.phantom.anatomy.shapes import Stack, joined
from screening_node.phantom.physics.camera import Camera
from screening_node.phantom.physics.grids import Array, spread

_GRID_MM = 1.6


def knee(figure: Figure, camera: Camera) -> tuple[list[Bone], Array]:
    """Femur, tibia, fibula and patella, and the leg's water in cm (rows, columns), centred on the film."""
    rng = figure.rng(70)
    size, middle = figure.size, 131.0
    lean = float(rng.normal(0, 0.06))

    def place(*points: tuple[float, float, float]) -> Points:
        line = np.array(points, dtype=np.float64)
        line[:, 0] += lean * line[:, 1]
        line[:, 1] += middle
        return line * size

    stuff = figure.stuff("lower_spine", rng, cortex=3.2, trabecular=0.16)
    ends = figure.stuff("lower_spine", rng, cortex=1.2, trabecular=0.18)
    femur = place((4, -260, 0), (2, -120, 2), (0, -60, 2), (0, -3, 0))
    tibia = place((0, 4, 0), (0, 50, -2), (2, 120, -2), (4, 260, 0))
    fibula = place((32, 24, -14), (34, 60, -16), (34, 260, -14))
    bones = [
        tube(
            femur, [15, 15, 15, 16, 22, 27, 24], [15, 15, 15, 17, 28, 39, 38], stuff=stuff, up=(0, 0, 1), ends=(3, 14)
        ),
        tube(tibia, [24, 24, 17, 15, 14, 14, 13], [37, 34, 22, 16, 14, 13, 12], stuff=stuff, up=(0, 0, 1), ends=(4, 3)),
        tube(fibula, [8, 8, 6, 5.5, 5.5], [9, 8, 6, 5.5, 5.5], stuff=ends, up=(0, 0, 1), ends=(6, 3)),
        ball(place((0, -34, 30))[0], (21.0, 22.0, 10.0), stuff=ends, around=20),
    ]
    heights = [-330.0, -60, 0, 60, 140, 460]
    leg = Stack(
        heights=[(y + middle) * size for y in heights],
        centre_x=[lean * y * size for y in heights],
        centre_z=[0.0, 0, 0, -6, -10, -6],
        half_x=[x * size for x in (78, 62, 56, 54, 58, 44)],
        half_z=[z * size for z in (74, 62, 58, 56, 60, 44)],
        exponent=2.1,
    )
    rays = camera.rays(*(max(int(side * camera.spacing / _GRID_MM), 16) for side in camera.shape))
    return bones, np.maximum(spread(0.1 * joined(rays, [leg]), camera.shape), 0)
