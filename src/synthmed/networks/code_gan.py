"""Generator and discriminator of codes: small grids whose every number counts.

Against a DCGAN: two convolutions a level, no tanh, initialised for leaky ReLUs, and a discriminator that judges the
whole and every 5x5 cells. On codes of 20 masks a DCGAN drew meshes of level and upright lines, or one mask for all
latents.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from synthmed.networks.layers import coordinates, doublings, kaiming_initialisation
from synthmed.shapes import Latent, Logits


class CodeGenerator(nn.Module):
    """Latent [N Z] -> code [N C H W], not bounded.

    Args:
        latent_size: Z.
        channels: C.
        height, width: H and W.
        features: channels of the finest level; the others have ``cap`` at most, doubled at each coarser level.
        cap: most channels of any level.
    """

    def __init__(
        self, *, latent_size: int, channels: int, height: int, width: int, features: int, cap: int
    ) -> None:  # fmt: skip
        super().__init__()
        levels = doublings(height, width)
        sizes = [min(features * 2**level, cap) for level in range(levels, -1, -1)]  # coarse to fine
        self.base = (sizes[0], height >> levels, width >> levels)
        self.dense = nn.Linear(latent_size, sizes[0] * self.base[1] * self.base[2])
        blocks: list[nn.Module] = [nn.BatchNorm2d(sizes[0]), nn.ReLU()]
        for before, after in pairwise(sizes):
            blocks += [nn.Upsample(scale_factor=2), *_block(before, after), *_block(after, after)]
        self.blocks = nn.Sequential(*blocks, nn.Conv2d(sizes[-1], channels, 3, padding=1))
        kaiming_initialisation(self)

    def forward(self, latents: Latent) -> Tensor:
        """Make one code a latent."""
        return self.blocks(self.dense(latents).unflatten(1, self.base))


class CodeDiscriminator(nn.Module):
    """Code [N C H W] -> logits [N 2 H*W]: in a mean over them the whole counts as much as all parts together.

    From few masks the whole teaches how things lie, the many parts how they look.

    Args:
        channels: C.
        height, width: H and W.
        features: channels of the first convolution; doubled at each halving.
        cap: most channels of any level.
    """

    def __init__(self, *, channels: int, height: int, width: int, features: int, cap: int) -> None:
        super().__init__()
        levels = doublings(height, width)
        sizes = [min(features * 2**level, cap) for level in range(levels + 1)]
        whole: list[nn.Module] = [nn.Conv2d(channels + 2, features, 3, padding=1), nn.LeakyReLU(0.2)]
        for before, after in pairwise(sizes):
            whole += [nn.Conv2d(before, after, 4, 2, 1), nn.LeakyReLU(0.2)]
        whole += [nn.Conv2d(sizes[-1], sizes[-1], 3, padding=1), nn.LeakyReLU(0.2), nn.Flatten()]
        self.whole = nn.Sequential(*whole, nn.Linear(sizes[-1] * (height >> levels) * (width >> levels), 1))
        inner = 2 * features
        self.parts = nn.Sequential(
            nn.Conv2d(channels + 2, inner, 3, padding=1), nn.LeakyReLU(0.2),
            nn.Conv2d(inner, inner, 3, padding=1), nn.LeakyReLU(0.2),
            nn.Conv2d(inner, inner, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(inner, 1, 1),
        )  # fmt: skip
        kaiming_initialisation(self)

    def forward(self, codes: Tensor) -> Logits:
        """Logits of the whole, as often as there are parts, and of the parts."""
        codes = torch.cat([codes, coordinates(codes)], dim=1)
        parts = self.parts(codes).flatten(1)
        return torch.stack([self.whole(codes).expand_as(parts), parts], dim=1)


def _block(before: int, after: int) -> list[nn.Module]:
    return [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
