"""Generator from noise and discriminator of Radford et al. 2015 (DCGAN), for any size with short side 4 * 2^k."""

from typing import Literal

import torch
from torch import Tensor, nn

from synthmed.networks.layers import (
    Norm,
    Upsample,
    doublings,
    norm_layer,
    normal_initialisation,
    widths,
)
from synthmed.shapes import Image, Latent, Logits


class DCGANGenerator(nn.Module):
    """Latent [N Z] -> image [N C H W] in [-1, 1]: dense, then one doubling a level, then tanh.

    Args:
        latent_size: Z.
        channels: C.
        height: rows.
        width: columns.
        features: channels of the last level but one; doubled at each coarser level.
        cap: most channels of any level.
        kernel: side of the kernels (the paper of S4 names 5 for its discriminator; DCGAN has 5 in both).
        upsampling: "transposed" as published, "resize" = bilinear then convolution, without checkerboards.
        norm: normalisation after each convolution.
    """

    def __init__(
        self, *, latent_size: int, channels: int, height: int, width: int, features: int, cap: int,
        kernel: int = 5, upsampling: Literal["transposed", "resize"] = "transposed", norm: Norm = "batch",
    ) -> None:  # fmt: skip
        super().__init__()
        levels = doublings(height, width)
        sizes = widths(features, levels, cap)[::-1]  # coarse to fine
        self.base = (sizes[0], height >> levels, width >> levels)
        self.dense = nn.Linear(latent_size, sizes[0] * self.base[1] * self.base[2])
        self.base_norm = nn.Sequential(norm_layer(norm, sizes[0]), nn.LeakyReLU(0.2))
        blocks: list[nn.Module] = []
        for before, after in zip(sizes, [*sizes[1:], sizes[-1]], strict=True):
            blocks += [
                *_double(before, after, kernel, upsampling),  # [N C H W] -> [N C' 2H 2W]
                norm_layer(norm, after),
                nn.LeakyReLU(0.2),
            ]
        self.blocks = nn.Sequential(*blocks)
        self.to_image = nn.Conv2d(sizes[-1], channels, 3, padding=1)
        normal_initialisation(self)

    def forward(self, latents: Latent) -> Image:
        """Make one image a latent."""
        features = self.base_norm(self.dense(latents).unflatten(1, self.base))
        return torch.tanh(self.to_image(self.blocks(features)))


def _double(before: int, after: int, kernel: int, upsampling: str) -> list[nn.Module]:
    if upsampling == "transposed":
        return [nn.ConvTranspose2d(before, after, kernel, 2, (kernel - 1) // 2, output_padding=kernel % 2)]
    return [Upsample(), nn.Conv2d(before, after, kernel, padding=kernel // 2)]


class DCGANDiscriminator(nn.Module):
    """Image [N C H W] -> logits [N 1]: halving convolutions down to the base grid, then a dense layer.

    Args:
        channels: C.
        height: rows.
        width: columns.
        features: channels after the first convolution; doubled at each coarser level.
        cap: most channels of any level.
        kernel: side of the kernels.
        norm: normalisation after each convolution but the first.
    """

    def __init__(
        self, *, channels: int, height: int, width: int, features: int, cap: int, kernel: int = 5,
        norm: Norm = "batch",
    ) -> None:  # fmt: skip
        super().__init__()
        levels = doublings(height, width)
        sizes = widths(features, levels, cap)
        blocks: list[nn.Module] = []
        before = channels
        for level, after in enumerate(sizes):
            blocks += [
                nn.Conv2d(before, after, kernel, 2, kernel // 2),  # [N C H W] -> [N C' H/2 W/2]
                norm_layer(norm, after) if level else nn.Identity(),
                nn.LeakyReLU(0.2),
            ]
            before = after
        self.blocks = nn.Sequential(*blocks)
        self.dense = nn.Linear(before * (height >> levels) * (width >> levels), 1)
        normal_initialisation(self)

    def forward(self, images: Image) -> Logits:
        """One logit an image."""
        features: Tensor = self.blocks(images)
        return self.dense(features.flatten(1))
