"""SqueezeNet 1.1 (Iandola et al. 2016), with the names of the Caffe model's layers."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Fire(nn.Module):
    """Squeeze to few channels by 1x1, expand by 1x1 and 3x3 side by side."""

    def __init__(self, channels: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze1x1 = nn.Conv2d(channels, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        """[N C H W] -> [N 2E H W]."""
        maps = functional.relu(self.squeeze1x1(maps))
        return functional.relu(torch.cat([self.expand1x1(maps), self.expand3x3(maps)], 1))


class SqueezeNet(nn.Module):
    """The convolutions and the classes of ImageNet; input BGR in 0 to 255, less the training mean."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, stride=2)
        self.fire2, self.fire3 = Fire(64, 16, 64), Fire(128, 16, 64)
        self.fire4, self.fire5 = Fire(128, 32, 128), Fire(256, 32, 128)
        self.fire6, self.fire7 = Fire(256, 48, 192), Fire(384, 48, 192)
        self.fire8, self.fire9 = Fire(384, 64, 256), Fire(512, 64, 256)
        self.conv10 = nn.Conv2d(512, 1000, 1)

    def forward(self, images: Tensor) -> Tensor:
        """[N 3 227 227] -> [N 512], the means of the last maps before the classes."""
        return self._maps(images).mean((2, 3))

    def classes(self, images: Tensor) -> Tensor:
        """[N 3 227 227] -> logits [N 1000] of the classes of ImageNet."""
        return functional.relu(self.conv10(self._maps(images))).mean((2, 3))

    def maps(self, images: Tensor) -> list[Tensor]:
        """What conv1, fire3, fire5, fire7 and fire9 give."""
        first = functional.relu(self.conv1(images))
        second = self.fire3(self.fire2(_pool(first)))
        third = self.fire5(self.fire4(_pool(second)))
        fourth = self.fire7(self.fire6(_pool(third)))
        return [first, second, third, fourth, self.fire9(self.fire8(fourth))]

    def _maps(self, images: Tensor) -> Tensor:
        return self.maps(images)[-1]


def _pool(maps: Tensor) -> Tensor:
    return functional.max_pool2d(maps, 3, stride=2, ceil_mode=True)
