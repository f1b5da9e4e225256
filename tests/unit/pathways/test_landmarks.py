from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from screening_node.networks.normalise import Normalisation, normalise
from screening_node.pathways.chest_film.landmarks import (
    HeatmapDetector,
    build_detector,
    detector_input,
    film_transform,
    perspective,
    soft_argmax,
    view_inputs,
    views_of,
)
from screening_node.pathways.chest_film.training import detector_loss

from .networks_for_tests import DETECTOR

IMAGES = torch.rand(3, 1, 64, 64)


def test_every_stage_gives_sixteen_points_and_a_new_one_the_mean_shape() -> None:
    network = build_detector(DETECTOR).eval()
    with torch.inference_mode():
        stages = network(IMAGES)
    assert [tuple(stage.shape) for stage in stages] == [(3, 16, 2)] * 3
    assert all(torch.allclose(stage, network.mean_shape.expand(3, -1, -1), atol=1e-6) for stage in stages)
    assert "mean_shape" in network.state_dict()


def test_local_stages_accumulate() -> None:
    network = build_detector(DETECTOR).eval()
    with torch.inference_mode():
        for module in network.local:
            module.head.bias += 0.01
        first, second, third = network(IMAGES)
    assert torch.allclose(second - first, torch.full_like(first, 0.01), atol=1e-6)
    assert torch.allclose(third - first, torch.full_like(first, 0.02), atol=1e-6)


def test_the_perspective_starts_at_the_identity_and_moves_by_its_parameters() -> None:
    points = torch.rand(2, 16, 2)
    assert torch.allclose(perspective(points, torch.zeros(2, 9)), points, atol=1e-6)
    right = torch.zeros(2, 9)
    right[:, 2] = 0.2  # a shift of 0.2 where the square is 2 wide
    assert torch.allclose(perspective(points, right), points + torch.tensor([0.1, 0.0]), atol=1e-6)
    assert torch.isfinite(perspective(points, torch.full((2, 9), -5.0))).all()


def test_soft_argmax_finds_a_peak_at_its_pixel_centre() -> None:
    maps = torch.zeros(1, 2, 10, 20)
    maps[0, 0, 3, 7], maps[0, 1, 9, 0] = 100, 100
    expected = torch.tensor([[[7.5 / 20, 3.5 / 10], [0.5 / 20, 9.5 / 10]]])
    assert torch.allclose(soft_argmax(maps), expected, atol=1e-5)


def test_the_heatmap_baseline_has_one_stage() -> None:
    network = build_detector(replace(DETECTOR, kind="heatmap"))
    assert isinstance(network, HeatmapDetector)
    (answer,) = network(IMAGES)
    assert answer.shape == (3, 16, 2)
    assert ((answer > 0) & (answer < 1)).all()


@pytest.mark.parametrize("shape", [(2500, 2048), (300, 401), (64, 64)])
def test_the_way_to_normalised_coordinates_and_back(shape: tuple[int, int]) -> None:
    transform = film_transform(shape)
    points = np.random.default_rng(0).random((16, 2)) * np.array(shape[::-1])
    assert np.allclose(transform.to_pixels(transform.to_normalised(points)), points)
    centre = np.array([[(shape[1] - 1) / 2, (shape[0] - 1) / 2]])
    assert np.allclose(transform.to_normalised(centre), 0.5)


@pytest.mark.parametrize("shape", [(640, 512), (511, 700)])
def test_a_bright_spot_lies_where_the_transform_says(shape: tuple[int, int]) -> None:
    film = np.zeros(shape, np.float32)
    spot = np.array([[201.0, 300.0]])
    y, x = np.mgrid[: shape[0], : shape[1]]
    film += 1000 * np.exp(-((x - spot[0, 0]) ** 2 + (y - spot[0, 1]) ** 2) / (2 * 15**2)).astype(np.float32)
    architecture = replace(DETECTOR, normalisation=Normalisation(kind="standardise", limit=1e9))
    channels, transform = detector_input(film, architecture)
    rows, columns = np.unravel_index(channels[0].argmax(), channels[0].shape)
    found = transform.to_pixels((np.array([[columns, rows]]) + 0.5) / architecture.size)
    assert np.abs(found - spot).max() < transform.side / architecture.size


def test_the_input_is_the_normalised_letterbox() -> None:
    film = np.random.default_rng(1).random((128, 128)).astype(np.float32)
    channels, _ = detector_input(film, DETECTOR)
    halved = film.reshape(64, 2, 64, 2).mean(axis=(1, 3))
    expected = normalise(torch.from_numpy(halved), DETECTOR.normalisation).numpy()
    assert channels.shape == (1, 64, 64)
    assert np.allclose(channels, expected, atol=1e-3)


def test_moved_views_point_at_the_same_film() -> None:
    from screening_node.imaging.pyramid import build_pyramid

    film = np.zeros((300, 260), np.float32)
    film[100:140, 80:110] = 1000
    views = views_of(film.shape)
    centres = []
    for view, channels in zip(views, view_inputs(build_pyramid(film), views, DETECTOR), strict=True):
        y, x = np.nonzero(channels[0] > channels[0].max() / 2)
        centres.append(view.to_pixels(np.array([(x.mean() + 0.5) / 64, (y.mean() + 0.5) / 64])))
    assert len(views) == 3
    assert np.abs(np.array(centres) - [94.5, 119.5]).max() < 3


def test_the_global_stage_is_forgiven_below_the_margin_and_local_ones_never() -> None:
    target = torch.full((2, 16, 2), 0.5)
    near, exact = target + 0.01, target
    assert detector_loss([near, exact, exact], target).item() == 0
    assert detector_loss([target + 0.05, exact], target).item() == pytest.approx(0.03, abs=1e-6)
    assert detector_loss([exact, near, near], target).item() == pytest.approx(0.02, abs=1e-6)
    assert detector_loss([near], target).item() == pytest.approx(0.01, abs=1e-6)


def test_points_that_nobody_saw_do_not_count_and_weights_do() -> None:
    target = torch.zeros(1, 16, 2)
    target[0, 3] = float("nan")
    stage = torch.zeros(1, 16, 2, requires_grad=True)
    moved = stage + 0.0
    moved = torch.cat([moved[:, :15], moved[:, 15:] + 0.3], dim=1)
    loss = detector_loss([moved], target)
    assert loss.item() == pytest.approx(0.3 / 15, abs=1e-6)
    weights = torch.ones(16)
    weights[15] = 0
    assert detector_loss([moved], target, weights).item() == 0
    loss.backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(stage.grad).all()  # type: ignore[arg-type]
