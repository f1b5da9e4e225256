from __future__ import annotations

import pytest
import torch
from torch import nn

from screening_node.networks.graph import GraphConvolution, GraphModule
from screening_node.networks.maps import CompactMap, HighResolutionMap
from screening_node.networks.resnet import resnet
from screening_node.networks.torchvision_import import torchvision_models
from screening_node.networks.transformer import Embedding, Encoder
from screening_node.networks.vgg import NarrowVgg, TorchvisionVgg, group_norm, vgg


def test_torchvision_is_importable_twice_whatever_torch_it_was_built_for() -> None:
    assert torchvision_models() is torchvision_models()
    assert torchvision_models().vgg16 is not None


def test_a_one_channel_crop_goes_into_a_torchvision_vgg() -> None:
    network = TorchvisionVgg("vgg11").eval()
    with torch.inference_mode():
        grey = torch.rand(1, 1, 32, 32)
        assert torch.equal(network(grey), network(grey.expand(-1, 3, -1, -1)))
        assert network(grey).shape == (1, 512)


def test_the_narrow_vgg_pools_to_its_last_width() -> None:
    network = NarrowVgg(2, (4, 6, 10), (1, 2, 1))
    assert network(torch.rand(3, 2, 16, 16)).shape == (3, 10)
    assert network.width == 10


@pytest.mark.parametrize("name", ["vgg11", "vgg13", "vgg16", "vgg19"])
def test_a_narrow_vgg_has_the_convolutions_of_the_full_one(name: str) -> None:
    full, narrow = vgg(name, 3), vgg(name, 3, 0.125)
    wide = [layer.out_channels for layer in full.modules() if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in narrow.modules() if isinstance(layer, nn.Conv2d)] == [w // 8 for w in wide]
    pools = [sum(isinstance(layer, nn.MaxPool2d) for layer in network.modules()) for network in (full, narrow)]
    assert pools == [5, 5]
    assert (full.width, narrow.width) == (512, 64)


@pytest.mark.parametrize(("name", "width"), [("resnet18", 512), ("resnet34", 512), ("resnet50", 2048)])
def test_a_narrow_resnet_has_the_layers_of_the_full_one(name: str, width: int) -> None:
    """Every tensor by name, and its shape where the share is as good as the whole."""
    full, nearly, narrow = resnet(name, 3), resnet(name, 3, 0.9999), resnet(name, 1, 0.125)
    shapes = {key: value.shape for key, value in full.state_dict().items()}
    assert {key: value.shape for key, value in nearly.state_dict().items()} == shapes
    assert narrow.state_dict().keys() == shapes.keys()
    assert (full.width, narrow.width) == (width, width // 8)
    assert narrow(torch.rand(2, 1, 32, 32)).shape == (2, width // 8)


def test_a_one_channel_crop_goes_into_a_torchvision_resnet() -> None:
    network = resnet("resnet18", 1).eval()
    with torch.inference_mode():
        grey = torch.rand(1, 1, 32, 32)
        assert torch.equal(network(grey), network(grey.expand(-1, 3, -1, -1)))


def test_no_narrow_network_gets_thinner_than_eight_channels() -> None:
    for network in (vgg("vgg11", 1, 0.01), resnet("resnet18", 1, 0.01)):
        assert {layer.out_channels for layer in network.modules() if isinstance(layer, nn.Conv2d)} == {8}


@pytest.mark.parametrize("channels", [1, 6, 18, 36, 64, 7])
def test_group_norm_fits_any_width(channels: int) -> None:
    assert channels % group_norm(channels).num_groups == 0


@pytest.mark.parametrize("widths", [(4, 8), (4, 8, 12), (4, 8, 12, 16, 20)])
def test_the_compact_map_keeps_a_quarter_of_the_side(widths: tuple[int, ...]) -> None:
    assert CompactMap(2, widths, 16)(torch.rand(1, 2, 64, 96)).shape == (1, 16, 16, 24)


def test_the_high_resolution_map_keeps_a_quarter_of_the_side() -> None:
    network = HighResolutionMap(1, 24, base=4, modules=(1, 1, 1))
    assert network(torch.rand(1, 1, 64, 64)).shape == (1, 24, 16, 16)


def test_a_graph_convolution_hears_every_node_through_rows_that_sum_to_one() -> None:
    torch.manual_seed(0)
    layer = GraphConvolution(5, 3, 4)
    features = torch.rand(1, 5, 3)
    expected = layer.own(features) + layer.others(features).mean(dim=1, keepdim=True)
    assert torch.allclose(layer(features), expected, atol=1e-6)


def test_a_new_graph_module_says_zero_so_that_training_starts_at_the_identity() -> None:
    module = GraphModule(nodes=4, inputs=6, width=8, outputs=2, blocks=2)
    assert module(torch.rand(2, 4, 6)).abs().max() == 0


def test_the_embedding_puts_a_token_in_front_and_the_encoder_keeps_the_shape() -> None:
    embedded = Embedding(7, 12)(torch.rand(2, 7, 12))
    assert embedded.shape == (2, 8, 12)
    encoder = Encoder(layers=2, width=12, heads=3, head_width=5, mlp_width=9)
    assert encoder(embedded).shape == (2, 8, 12)


def test_the_encoder_has_no_order_of_its_own() -> None:
    torch.manual_seed(1)
    encoder = Encoder(layers=1, width=8, heads=2, head_width=4, mlp_width=8)
    tokens, order = torch.rand(1, 6, 8), torch.tensor([3, 1, 0, 5, 4, 2])
    assert torch.allclose(encoder(tokens)[:, order], encoder(tokens[:, order]), atol=1e-6)
