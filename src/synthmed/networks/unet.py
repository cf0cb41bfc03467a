"""U-Net generators: a mask's planes, and latents for what the mask does not say, become an image.

``UNet`` is the generator of pix2pix (Isola et al. 2017) and of the vessel-to-retina network that S4 builds on;
its noise is dropout. ``ModulatedUNet`` is ours: the latents scale and shift the features of every level, so
that one mask has as many photographs as there are latents.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthmed.networks.layers import Norm, Upsample, coordinates, norm_layer, normal_initialisation, widths
from synthmed.shapes import Image, Latent, Planes


class UNet(nn.Module):
    """Planes [N P H W] -> image [N C H W] in [-1, 1]; halved ``levels`` times and back, with skips.

    Args:
        planes: P.
        channels: C.
        features: channels of the first level; doubled at each further level up to eight times as many.
        levels: halvings; log2 of the side goes down to a single pixel, as published.
        kernel: side of the kernels.
        dropout: rate in the three innermost decoder blocks, in training and in generation alike.
        norm: normalisation of every block but the first and the innermost.
    """

    def __init__(
        self, *, planes: int, channels: int, features: int, levels: int, kernel: int = 4,
        dropout: float = 0.5, norm: Norm = "batch",
    ) -> None:  # fmt: skip
        super().__init__()
        sizes = widths(features, levels, 8 * features)
        padding = (kernel - 1) // 2
        self.down = nn.ModuleList()
        before = planes
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

    def forward(self, planes: Planes, latents: Latent) -> Image:
        """Make one image a mask; the latents decide what the dropout drops."""
        generators = _generators(latents)
        skips: list[Tensor] = []
        features = planes
        for block in self.down:
            features = block(features)
            skips.append(features)
        features = skips.pop()
        for block, dropout in zip(self.up[:-1], self.dropout, strict=False):
            features = block(features)
            if dropout is not None:
                features = dropout(features, generators)
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

    def forward(self, features: Tensor, generators: list[torch.Generator]) -> Tensor:
        draws = torch.stack([torch.rand(features.shape[1:], generator=generator) for generator in generators])
        return features * (draws >= self.rate).to(features) / (1 - self.rate)


def _generators(latents: Latent) -> list[torch.Generator]:
    """One generator a row, seeded by the bits of its first latent."""
    return [torch.Generator().manual_seed(int(bits)) for bits in latents[:, 0].float().cpu().view(torch.int32)]


class ModulatedUNet(nn.Module):
    """Planes [N P H W] and latents [N Z] -> image [N C H W] in [-1, 1].

    Works at half the resolution (2x2 pixels become channels) and joins the planes once more at the full one:
    a quarter of the memory traffic, with edges as sharp as the mask's. A plane of white noise, drawn from the
    latents, goes in with the planes at both places: it is what fine texture is made of. Two planes of
    coordinates tell where the field of view ends.

    Args:
        planes: P.
        channels: C.
        latent_size: Z.
        features: channels at half resolution; doubled at each coarser level up to ``cap``.
        cap: most channels of any level.
        levels: halvings below half resolution.
        noise: whether the plane of white noise goes in; masks are not made of texture.
    """

    def __init__(
        self, *, planes: int, channels: int, latent_size: int, features: int, cap: int, levels: int,
        noise: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.noise = noise
        planes += noise
        sizes = widths(features, levels + 1, cap)
        self.stem = nn.Conv2d(4 * planes + 2, sizes[0], 3, padding=1)
        self.down = nn.ModuleList(
            nn.Sequential(nn.LeakyReLU(0.2), nn.Conv2d(before, after, 4, 2, 1), norm_layer("instance", after))
            for before, after in pairwise(sizes)
        )
        self.up = nn.ModuleList(
            _ModulatedBlock(before, after, after, latent_size)
            for before, after in zip(sizes[:0:-1], sizes[-2::-1], strict=True)
        )
        self.expand = nn.Conv2d(sizes[0], 4 * 8, 3, padding=1)
        self.to_image = nn.Conv2d(8 + planes, channels, 5, padding=2)
        normal_initialisation(self)
        with torch.no_grad():  # the four pixels of a shuffle begin alike, else a grid is born with them (Aitken 2017)
            self.expand.weight.copy_(self.expand.weight[:8].repeat_interleave(4, dim=0))

    def forward(self, planes: Planes, latents: Latent) -> Image:
        """Make one image a mask and latent."""
        if self.noise:
            draws = [torch.randn(1, *planes.shape[2:], generator=generator) for generator in _generators(latents)]
            planes = torch.cat([planes, torch.stack(draws).to(planes)], dim=1)  # [N P+1 H W]
        halved = functional.pixel_unshuffle(planes, 2)  # [N 4P H/2 W/2]
        features = self.stem(torch.cat([halved, coordinates(halved)], dim=1))
        skips = [features]
        for block in self.down:
            features = block(features)
            skips.append(features)
        features = skips.pop()
        for block in self.up:
            features = block(features, skips.pop(), latents)
        features = functional.pixel_shuffle(self.expand(functional.leaky_relu(features, 0.2)), 2)  # [N 8 H W]
        features = functional.leaky_relu(features, 0.2)
        return torch.tanh(self.to_image(torch.cat([features, planes], dim=1)))


class _ModulatedBlock(nn.Module):
    """Up, join the skip, convolve, normalise, scale and shift by the latents."""

    def __init__(self, before: int, skip: int, after: int, latent_size: int) -> None:
        super().__init__()
        self.resize = Upsample()
        self.convolve = nn.Conv2d(before + skip, after, 3, padding=1)
        self.normalise = norm_layer("instance", after)
        self.modulate = nn.Linear(latent_size, 2 * after)

    def forward(self, features: Tensor, skip: Tensor, latents: Latent) -> Tensor:
        joined = torch.cat([self.resize(functional.leaky_relu(features, 0.2)), skip], dim=1)
        scale, shift = self.modulate(latents)[:, :, None, None].chunk(2, dim=1)
        return self.normalise(self.convolve(joined)) * (1 + scale) + shift
