"""The patch discriminator of pix2pix (Isola et al. 2017): one logit for each overlapping patch."""

import torch
from torch import nn

from synthmed.networks.layers import (
    Norm,
    coordinates,
    kaiming_initialisation,
    norm_layer,
    normal_initialisation,
    widths,
)
from synthmed.shapes import Image, Logits


class PatchDiscriminator(nn.Module):
    """Image, with its mask as further channels, [N C H W] -> logits [N 1 H' W'].

    Args:
        channels: C, those of the mask included.
        features: channels after the first convolution; doubled at each level up to eight times as many.
        levels: halvings; 3 is pix2pix's 70x70 receptive field (with kernel 4).
        kernel: side of the kernels.
        norm: normalisation after each convolution but the first.
        positions: whether two channels of coordinates are added, so that a patch knows where it lies.
    """

    def __init__(
        self, *, channels: int, features: int, levels: int = 3, kernel: int = 4, norm: Norm = "batch",
        positions: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.positions = positions
        padding = (kernel - 1) // 2
        blocks: list[nn.Module] = []
        before = channels + 2 * positions
        for level, after in enumerate(widths(features, levels, 8 * features)):
            blocks += [
                nn.Conv2d(before, after, kernel, 2, padding),  # [N C H W] -> [N C' H/2 W/2]
                norm_layer(norm, after) if level else nn.Identity(),
                nn.LeakyReLU(0.2),
            ]
            before = after
        after = min(2 * before, 8 * features)
        self.blocks = nn.Sequential(
            *blocks,
            nn.Conv2d(before, after, kernel, 1, padding),
            norm_layer(norm, after),
            nn.LeakyReLU(0.2),
            nn.Conv2d(after, 1, kernel, 1, padding),
        )
        if norm == "none":
            kaiming_initialisation(self)
        else:
            normal_initialisation(self)

    def forward(self, images: Image) -> Logits:
        """One logit a patch."""
        if self.positions:
            images = torch.cat([images, coordinates(images)], dim=1)
        return self.blocks(images)
