"""Images of a class from noise: the networks of Haarburger et al. 2019 (S5), and ours in residual blocks.

A class enters as a one-hot vector [N K]. As published it is a part of the latents, and the discriminator is not told
it. Ours hears it beside the latents at every level, and tells it to the discriminator by projection (Miyato and Koyama
2018): the logit has a part that depends on features and class together.
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
    normal_initialisation,
    white_noise,
    widths,
)
from synthmed.networks.residual import GrowingBlock, Modulation, ShrinkingBlock
from synthmed.shapes import Image, Latent, Logits

_FULL = 16
"""Channels at full resolution, where a channel is dear."""


class ResizeGenerator(nn.Module):
    """Latents and classes -> image [N C H W] in [-1, 1]: dense, then resize and convolve, ReLU, at the end tanh.

    The first layer of DCGAN, which makes 4x4 pixels of a vector, and three doublings have batch norm and ReLU; the
    last doubling makes the image. A doubling repeats each pixel and convolves (Odena et al. 2016).

    Args:
        latent_size: Z.
        classes: K.
        channels: C.
        height, width: H and W.
        features: channels of the last level but one; doubled at each coarser level.
        cap: most channels of any level.
    """

    def __init__(
        self, *, latent_size: int, classes: int, channels: int, height: int, width: int, features: int, cap: int
    ) -> None:
        super().__init__()
        times = doublings(height, width)
        sizes = widths(features, times, cap)[::-1]
        self.base = (sizes[0], height >> times, width >> times)
        self.dense = nn.Linear(latent_size + classes, sizes[0] * self.base[1] * self.base[2])
        self.begin = nn.Sequential(nn.BatchNorm2d(sizes[0]), nn.ReLU())
        blocks: list[nn.Module] = []
        for before, after in pairwise(sizes):
            resized = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(before, after, 3, padding=1))
            blocks += [resized, nn.BatchNorm2d(after), nn.ReLU()]  # [N C H W] -> [N C' 2H 2W]
        self.blocks = nn.Sequential(*blocks)
        self.to_image = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(sizes[-1], channels, 3, padding=1))
        normal_initialisation(self)

    def forward(self, latents: Latent, classes: Tensor) -> Image:
        """Make one image a latent and one-hot class [N K]."""
        features = self.dense(torch.cat([latents, classes], dim=1)).unflatten(1, self.base)
        return torch.tanh(self.to_image(self.blocks(self.begin(features))))


class ClassGenerator(nn.Module):
    """Latents and classes -> image [N C H W] in [-1, 1], in residual blocks that all hear both.

    Most of the work is done at half the resolution; white noise, drawn from the latents, goes in at each convolution.

    Args:
        latent_size: Z.
        classes: K.
        channels: C.
        height, width: H and W.
        mapping: dense layers between latents and class and what the blocks hear.
        features: channels at half resolution; doubled at each coarser level up to ``cap``.
        cap: most channels of any level.
    """

    def __init__(
        self, *, latent_size: int, classes: int, channels: int, height: int, width: int, mapping: int, features: int,
        cap: int,
    ) -> None:  # fmt: skip
        super().__init__()
        times = doublings(height // 2, width // 2)
        self.base = (height >> times + 1, width >> times + 1)
        sizes = widths(features, times + 1, cap)[::-1]
        self.embed = nn.Linear(classes, latent_size)
        self.normalise = PixelNorm()
        numbers = 2 * latent_size
        layers = (nn.Sequential(nn.Linear(numbers, numbers), nn.LeakyReLU(0.2)) for _ in range(mapping))
        self.mapping = nn.Sequential(*layers, PixelNorm())
        self.project = nn.Linear(numbers, sizes[0] * self.base[0] * self.base[1])
        self.blocks = nn.ModuleList(GrowingBlock(before, after, numbers) for before, after in pairwise(sizes))
        self.narrow = nn.Conv2d(sizes[-1], _FULL, 3, padding=1)
        self.refine = nn.Conv2d(_FULL + 1, _FULL, 3, padding=1)
        self.modulate = Modulation(_FULL, numbers, noise=0.0)  # grain is learned, not born
        self.to_image = nn.Conv2d(_FULL, channels, 3, padding=1)
        self.resize = Upsample()
        kaiming_initialisation(self)
        with torch.no_grad():
            self.to_image.weight.mul_(0.3)  # begin in the middle of tanh
            nn.init.normal_(self.embed.weight)
            for layer in self.modules():
                if isinstance(layer, Modulation):
                    nn.init.normal_(layer.modulate.weight, 0.0, 0.1)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a quarter faster on a CPU too

    def forward(self, latents: Latent, classes: Tensor) -> Image:
        """Make one image a latent and one-hot class [N K]."""
        draws = ImageDraws(latents)
        numbers = self.mapping(torch.cat([latents, self.normalise(self.embed(classes))], dim=1))
        features = self.project(numbers).reshape(len(latents), -1, *self.base)
        for block in self.blocks:
            features = block(features, numbers, numbers, draws)
        features = self.resize(self.narrow(features))  # [N C' H W]
        features = self.refine(torch.cat([features, white_noise(features[:, :1], draws)], dim=1))
        return torch.tanh(self.to_image(self.modulate(features, numbers, draws)))


class ClassDiscriminator(nn.Module):
    """Image (or its bands) [N C H W], and its class where it is told -> logits [N 1].

    Args:
        channels: C.
        classes: K; 0 = it is not told the class.
        height, width: H and W.
        features: channels at half resolution; doubled at each coarser level up to ``cap``.
        cap: most channels of any level.
    """

    def __init__(self, *, channels: int, classes: int, height: int, width: int, features: int, cap: int) -> None:
        super().__init__()
        times = doublings(height // 2, width // 2)
        sizes = widths(features, times + 1, cap)
        self.fine = nn.Conv2d(channels + 2, 16, 3, padding=1)
        self.stem = nn.Conv2d(16, sizes[0], 3, padding=1)
        self.blocks = nn.ModuleList(ShrinkingBlock(*pair) for pair in pairwise(sizes))
        places = sizes[-1] * (height >> times + 1) * (width >> times + 1)
        self.describe = nn.Sequential(
            nn.LeakyReLU(0.2),
            MinibatchDeviation(),
            nn.Conv2d(sizes[-1] + 1, sizes[-1], 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
        )
        self.judge = nn.Linear(places, 1)
        self.of_class = nn.Linear(classes, places, bias=False) if classes else None
        kaiming_initialisation(self)
        if self.of_class is not None:
            nn.init.normal_(self.of_class.weight, 0.0, places**-0.5)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Image, classes: Tensor | None = None) -> Logits:
        """One logit an image; ``classes`` one-hot [N K] where it is told them."""
        fine = functional.leaky_relu(self.fine(torch.cat([images, coordinates(images)], dim=1)), 0.2)
        features = self.stem(functional.avg_pool2d(fine, 2))  # [N C' H/2 W/2]
        for block in self.blocks:
            features = block(features)
        features = self.describe(features)
        logits = self.judge(features)
        if self.of_class is None or classes is None:
            return logits
        return logits + (features * self.of_class(classes)).sum(1, keepdim=True)  # w . f + e_y . f
