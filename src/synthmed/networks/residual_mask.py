"""Ours for S1: the same idea, the mask as a vector beside the latents and as skips, in residual blocks.

Both networks do most of their work at half the resolution and below. The generator sees the mask again at the full
one, where it ends in two convolutions: edges stay as sharp as the mask's, and strands of a pixel can be drawn. All
resampling is by means and bilinear interpolation, so that nothing aliases and no grid is born.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthmed.draws import ImageDraws
from synthmed.networks.layers import (
    MinibatchDeviation,
    PixelNorm,
    Upsample,
    coordinates,
    doublings,
    kaiming_initialisation,
    white_noise,
    widths,
)
from synthmed.networks.residual import Modulation, ShrinkingBlock
from synthmed.shapes import Image, Latent, Logits, OneHot

_FULL = 16
"""Channels at full resolution, where a channel is dear."""


class ResidualMaskGenerator(nn.Module):
    """One-hot mask [N P H W] and latents [N Z] -> image [N C H W] in [-1, 1].

    The embedding has unit size, as the latents have, and is added to the last of them: the mask says where the latents
    of its images lie, not which they are. A vector of its own beside them, which every mask has to itself, would let
    the generator learn one image a mask by heart, since a mask has one real image; and latents whose share of what the
    blocks hear shrinks as training goes on are not heard.

    Args:
        mask_channels: P.
        channels: C.
        height, width: H and W.
        latent_size: Z.
        embedding_size: how many of the latents the mask moves; 0 = none, it only enters by the skips.
        mapping: dense layers between these numbers and what the blocks hear.
        mask_features: channels of the mask's path.
        features: channels at half resolution; doubled at each coarser level up to ``cap``.
        cap: most channels of any level.
    """

    def __init__(
        self, *, mask_channels: int, channels: int, height: int, width: int, latent_size: int, embedding_size: int,
        mapping: int, mask_features: int, features: int, cap: int,
    ) -> None:  # fmt: skip
        super().__init__()
        times = doublings(height // 2, width // 2)
        self.base = (height >> times + 1, width >> times + 1)
        sizes = widths(features, times + 1, cap)[::-1]
        places = self.base[0] * self.base[1]
        self.read = nn.Conv2d(4 * mask_channels, mask_features, 3, padding=1)
        self.shrink = nn.ModuleList(nn.Conv2d(mask_features, mask_features, 3, padding=1) for _ in range(times))
        self.embed = nn.Linear(mask_features * places, embedding_size) if embedding_size else None
        self.normalise = PixelNorm()
        dense = (nn.Sequential(nn.Linear(latent_size, latent_size), nn.LeakyReLU(0.2)) for _ in range(mapping))
        self.mapping = nn.Sequential(*dense, PixelNorm())
        self.project = nn.Linear(latent_size, sizes[0] * places)
        self.blocks = nn.ModuleList(
            _GrowingBlock(before, after, mask_features, latent_size) for before, after in pairwise(sizes)
        )
        self.narrow = nn.Conv2d(sizes[-1], _FULL, 3, padding=1)
        self.refine = nn.Conv2d(_FULL + mask_channels + 1, _FULL, 3, padding=1)
        self.modulate = Modulation(_FULL, latent_size, noise=0.0)  # grain is learned, not born
        self.to_image = nn.Conv2d(_FULL, channels, 3, padding=1)
        self.resize = Upsample()
        kaiming_initialisation(self)
        with torch.no_grad():
            self.to_image.weight.mul_(0.3)  # begin in the middle of tanh
            for layer in self.modules():
                if isinstance(layer, Modulation):
                    nn.init.normal_(layer.modulate.weight, 0.0, 0.1)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a quarter faster on a CPU too

    def forward(self, one_hot: OneHot, latents: Latent) -> Image:
        """Make one image a mask and latent."""
        draws = ImageDraws(latents)
        features = functional.leaky_relu(self.read(functional.pixel_unshuffle(one_hot, 2)), 0.2)
        skips = []
        for shrink in self.shrink:
            skips.append(features)
            features = functional.leaky_relu(shrink(functional.avg_pool2d(features, 2)), 0.2)
        numbers = self.mapping(latents if self.embed is None else self._moved(latents, self.embed(features.flatten(1))))
        features = self.project(numbers).reshape(len(latents), -1, *self.base)
        for block in self.blocks:
            features = block(features, skips.pop(), numbers, draws)
        sharp = torch.cat([one_hot, white_noise(one_hot[:, :1], draws)], dim=1)
        features = self.refine(torch.cat([self.resize(self.narrow(features)), sharp], dim=1))  # [N C' H W]
        return torch.tanh(self.to_image(self.modulate(features, numbers, draws)))

    def _moved(self, latents: Latent, embedding: Tensor) -> Latent:
        free, moved = latents.split([latents.shape[1] - embedding.shape[1], embedding.shape[1]], dim=1)
        return torch.cat([free, (moved + self.normalise(embedding)) * 0.5**0.5], dim=1)


class ResidualMaskDiscriminator(nn.Module):
    """Image (or its bands) and one_hot [N C H W] -> logits [N 1].

    Args:
        channels: C.
        height, width: H and W.
        features: channels at half resolution; doubled at each coarser level up to ``cap``.
        cap: most channels of any level.
    """

    def __init__(self, *, channels: int, height: int, width: int, features: int, cap: int) -> None:
        super().__init__()
        times = doublings(height // 2, width // 2)
        sizes = widths(features, times + 1, cap)
        self.fine = nn.Conv2d(channels + 2, 16, 3, padding=1)
        self.stem = nn.Conv2d(16, sizes[0], 3, padding=1)
        self.blocks = nn.ModuleList(ShrinkingBlock(*pair) for pair in pairwise(sizes))
        places = sizes[-1] * (height >> times + 1) * (width >> times + 1)
        self.judge = nn.Sequential(
            nn.LeakyReLU(0.2),
            MinibatchDeviation(),
            nn.Conv2d(sizes[-1] + 1, sizes[-1], 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(places, 1),
        )
        kaiming_initialisation(self)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Image) -> Logits:
        """One logit an image."""
        fine = functional.leaky_relu(self.fine(torch.cat([images, coordinates(images)], dim=1)), 0.2)
        features = self.stem(functional.avg_pool2d(fine, 2))  # [N C' H/2 W/2]
        for block in self.blocks:
            features = block(features)
        return self.judge(features)


class _GrowingBlock(nn.Module):
    """A modulated convolution, up, join the mask's features, another one; beside them a straight way."""

    def __init__(self, before: int, after: int, mask_features: int, numbers: int) -> None:
        super().__init__()
        self.resize = Upsample()
        self.straight = nn.Conv2d(before, after, 1, bias=False)
        self.first = nn.Conv2d(before, after, 3, padding=1)
        self.second = nn.Conv2d(after + mask_features, after, 3, padding=1)
        self.modulate_first, self.modulate_second = Modulation(after, numbers), Modulation(after, numbers)

    def forward(self, features: Tensor, skip: Tensor, numbers: Tensor, draws: ImageDraws) -> Tensor:
        inner = self.modulate_first(self.first(features), numbers, draws)
        both = self.resize(torch.cat([inner, self.straight(features)], dim=1))  # [N 2C' 2H 2W]
        inner, straight = both.chunk(2, dim=1)
        inner = self.modulate_second(self.second(torch.cat([inner, skip], dim=1)), numbers, draws)
        return (straight + inner) * 0.5**0.5
