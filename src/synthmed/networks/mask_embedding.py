"""The networks of Ren et al. 2019 (S1): a U-Net whose mask also enters as a vector beside the latents, and growth.

Both grow from a short side of 4 to the full size (Karras et al. 2018). Which level they work at is read off the size
of what they are given; ``fade`` is the share of the finest layer in its result while it is being faded in.
Level 0 is the coarsest; the dense layer makes half of its size.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthmed.networks.layers import (
    EqualisedConv2d,
    EqualisedLinear,
    EqualisedUpconv2d,
    MinibatchDeviation,
    PixelNorm,
    doublings,
)
from synthmed.shapes import Image, Latent, Logits, OneHot


def growth_levels(height: int, width: int) -> int:
    """How many sizes there are from a short side of 4 to the full one (7 for 512x256).

    Raises:
        ValueError: the sides cannot be halved that often; says which multiple is needed.
    """
    levels = doublings(height, width) + 1
    if height % 2**levels or width % 2**levels:
        raise ValueError(f"{height}x{width} cannot be halved; both sides must be multiples of {2**levels}")
    return levels


class MaskEmbeddingGenerator(nn.Module):
    """One-hot mask [N P H W] and latents [N Z] -> image [N C H W] in [-1, 1] (figure 1 of the paper).

    Args:
        mask_channels: P.
        channels: C.
        height, width: H and W of the finest level.
        latent_size: Z.
        embedding_size: numbers that the mask is embedded in; 0 = it only enters by the skips (Tub-GAN).
        mask_features: channels of the mask's path.
        sizes: channels of the latents' path, coarsest level first.
    """

    def __init__(
        self, *, mask_channels: int, channels: int, height: int, width: int, latent_size: int, embedding_size: int,
        mask_features: int, sizes: Sequence[int],
    ) -> None:  # fmt: skip
        super().__init__()
        levels = growth_levels(height, width)
        self.finest, self.base = height, (height >> levels, width >> levels)
        shrinking = range(0 if embedding_size else 1, levels)
        self.from_mask = nn.ModuleList(EqualisedConv2d(mask_channels, mask_features, 1) for _ in range(levels))
        self.shrink = nn.ModuleDict(
            {str(level): EqualisedConv2d(mask_features, mask_features, 4, 2, 1) for level in shrinking}
        )
        places = mask_features * self.base[0] * self.base[1]
        self.embed = EqualisedLinear(places, embedding_size) if embedding_size else None
        self.project = EqualisedLinear(latent_size + embedding_size, sizes[0] * self.base[0] * self.base[1])
        before = [sizes[0], *(size + mask_features for size in sizes[:-1])]
        self.grow = nn.ModuleList(EqualisedUpconv2d(*pair) for pair in zip(before, sizes, strict=True))
        self.to_image = nn.ModuleList(EqualisedConv2d(size, channels, 1) for size in sizes)
        self.normalise = PixelNorm()

    def forward(self, one_hot: OneHot, latents: Latent, fade: float = 1.0) -> Image:
        """Make one image a mask and latent, at the size of the mask."""
        level = _level(self.finest, len(self.grow), one_hot)
        skips, embedding = self._read(one_hot, level, fade)
        numbers = latents if embedding is None else torch.cat([latents, embedding], dim=1)
        features = self._activate(self.project(numbers).reshape(len(latents), -1, *self.base))
        coarser = features
        for number, grow in enumerate(self.grow[: level + 1]):
            coarser = features
            if number:
                features = torch.cat([features, skips[number - 1]], dim=1)
            features = self._activate(grow(features))  # [N C H W] -> [N C' 2H 2W]
        image = self.to_image[level](features)
        if fade < 1 and level:
            old = functional.interpolate(self.to_image[level - 1](coarser), scale_factor=2)
            image = torch.lerp(old, image, fade)
        return torch.tanh(image)

    def _activate(self, features: Tensor) -> Tensor:
        return self.normalise(functional.leaky_relu(features, 0.2))

    def _read(self, one_hot: OneHot, level: int, fade: float) -> tuple[list[Tensor], Tensor | None]:
        """The mask's features at every level below the given one, coarsest first, and its embedding."""
        features = functional.leaky_relu(self.from_mask[level](one_hot), 0.2)
        skips: list[Tensor] = []
        for number in range(level, 0, -1):
            features = functional.leaky_relu(self.shrink[str(number)](features), 0.2)
            if number == level and fade < 1:
                old = functional.leaky_relu(self.from_mask[level - 1](functional.max_pool2d(one_hot, 2)), 0.2)
                features = torch.lerp(old, features, fade)
            skips.insert(0, features)
        if self.embed is None:
            return skips, None
        last = functional.leaky_relu(self.shrink["0"](features), 0.2)
        return skips, self.embed(last.flatten(1))


class MaskEmbeddingDiscriminator(nn.Module):
    """Image and one_hot [N C+P H W] -> logits [N 1]; the generator's mirror.

    The paper says no more of it than that it sees both. Ours halves by convolutions of kernel 4 and stride 2.

    Args:
        channels: C + P.
        height, width: H and W of the finest level.
        sizes: channels, coarsest level first.
    """

    def __init__(self, *, channels: int, height: int, width: int, sizes: Sequence[int]) -> None:
        super().__init__()
        levels = growth_levels(height, width)
        self.finest = height
        self.from_image = nn.ModuleList(EqualisedConv2d(channels, size, 1) for size in sizes)
        after = [sizes[0], *sizes[:-1]]
        self.shrink = nn.ModuleList(EqualisedConv2d(*pair, 4, 2, 1) for pair in zip(sizes, after, strict=True))
        places = sizes[0] * (height >> levels) * (width >> levels)
        self.judge = nn.Sequential(
            MinibatchDeviation(),
            EqualisedConv2d(sizes[0] + 1, sizes[0], 3, 1, 1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            EqualisedLinear(places, 1),
        )

    def forward(self, images: Image, fade: float = 1.0) -> Logits:
        """One logit an image, at whatever level its size is."""
        level = _level(self.finest, len(self.shrink), images)
        features = functional.leaky_relu(self.from_image[level](images), 0.2)
        for number in range(level, -1, -1):
            features = functional.leaky_relu(self.shrink[number](features), 0.2)
            if number == level and level and fade < 1:
                old = functional.leaky_relu(self.from_image[level - 1](functional.avg_pool2d(images, 2)), 0.2)
                features = torch.lerp(old, features, fade)
        return self.judge(features)


def _level(finest: int, levels: int, images: Tensor) -> int:
    return levels - (finest // images.shape[2]).bit_length()
