"""Masks to small codes and back: a code is what a mask GAN can learn from few masks.

A thin vessel is one pixel in a hundred, and a GAN that is to place each pixel from 20 examples makes dots or blobs. An
autoencoder learns a vessel's parts from every part of every mask, so few masks are many examples; the GAN learns only
how the parts go together, on a grid 16 times coarser (latent GANs: Rombach et al. 2022 has the same split).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from synthmed.networks.layers import ShuffleUp
from synthmed.shapes import OneHot

Code = Float[Tensor, "batch code rows columns"]
"""Near N(0, 1)."""

_MEMORY = 0.01
"""Share of a training step in the usual coverage."""
_SHUFFLED = 4
"""The masks are read in squares of this side: full resolution costs a sixteenth."""


class MaskAutoencoder(nn.Module):
    """One-hot mask [N P H W] -> code [N Z H/16 W/16] -> logits of the one_hot [N P H W].

    Args:
        mask_channels: P.
        code: Z.
        features: channels at a quarter of the resolution; doubled at each coarser level.
        halvings: of the masks until the code; at least 2.
    """

    def __init__(self, *, mask_channels: int, code: int, features: int, halvings: int) -> None:
        super().__init__()
        levels = halvings - 2
        sizes = [features * 2**level for level in range(levels + 1)]
        down: list[nn.Module] = [
            nn.PixelUnshuffle(_SHUFFLED),
            nn.Conv2d(mask_channels * _SHUFFLED**2, features, 3, padding=1),
        ]
        for before, after in zip(sizes, [*sizes[1:], sizes[-1]], strict=True):
            down += [_Residual(before), nn.Conv2d(before, after, 4, 2, 1)] if before != after else [_Residual(before)]
        self.encoder = nn.Sequential(*down, nn.SiLU(), nn.Conv2d(sizes[-1], 2 * code, 3, padding=1))
        up: list[nn.Module] = [nn.Conv2d(code, sizes[-1], 3, padding=1), _Residual(sizes[-1])]
        for before, after in zip(sizes[:0:-1], sizes[-2::-1], strict=True):
            up += [_Residual(before), nn.Upsample(scale_factor=2), nn.Conv2d(before, after, 3, padding=1)]
        self.decoder = nn.Sequential(
            *up, _Residual(features), nn.SiLU(), nn.Conv2d(features, 4 * 16, 3, padding=1), ShuffleUp(),
            nn.SiLU(), nn.Conv2d(16, 4 * 8, 3, padding=1), ShuffleUp(),
            nn.SiLU(), nn.Conv2d(8, mask_channels, 3, padding=1),
        )  # fmt: skip
        self.mean_coverage: Tensor
        self.register_buffer("mean_coverage", torch.zeros(mask_channels))

    def encode(self, one_hot: OneHot) -> tuple[Code, Code]:
        """Mean and logarithm of the variance of the codes of one_hot (Kingma and Welling 2014)."""
        mean, log_variance = self.encoder(one_hot * 2 - 1).chunk(2, dim=1)
        return mean, log_variance.clamp(-10, 2)

    def decode(self, code: Code) -> Tensor:
        """Logits of the one_hot, [N P H W]."""
        return self.decoder(code)

    @torch.no_grad()
    def remember(self, one_hot: OneHot) -> None:
        """Let the usual coverage of each plane follow that of a training batch."""
        covered = one_hot.mean((0, 2, 3))
        known = self.mean_coverage > 0  # the first batch counts whole, else a short training knows of nothing
        self.mean_coverage.copy_(torch.where(known, self.mean_coverage.lerp(covered, _MEMORY), covered))


class _Residual(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.GroupNorm(4, channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """[N C H W] -> [N C H W]."""
        hidden = self.norm(self.first(functional.silu(features)))
        return features + self.second(functional.silu(hidden))
