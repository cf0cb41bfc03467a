"""A generator that is styled layer by layer (Karras et al. 2019), and an encoder into its codes (Zhu et al. 2020)."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthmed.draws import ImageDraws
from synthmed.networks.layers import (
    EqualisedConv2d,
    EqualisedLinear,
    PixelNorm,
    Upsample,
    coordinates,
    doublings,
    kaiming_initialisation,
    white_noise,
    widths,
)
from synthmed.networks.multiparametric import ClassDiscriminator
from synthmed.networks.residual import GrowingBlock, Modulation, ShrinkingBlock
from synthmed.networks.textures import FeatureNetwork, TextureNetwork
from synthmed.shapes import Image, Latent, Logits

_MEMORY = 0.005
"""Share of a training step in the mean code."""
_SLOWLY = 0.01
"""Pace of the published mapping network."""
_FULL = 16
"""Channels of ours at full resolution, where a channel is dear."""


class StyleGenerator(nn.Module):
    """Latents [N Z] -> a code for each layer [N L D] -> image [N C H W] in [-1, 1].

    Args:
        latent_size: Z, and D.
        mapping: dense layers between latents and codes.
        synthesis: what paints an image of codes; L is its ``layers``.
        told: numbers that the mapping is told beside latents; 0 = none.
    """

    mean_code: Tensor

    def __init__(
        self, *, latent_size: int, mapping: int, synthesis: "PublishedSynthesis | ResidualSynthesis", told: int = 0
    ) -> None:
        super().__init__()
        published = isinstance(synthesis, PublishedSynthesis)
        self.mapping = nn.Sequential(PixelNorm())
        sizes = [latent_size * (2 if told else 1), *[latent_size] * mapping]
        for pair in pairwise(sizes):
            dense = EqualisedLinear(*pair, _SLOWLY) if published else nn.Linear(*pair)
            self.mapping.extend([dense, nn.LeakyReLU(0.2)])
        self.embed = nn.Linear(told, latent_size) if told else None
        if not published:
            kaiming_initialisation(self.mapping)
        self.synthesis = synthesis
        self.register_buffer("mean_code", torch.zeros(latent_size))

    def codes(self, latents: Latent, told: Tensor | None = None, *, truncation: float = 1.0) -> Tensor:
        """The codes [N L D] of latents and what is told [N T]; drawn towards the mean code by less than 1.

        All layers have the same code.
        """
        normalise, *dense = self.mapping
        numbers = normalise(latents)
        if self.embed is not None:
            numbers = torch.cat([numbers, normalise(self.embed(told))], dim=1)
        codes = nn.Sequential(*dense)(numbers)
        if self.training and torch.is_grad_enabled():
            with torch.no_grad():
                self.mean_code.lerp_(codes.mean(0), _MEMORY)
        if truncation < 1:
            codes = self.mean_code + truncation * (codes - self.mean_code)
        return codes[:, None].expand(-1, self.synthesis.layers, -1)

    def paint(self, codes: Tensor, draws: ImageDraws | None = None) -> Image:
        """The image of codes [N L D]; noise of given draws, or the same noise for every image."""
        return self.synthesis(codes, draws or ImageDraws(torch.zeros(len(codes), 1, device=codes.device)))


class PublishedSynthesis(nn.Module):
    """Codes [N L D] -> image, as published: a learned constant, two styled convolutions a level, doubling.

    Weights are equalised and the image is what the last convolution gives, which is not held within [-1, 1].

    Args:
        code_size: D.
        channels: C.
        height, width: H and W.
        features: channels at full resolution; doubled at each coarser level up to ``cap``.
        cap: most channels of any level.
    """

    def __init__(self, *, code_size: int, channels: int, height: int, width: int, features: int, cap: int) -> None:
        super().__init__()
        times = doublings(height, width)
        sizes = widths(features, times + 1, cap)[::-1]
        self.constant = nn.Parameter(torch.empty(1, sizes[0], height >> times, width >> times))
        pairs = [(sizes[0], sizes[0]), *((one, two) for pair in pairwise(sizes) for one, two in (pair, pair[1:] * 2))]
        self.styled = nn.ModuleList(_AdaptiveLayer(*pair, code_size) for pair in pairs)
        self.layers = len(pairs)
        self.to_image = EqualisedConv2d(sizes[-1], channels, 1)
        for layer in (self.to_image, *(one.style for one in self.styled if isinstance(one, _AdaptiveLayer))):
            layer.scale *= 0.5**0.5  # no ReLU follows it
        self.resize = Upsample()
        nn.init.ones_(self.constant)

    def forward(self, codes: Tensor, draws: ImageDraws) -> Image:
        """One image a row of codes."""
        features = self.constant.expand(len(codes), -1, -1, -1)
        for number, layer in enumerate(self.styled):
            if number % 2:
                features = self.resize(features)
            features = layer(features, codes[:, number], draws)
        return self.to_image(features)


class _AdaptiveLayer(nn.Module):
    """Convolve, add noise, leak; adaptive instance norm: normalise each map, scale and shift it by a code."""

    def __init__(self, before: int, after: int, code_size: int) -> None:
        super().__init__()
        self.convolve = EqualisedConv2d(before, after, 3, padding=1)
        self.noise_strength = nn.Parameter(torch.zeros(after, 1, 1))
        self.normalise = nn.InstanceNorm2d(after)
        self.style = EqualisedLinear(code_size, 2 * after)

    def forward(self, features: Tensor, codes: Tensor, draws: ImageDraws) -> Tensor:
        features = self.convolve(features)
        features = features + self.noise_strength * white_noise(features[:, :1], draws)
        scale, shift = self.style(codes)[:, :, None, None].chunk(2, dim=1)
        return self.normalise(functional.leaky_relu(features, 0.2)) * (1 + scale) + shift


class ResidualSynthesis(nn.Module):
    """Codes [N L D] -> image in residual blocks whose features are normalised by pixel; the finest level is narrow.

    Args:
        code_size: D.
        channels: C.
        height, width: H and W.
        features: channels at half resolution; doubled at each coarser level up to ``cap``.
        cap: most channels of any level.
    """

    def __init__(self, *, code_size: int, channels: int, height: int, width: int, features: int, cap: int) -> None:
        super().__init__()
        times = doublings(height // 2, width // 2)
        sizes = widths(features, times + 1, cap)[::-1]
        self.constant = nn.Parameter(torch.empty(1, sizes[0], height >> times + 1, width >> times + 1))
        self.begin = Modulation(sizes[0], code_size)
        self.blocks = nn.ModuleList(GrowingBlock(*pair, code_size) for pair in pairwise(sizes))
        self.narrow = nn.Conv2d(sizes[-1], _FULL, 3, padding=1)
        self.refine = nn.Conv2d(_FULL + 1, _FULL, 3, padding=1)
        self.modulate = Modulation(_FULL, code_size, noise=0.0)  # grain is learned, not born
        self.to_image = nn.Conv2d(_FULL, channels, 3, padding=1)
        self.layers = 2 + 2 * len(self.blocks)
        self.resize = Upsample()
        kaiming_initialisation(self)
        _begin(self.to_image, [layer.modulate for layer in self.modules() if isinstance(layer, Modulation)])
        nn.init.normal_(self.constant)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, codes: Tensor, draws: ImageDraws) -> Image:
        """One image a row of codes."""
        features = self.begin(self.constant.expand(len(codes), -1, -1, -1), codes[:, 0], draws)
        for number, block in enumerate(self.blocks):
            features = block(features, codes[:, 1 + 2 * number], codes[:, 2 + 2 * number], draws)
        features = self.resize(self.narrow(features))
        features = self.refine(torch.cat([features, white_noise(features[:, :1], draws)], dim=1))
        return torch.tanh(self.to_image(self.modulate(features, codes[:, -1], draws)))


@torch.no_grad()
def _begin(to_image: nn.Conv2d, styles: list[nn.Linear]) -> None:
    """Begin in the middle of tanh, and with styles that change little."""
    to_image.weight.mul_(0.3)
    for style in styles:
        nn.init.normal_(style.weight, 0.0, 0.1)


class StyleEncoder(nn.Module):
    """Image [N C H W] -> a code for each layer [N L D], as what differs from a mean code.

    Args:
        channels: C.
        height, width: H and W.
        layers: L.
        code_size: D.
        features: channels at half resolution; doubled at each coarser level up to ``cap``.
        cap: most channels of any level.
    """

    def __init__(
        self, *, channels: int, height: int, width: int, layers: int, code_size: int, features: int, cap: int
    ) -> None:
        super().__init__()
        times = doublings(height // 2, width // 2)
        sizes = widths(features, times + 1, cap)
        self.shape = (layers, code_size)
        self.stem = nn.Conv2d(channels + 2, sizes[0], 4, 2, 1)
        self.blocks = nn.ModuleList(ShrinkingBlock(*pair) for pair in pairwise(sizes))
        places = sizes[-1] * (height >> times + 1) * (width >> times + 1)
        self.dense = nn.Linear(places, layers * code_size)
        kaiming_initialisation(self)
        with torch.no_grad():
            self.dense.weight.mul_(0.1)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Image) -> Tensor:
        """Codes less the mean code."""
        features = self.stem(torch.cat([images, coordinates(images)], dim=1))
        for block in self.blocks:
            features = block(features)
        return self.dense(functional.leaky_relu(features, 0.2).flatten(1)).unflatten(1, self.shape)


class StyleJudge(nn.Module):
    """The discriminator, and the fixed features by which reconstructions are compared; no model file holds them.

    Args:
        channels: of what it sees: all bands of an image, and planes of its mask or class where it is told them.
        height, width, features, cap: of the discriminator.
        textures: which fixed network.
    """

    def __init__(
        self, *, channels: int, height: int, width: int, features: int, cap: int, textures: FeatureNetwork
    ) -> None:
        super().__init__()
        self.judge = ClassDiscriminator(
            channels=channels, classes=0, height=height, width=width, features=features, cap=cap
        )
        self.textures = TextureNetwork(textures)

    def forward(self, images: Image) -> Logits:
        """One logit an image."""
        return self.judge(images)
