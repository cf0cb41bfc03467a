"""The Inception-v3 of the FID (Szegedy et al. 2015; Heusel et al. 2017), with the names of its published port.

It is the TensorFlow network of December 2015 with 1,008 outputs, not torchvision's: averages near the border leave
the padding out, and the last block takes maxima where the others take averages.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Conv(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(
        self,
        channels: int,
        width: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(width, eps=0.001)

    def forward(self, maps: Tensor) -> Tensor:
        """[N C H W] -> [N width H' W']."""
        return functional.relu(self.bn(self.conv(maps)))


def _average(maps: Tensor) -> Tensor:
    return functional.avg_pool2d(maps, 3, 1, 1, count_include_pad=False)


class BlockA(nn.Module):
    """1x1, 5x5, two 3x3 and pooling side by side (Mixed_5)."""

    def __init__(self, channels: int, pooled: int) -> None:
        super().__init__()
        self.branch1x1 = Conv(channels, 64, 1)
        self.branch5x5_1, self.branch5x5_2 = Conv(channels, 48, 1), Conv(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = Conv(channels, 64, 1)
        self.branch3x3dbl_2, self.branch3x3dbl_3 = Conv(64, 96, 3, padding=1), Conv(96, 96, 3, padding=1)
        self.branch_pool = Conv(channels, pooled, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """[N C H W] -> [N 224+pooled H W]."""
        parts = [self.branch1x1(maps), self.branch5x5_2(self.branch5x5_1(maps))]
        parts += [self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(maps)))]
        return torch.cat([*parts, self.branch_pool(_average(maps))], 1)


class BlockB(nn.Module):
    """Half the size (Mixed_6a)."""

    def __init__(self) -> None:
        super().__init__()
        self.branch3x3 = Conv(288, 384, 3, 2)
        self.branch3x3dbl_1 = Conv(288, 64, 1)
        self.branch3x3dbl_2, self.branch3x3dbl_3 = Conv(64, 96, 3, padding=1), Conv(96, 96, 3, 2)

    def forward(self, maps: Tensor) -> Tensor:
        """[N 288 H W] -> [N 768 H/2 W/2]."""
        doubled = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(maps)))
        return torch.cat([self.branch3x3(maps), doubled, functional.max_pool2d(maps, 3, 2)], 1)


class BlockC(nn.Module):
    """1x1, 7x7 as two strips, twice that, and pooling side by side (Mixed_6b to e)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        wide, tall = (1, 7), (7, 1)
        across, down = (0, 3), (3, 0)
        self.branch1x1 = Conv(768, 192, 1)
        self.branch7x7_1 = Conv(768, width, 1)
        self.branch7x7_2, self.branch7x7_3 = Conv(width, width, wide, 1, across), Conv(width, 192, tall, 1, down)
        self.branch7x7dbl_1 = Conv(768, width, 1)
        self.branch7x7dbl_2 = Conv(width, width, tall, 1, down)
        self.branch7x7dbl_3 = Conv(width, width, wide, 1, across)
        self.branch7x7dbl_4 = Conv(width, width, tall, 1, down)
        self.branch7x7dbl_5 = Conv(width, 192, wide, 1, across)
        self.branch_pool = Conv(768, 192, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """[N 768 H W] -> [N 768 H W]."""
        single = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(maps)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(maps)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(maps), single, double, self.branch_pool(_average(maps))], 1)


class BlockD(nn.Module):
    """Half the size (Mixed_7a)."""

    def __init__(self) -> None:
        super().__init__()
        self.branch3x3_1, self.branch3x3_2 = Conv(768, 192, 1), Conv(192, 320, 3, 2)
        self.branch7x7x3_1, self.branch7x7x3_2 = Conv(768, 192, 1), Conv(192, 192, (1, 7), 1, (0, 3))
        self.branch7x7x3_3, self.branch7x7x3_4 = Conv(192, 192, (7, 1), 1, (3, 0)), Conv(192, 192, 3, 2)

    def forward(self, maps: Tensor) -> Tensor:
        """[N 768 H W] -> [N 1280 H/2 W/2]."""
        long = self.branch7x7x3_2(self.branch7x7x3_1(maps))
        long = self.branch7x7x3_4(self.branch7x7x3_3(long))
        return torch.cat([self.branch3x3_2(self.branch3x3_1(maps)), long, functional.max_pool2d(maps, 3, 2)], 1)


class BlockE(nn.Module):
    """1x1, 3x3 as two strips side by side, twice that, and pooling (Mixed_7b and c)."""

    def __init__(self, channels: int, *, largest: bool) -> None:
        super().__init__()
        self.largest = largest
        self.branch1x1 = Conv(channels, 320, 1)
        self.branch3x3_1 = Conv(channels, 384, 1)
        self.branch3x3_2a, self.branch3x3_2b = Conv(384, 384, (1, 3), 1, (0, 1)), Conv(384, 384, (3, 1), 1, (1, 0))
        self.branch3x3dbl_1, self.branch3x3dbl_2 = Conv(channels, 448, 1), Conv(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = Conv(384, 384, (1, 3), 1, (0, 1))
        self.branch3x3dbl_3b = Conv(384, 384, (3, 1), 1, (1, 0))
        self.branch_pool = Conv(channels, 192, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """[N C H W] -> [N 2048 H W]."""
        single = self.branch3x3_1(maps)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(maps))
        pooled = functional.max_pool2d(maps, 3, 1, 1) if self.largest else _average(maps)
        parts = [self.branch1x1(maps), self.branch3x3_2a(single), self.branch3x3_2b(single)]
        parts += [self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double), self.branch_pool(pooled)]
        return torch.cat(parts, 1)


class Inception(nn.Module):
    """All but the classes."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3, self.Conv2d_2a_3x3 = Conv(3, 32, 3, 2), Conv(32, 32, 3)
        self.Conv2d_2b_3x3 = Conv(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1, self.Conv2d_4a_3x3 = Conv(64, 80, 1), Conv(80, 192, 3)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = BlockA(192, 32), BlockA(256, 64), BlockA(288, 64)
        self.Mixed_6a = BlockB()
        self.Mixed_6b, self.Mixed_6c = BlockC(128), BlockC(160)
        self.Mixed_6d, self.Mixed_6e = BlockC(160), BlockC(192)
        self.Mixed_7a = BlockD()
        self.Mixed_7b, self.Mixed_7c = BlockE(1280, largest=False), BlockE(2048, largest=True)

    def forward(self, images: Tensor) -> Tensor:
        """[N 3 299 299] in [-1, 1] -> [N 2048], the means of the last maps."""
        maps = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(images)))
        maps = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(functional.max_pool2d(maps, 3, 2)))
        maps = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(functional.max_pool2d(maps, 3, 2))))
        maps = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(maps)))))
        return self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(maps))).mean((2, 3))


def resize_like_tensorflow(images: Tensor, side: int = 299) -> Tensor:
    """Bilinear interpolation as TensorFlow 1 did it: output i looks at input i * (input size / side), no anti-aliasing.

    Args:
        images: [N C H W].
        side: of the result [N C side side].
    """
    for axis in (2, 3):
        size = images.shape[axis]
        places = torch.arange(side, device=images.device, dtype=images.dtype) * (size / side)
        low = places.floor().long().clamp(max=size - 1)
        high = (low + 1).clamp(max=size - 1)
        share = (places - low).reshape([-1 if a == axis else 1 for a in range(4)])
        images = images.index_select(axis, low) * (1 - share) + images.index_select(axis, high) * share
    return images
