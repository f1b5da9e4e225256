"""ResNets as feature extractors: torchvision's own, and the same with a share of the channels."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from torch import Tensor, nn

from screening_node.networks.torchvision_import import torchvision_models
from screening_node.networks.vgg import narrowed

#: Name -> torchvision's building block, and how many of it each of the four stages has (He et al. 2015, table 1).
RESNETS = {
    "resnet18": ("BasicBlock", (2, 2, 2, 2)),
    "resnet34": ("BasicBlock", (3, 4, 6, 3)),
    "resnet50": ("Bottleneck", (3, 4, 6, 3)),
}
_STEM, _STAGES = 64, (64, 128, 256, 512)


class ResNetFeatures(nn.Module):
    """A ResNet without its classifier, then global average pooling; (B, 1 or C, S, S) -> (B, width)."""

    def __init__(self, features: nn.Module, channels: int, width: int) -> None:
        super().__init__()
        self.features = features
        self.channels = channels
        self.width = width

    def forward(self, images: Tensor) -> Tensor:
        """Pooled features; one channel is repeated where the network wants three."""
        maps: Tensor = self.features(images.expand(-1, self.channels, -1, -1))
        return maps.mean(dim=(-2, -1))


def resnet(name: str, channels: int, width_share: float = 1.0) -> ResNetFeatures:
    """Torchvision's network as it is, or with a share of its channels, at least 8; from scratch.

    ``channels`` is 1 or 3.
    """
    if width_share != 1:
        return _narrow(name, channels, width_share)
    network = getattr(torchvision_models(), name)(weights=None)
    layers = OrderedDict(list(network.named_children())[:-2])  # all but pooling and classifier
    return ResNetFeatures(nn.Sequential(layers), 3, network.fc.in_features)


def _narrow(name: str, channels: int, share: float) -> ResNetFeatures:
    """Stem and four stages as in torchvision's ResNet, from its blocks."""
    block_name, counts = RESNETS[name]
    block = getattr(torchvision_models().resnet, block_name)
    inputs = narrowed(_STEM, share)
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=nn.Conv2d(channels, inputs, 7, stride=2, padding=3, bias=False),
        bn1=nn.BatchNorm2d(inputs),
        relu=nn.ReLU(inplace=True),
        maxpool=nn.MaxPool2d(3, stride=2, padding=1),
    )
    for number, (full, count) in enumerate(zip(_STAGES, counts, strict=True), start=1):
        planes = narrowed(full, share)
        layers[f"layer{number}"] = _stage(block, inputs, planes, count, stride=1 if number == 1 else 2)
        inputs = planes * block.expansion
    features = nn.Sequential(layers)
    features.apply(_initialise)
    return ResNetFeatures(features, channels, inputs)


def _stage(block: Any, inputs: int, planes: int, count: int, stride: int) -> nn.Sequential:
    outputs = planes * block.expansion
    shortcut = None
    if stride != 1 or inputs != outputs:
        shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))
    first = block(inputs, planes, stride, shortcut)
    return nn.Sequential(first, *(block(outputs, planes) for _ in range(count - 1)))


def _initialise(module: nn.Module) -> None:
    """torchvision's: He initialisation of the convolutions."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
