"""Pieces that several networks share: normalisation by name, resampling, initialisation."""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthmed.draws import ImageDraws
from synthmed.running.devices import full_precision
from synthmed.shapes import Image

DISPLACEMENT_LENGTH = 8.0
"""Standard deviation, in pixels, of the Gaussian along which ``displace`` is alike: a vessel's wall, not a vessel."""

Norm = Literal["batch", "instance", "pixel", "none"]


def norm_layer(norm: Norm, channels: int) -> nn.Module:
    """The normalisation of the given name for [N C H W]; "none" passes its input through."""
    match norm:
        case "batch":
            return nn.BatchNorm2d(channels)
        case "instance":
            return nn.InstanceNorm2d(channels, affine=True)
        case "pixel":
            return PixelNorm()
        case "none":
            return nn.Identity()


class PixelNorm(nn.Module):
    """Every pixel's feature vector at root mean square 1 (Karras et al. 2018): knows no batch and no image."""

    def forward(self, features: Tensor) -> Tensor:
        """[N C H W] -> [N C H W]."""
        return features * (features.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


class EqualisedConv2d(nn.Conv2d):
    """A convolution whose weights are N(0, 1) and scaled by He's constant at every use (Karras et al. 2018, 4.1).

    So Adam's step means the same in every layer, whatever its width.
    """

    def __init__(self, before: int, after: int, kernel: int, stride: int = 1, padding: int = 0) -> None:
        super().__init__(before, after, kernel, stride, padding)
        self.scale = math.sqrt(2 / (before * kernel * kernel))
        _unit_initialisation(self)

    def forward(self, input: Tensor) -> Tensor:
        """[N C H W] -> [N C' H' W']."""
        return functional.conv2d(input, self.weight * self.scale, self.bias, self.stride, self.padding)


class EqualisedUpconv2d(nn.ConvTranspose2d):
    """The same for a transposed convolution of kernel 4 and stride 2, which doubles the size."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__(before, after, 4, 2, 1)
        self.scale = math.sqrt(2 / (before * 4))  # of its 16 taps, 4 meet in each pixel
        _unit_initialisation(self)

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """[N C H W] -> [N C' 2H 2W]."""
        return functional.conv_transpose2d(input, self.weight * self.scale, self.bias, 2, 1)


class EqualisedLinear(nn.Linear):
    """The same for a dense layer; with ``pace`` below 1 it learns so much more slowly (Karras et al. 2019)."""

    def __init__(self, before: int, after: int, pace: float = 1.0) -> None:
        super().__init__(before, after)
        self.pace, self.scale = pace, pace * math.sqrt(2 / before)
        _unit_initialisation(self)
        with torch.no_grad():
            self.weight.div_(pace)

    def forward(self, input: Tensor) -> Tensor:
        """[N C] -> [N C']."""
        return functional.linear(input, self.weight * self.scale, self.bias * self.pace)


class MinibatchDeviation(nn.Module):
    """One more plane: how much the images of a group of at most four differ (Karras et al. 2018, section 3)."""

    def forward(self, features: Tensor) -> Tensor:
        """[N C H W] -> [N C+1 H W]."""
        batch, channels, height, width = features.shape
        group = math.gcd(batch, 4)
        grouped = features.reshape(group, batch // group, channels, height, width)
        deviation = (grouped.var(0, correction=0) + 1e-8).sqrt().mean((1, 2, 3))  # [N / group]
        plane = deviation.repeat(group)[:, None, None, None].expand(-1, 1, height, width)
        return torch.cat([features, plane], dim=1)


class Upsample(nn.Module):
    """Twice the size by bilinear interpolation: resize then convolve leaves no checkerboard."""

    def forward(self, features: Tensor) -> Tensor:
        """[N C H W] -> [N C 2H 2W]."""
        return functional.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)


class ShuffleUp(nn.Module):
    """Twice the size by a pixel shuffle, then each pixel the weighted mean (1 2 1) of its neighbours: no grid."""

    def forward(self, features: Tensor) -> Tensor:
        """[N 4C H W] -> [N C 2H 2W]."""
        padded = functional.pad(functional.pixel_shuffle(features, 2), (1, 1, 1, 1), mode="replicate")
        return functional.avg_pool2d(functional.avg_pool2d(padded, 2, 1), 2, 1)


def doublings(height: int, width: int) -> int:
    """How often a base grid of short side 4 to 7 is doubled to reach the size (6 for 256x256).

    Raises:
        ValueError: the sides cannot be halved that often; says which multiple is needed.
    """
    times = int(math.log2(min(height, width) / 4))
    step = 2**times
    if times < 1 or height % step or width % step:
        raise ValueError(f"{height}x{width} cannot be halved {times} times; both sides must be multiples of {step}")
    return times


def widths(first: int, levels: int, cap: int) -> list[int]:
    """Channels per level, doubling from ``first`` at full resolution up to ``cap``: 16, 32, 64, ..."""
    return [min(first * 2**level, cap) for level in range(levels)]


def normal_initialisation(module: nn.Module, std: float = 0.02) -> None:
    """Weights of convolutions and dense layers from N(0, std), batch-norm scales from N(1, std) (DCGAN)."""
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            nn.init.normal_(layer.weight, 0.0, std)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, (nn.BatchNorm2d, nn.InstanceNorm2d)) and layer.affine:
            nn.init.normal_(layer.weight, 1.0, std)
            nn.init.zeros_(layer.bias)


def _unit_initialisation(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear) -> None:
    nn.init.normal_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def kaiming_initialisation(module: nn.Module) -> None:
    """Weights that keep the size of features through leaky ReLUs (He et al. 2015): for networks without norms."""
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(layer.weight, a=0.2)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def coordinates(features: Tensor) -> Tensor:
    """Rows and columns in [-1, 1] as two planes [N 2 H W] for the given [N C H W]."""
    batch, _, height, width = features.shape
    rows = torch.linspace(-1, 1, height, device=features.device, dtype=features.dtype)
    columns = torch.linspace(-1, 1, width, device=features.device, dtype=features.dtype)
    grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))
    return grid.expand(batch, 2, height, width)


def gaussian_blur(planes: Tensor, sigma: float) -> Tensor:
    """[N C H W] smoothed by a Gaussian of standard deviation ``sigma`` in pixels; 0 leaves it as it is."""
    if not sigma:
        return planes
    reach = math.ceil(3 * sigma)
    planes = planes.float()
    offsets = torch.arange(-reach, reach + 1, device=planes.device, dtype=planes.dtype)
    kernel = (-0.5 * (offsets / sigma).square()).exp()
    kernel = kernel / kernel.sum()
    flat = functional.pad(planes.flatten(0, 1)[:, None], (reach,) * 4, mode="replicate")  # [NC 1 H+2r W+2r]
    with full_precision(planes.device):
        flat = functional.conv2d(functional.conv2d(flat, kernel[None, None, None]), kernel[None, None, :, None])
    return flat.view(planes.shape)


def displace(planes: Tensor, spread: float, draws: ImageDraws) -> Tensor:
    """[N C H W] moved smoothly by ``spread`` pixels (standard deviation), each image by its own draw."""
    if not spread:
        return planes
    height, width = planes.shape[-2:]
    smooth = gaussian_blur(draws.normal(2, height, width), DISPLACEMENT_LENGTH)
    pixels = spread * smooth / smooth.std((2, 3), keepdim=True)  # [N 2 H W]: columns, rows
    shares = torch.stack([pixels[:, 0] * (2 / width), pixels[:, 1] * (2 / height)], dim=-1)
    same = torch.eye(2, 3, device=planes.device).expand(len(planes), 2, 3)
    grid = functional.affine_grid(same, [len(planes), 1, height, width], False) + shares
    return functional.grid_sample(planes, grid.to(planes), mode="bilinear", align_corners=False)


def white_noise(like: Tensor, draws: ImageDraws) -> Tensor:
    """White noise of the shape of ``like``, every image's from its own draws."""
    return draws.normal(*like.shape[1:]).to(like)


def detail_bands(height: int, width: int) -> int:
    """How many bands of detail images of a size have: an octave each, down from a sixteenth of the short side."""
    return max(1, int(math.log2(min(height, width) / 16)))


def frequency_bands(images: Image, gain: float) -> Tensor:
    """An image as what is coarse and its bands of detail, each of about the same size: [N C H W] -> [N (1+B)C H W].

    What is left by means of 3, 5, 9, ... pixels, one after the other, is the first; what each of them took away are the
    others, coarse to fine. They are multiplied by ``gain``, each finer one by half as much again, since the power of an
    image falls with its frequency (with its third power in mammograms; Burgess et al. 2001), and go through tanh, so
    that one sharp edge does not count more than all texture.

    Args:
        images: in [-1, 1]; B is ``detail_bands`` of their size.
        gain: above 0.
    """
    count = detail_bands(*images.shape[2:])
    details: list[Tensor] = []
    for band in range(count):
        reach = 2**band
        padded = functional.pad(images, (reach,) * 4, mode="replicate")
        less = functional.avg_pool2d(padded, 2 * reach + 1, 1)
        details.append(torch.tanh(gain * 1.5 ** (count - 1 - band) * (images - less)))
        images = less
    return torch.cat([images, *reversed(details)], dim=1)
