from __future__ import annotations

import pytest
import torch

from screening_node.networks.normalise import Normalisation, normalise, standardise

LOCAL = Normalisation(kind="local-contrast", scales=(0.05, 0.2))
PLAIN = Normalisation(kind="standardise")


@pytest.mark.parametrize(("how", "channels"), [(LOCAL, 2), (PLAIN, 1)])
def test_channels_come_before_rows(how: Normalisation, channels: int) -> None:
    assert how.channels == channels
    assert normalise(torch.rand(3, 15, 32, 32), how).shape == (3, 15, channels, 32, 32)


@pytest.mark.parametrize("how", [LOCAL, PLAIN])
def test_exposure_does_not_matter(how: Normalisation) -> None:
    torch.manual_seed(0)
    crop = torch.rand(1, 48, 48)
    assert torch.allclose(normalise(crop, how), normalise(crop * 700 + 1500, how), atol=2e-3)


@pytest.mark.parametrize("how", [LOCAL, PLAIN])
def test_each_crop_is_normalised_by_itself(how: Normalisation) -> None:
    torch.manual_seed(0)
    crops = torch.rand(4, 32, 32)
    assert torch.allclose(normalise(crops, how)[2], normalise(crops[2], how), atol=1e-6)


def test_a_flat_crop_gives_zeros_and_an_outlier_is_clipped() -> None:
    assert normalise(torch.full((2, 16, 16), 812.0), LOCAL).abs().max() < 1e-2
    spike = torch.zeros(1, 64, 64)
    spike[0, 30, 30] = 1e6
    assert normalise(spike, LOCAL).max() == LOCAL.limit


def test_local_contrast_takes_a_slope_away_and_keeps_texture() -> None:
    slope = torch.linspace(0, 1, 64).expand(64, 64)
    texture = torch.zeros(64, 64)
    texture[::2] = 0.02
    found = normalise((slope + texture)[None], Normalisation(kind="local-contrast", scales=(0.05,), floor=0.05))
    inner = found[0, 0, 8:-8, 8:-8]
    assert (inner[0::2].mean() - inner[1::2].mean()).abs() > 10 * (inner[:, :8].mean() - inner[:, -8:].mean()).abs()


def test_standardise_has_mean_zero_and_unit_sd() -> None:
    found = standardise(torch.rand(2, 32, 32) * 50 + 7)
    assert found.mean().abs() < 1e-5
    assert torch.allclose(found.std(dim=(-2, -1), correction=0), torch.ones(2), atol=1e-4)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "raw"},
        {"kind": "local-contrast"},
        {"kind": "standardise", "scales": (0.1,)},
        {"kind": "local-contrast", "scales": (0.9,)},
        {"kind": "local-contrast", "scales": (0.1,), "floor": 0.0},
    ],
)
def test_impossible_normalisations_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="normalisation"):
        Normalisation(**wrong)  # type: ignore[arg-type]
