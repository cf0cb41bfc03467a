"""The U-Net generator of pix2pix (Isola et al. 2017) and of the vessel-to-retina network that S4 builds on.

Its noise is dropout. The generator of ours, with latents that set what the mask leaves open, is in `modulated`.
"""

import torch
from torch import Tensor, nn

from synthmed.draws import ImageDraws
from synthmed.networks.layers import Norm, norm_layer, normal_initialisation, widths
from synthmed.shapes import Image, Latent, OneHot


class UNet(nn.Module):
    """One-hot mask [N P H W] -> image [N C H W] in [-1, 1]; halved ``levels`` times and back, with skips.

    Args:
        mask_channels: P.
        channels: C.
        features: channels of the first level; doubled at each further level up to eight times as many.
        levels: halvings; log2 of the side goes down to a single pixel, as published.
        kernel: side of the kernels.
        dropout: rate in the three innermost decoder blocks, in training and in generation alike.
        norm: normalisation of every block but the first and the innermost.
    """

    def __init__(
        self, *, mask_channels: int, channels: int, features: int, levels: int, kernel: int = 4,
        dropout: float = 0.5, norm: Norm = "batch",
    ) -> None:  # fmt: skip
        super().__init__()
        sizes = widths(features, levels, 8 * features)
        padding = (kernel - 1) // 2
        self.down = nn.ModuleList()
        before = mask_channels
        for level, after in enumerate(sizes):
            plain = level in (0, levels - 1)  # a 1x1 map has no statistics to normalise by
            self.down.append(
                nn.Sequential(
                    nn.LeakyReLU(0.2) if level else nn.Identity(),
                    nn.Conv2d(before, after, kernel, 2, padding),
                    nn.Identity() if plain else norm_layer(norm, after),
                )
            )
            before = after
        self.up = nn.ModuleList()
        self.dropout: list[_Dropout | None] = []
        for level in reversed(range(levels)):
            after = sizes[level - 1] if level else channels
            block: list[nn.Module] = [
                nn.ReLU(),
                nn.ConvTranspose2d(before, after, kernel, 2, padding, output_padding=kernel % 2),
            ]
            if level:
                block.append(norm_layer(norm, after))
            self.up.append(nn.Sequential(*block))
            self.dropout.append(_Dropout(dropout) if dropout and level >= max(1, levels - 3) else None)
            before = 2 * after
        normal_initialisation(self)

    def forward(self, one_hot: OneHot, latents: Latent) -> Image:
        """Make one image a mask; the latents decide what the dropout drops."""
        draws = ImageDraws(latents)
        skips: list[Tensor] = []
        features = one_hot
        for block in self.down:
            features = block(features)
            skips.append(features)
        features = skips.pop()
        for block, dropout in zip(self.up[:-1], self.dropout, strict=False):
            features = block(features)
            if dropout is not None:
                features = dropout(features, draws)
            features = torch.cat([features, skips.pop()], dim=1)
        return torch.tanh(self.up[-1](features))


class _Dropout(nn.Module):
    """Dropout that stays on after training, the only noise of pix2pix (section 3.1 there), drawn from latents.

    The published networks draw it from global random state; here equal latents give equal noise, so that a
    seed names an image whatever batch it is made in.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, features: Tensor, draws: ImageDraws) -> Tensor:
        kept = draws.uniform(*features.shape[1:]) >= self.rate
        return features * kept.to(features) / (1 - self.rate)
