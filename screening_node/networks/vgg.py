"""Convolutional parts for the crops: torchvision's VGG at the paper's size, and a narrow VGG-like one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from screening_node.networks.torchvision_import import torchvision_models

#: Convolutions in each of the five stages (Simonyan and Zisserman 2015, table 1), and the stages' channels.
VGG_CONVOLUTIONS = {
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}
_VGG_WIDTHS = (64, 128, 256, 512, 512)
#: No stage of a narrowed network gets fewer channels.
_FEWEST = 8


def group_norm(channels: int) -> nn.GroupNorm:
    """GroupNorm with the most groups up to 8 that divide the channels: each film by itself, no drift."""
    groups = next(groups for groups in range(8, 0, -1) if channels % groups == 0)
    return nn.GroupNorm(groups, channels)


#: Normalisation layers by the name that an architecture gives. "group" takes away how strong a crop's contrast is,
#: which in a crop of bone is the density: an estimator that has it learns next to nothing in its first epochs
#: (validation R of L1 .02 after 3, against .73 after 1 with "batch").
NORMS: dict[str, Callable[[int], nn.Module]] = {"group": group_norm, "batch": nn.BatchNorm2d}


class ConvNorm(nn.Sequential):
    """3 x 3 convolution, a normalisation of NORMS, ReLU; (B, I, H, W) -> (B, O, H / stride, W / stride)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, norm: str = "group") -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
            NORMS[norm](outputs),
            nn.ReLU(inplace=True),
        )


class TorchvisionVgg(nn.Module):
    """The convolutional part of a torchvision VGG (VGG16: 14,714,688 parameters), then global average pooling.

    (B, 1 or 3, S, S) -> (B, 512); one channel is repeated three times. From scratch: nothing is downloaded.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.features = getattr(torchvision_models(), name)(weights=None).features
        self.width = _VGG_WIDTHS[-1]

    def forward(self, images: Tensor) -> Tensor:
        """Pooled features."""
        maps: Tensor = self.features(images.expand(-1, 3, -1, -1))
        return maps.mean(dim=(-2, -1))


class NarrowVgg(nn.Module):
    """VGG's shape with fewer channels and normalisation: one stage a width, each ending in 2 x 2 max pooling.

    (B, C, S, S) -> (B, widths[-1]); S a multiple of 2 ** len(widths). ``convolutions`` has one count a stage.
    """

    def __init__(self, channels: int, widths: Sequence[int], convolutions: Sequence[int], norm: str = "batch") -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = channels
        for width, count in zip(widths, convolutions, strict=True):
            for _ in range(count):
                layers.append(ConvNorm(inputs, width, norm=norm))
                inputs = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.width = inputs

    def forward(self, images: Tensor) -> Tensor:
        """Pooled features."""
        maps: Tensor = self.features(images)
        return maps.mean(dim=(-2, -1))


def narrowed(width: int, share: float) -> int:
    """A share of a full network's channels, at least 8."""
    return max(_FEWEST, round(width * share))


def vgg(name: str, channels: int, width_share: float = 1.0) -> TorchvisionVgg | NarrowVgg:
    """Torchvision's network as it is, or with a share of its channels; (B, channels, S, S) -> (B, width).

    The narrow ones have batch normalisation, as torchvision's vgg16_bn and its like: with few channels a VGG from
    scratch does not train without. ``channels`` is 1 or 3.
    """
    if width_share == 1:
        return TorchvisionVgg(name)
    return NarrowVgg(channels, [narrowed(width, width_share) for width in _VGG_WIDTHS], VGG_CONVOLUTIONS[name])
