"""Networks that make an image of a label map whose every organ has a texture of its own (Krishna and Mueller 2019)."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthmed.draws import ImageDraws
from synthmed.networks.layers import (
    Norm,
    ShuffleUp,
    Upsample,
    coordinates,
    kaiming_initialisation,
    normal_initialisation,
    widths,
)
from synthmed.networks.patchgan import PatchDiscriminator
from synthmed.networks.textures import FeatureNetwork, TextureNetwork
from synthmed.shapes import Batch, Image, ImageSpec, Latent, Logits, OneHot, Pairs

_MEMORY = 0.01
"""Share of a training step in the usual codes."""


class PublishedGenerator(nn.Module):
    """Label map [N K H W] and latents [N Z] -> image [N C H W] in [-1, 1]: section 3.2, kernel 4, stride 2.

    Args:
        organs: K.
        channels: C.
        latent_size: Z.
        features: channels after the first convolution; doubled at each level up to eight times as many.
        levels: halvings of the encoder.
        height, width: H and W.
    """

    def __init__(
        self, *, organs: int, channels: int, latent_size: int, features: int, levels: int, height: int, width: int
    ) -> None:
        super().__init__()
        self.size = (height >> levels, width >> levels)
        sizes = widths(features, levels, 8 * features)
        self.dense = nn.Linear(latent_size, self.size[0] * self.size[1])
        self.down = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after, 4, 2, 1), nn.BatchNorm2d(after), nn.LeakyReLU(0.2))
            for before, after in pairwise([organs, *sizes])
        )
        steps = [sizes[-1] + 1, *sizes[-2::-1], features]
        self.up = nn.ModuleList(
            nn.Sequential(nn.ConvTranspose2d(before, after, 4, 2, 1), nn.BatchNorm2d(after), nn.LeakyReLU(0.2))
            for before, after in pairwise(steps)
        )
        self.to_image = nn.Conv2d(features, channels, 3, padding=1)
        normal_initialisation(self)

    def forward(self, organs: OneHot, latents: Latent) -> Image:
        """One image a map and latent."""
        features = organs
        for block in self.down:
            features = block(features)
        plane = self.dense(latents).view(-1, 1, *self.size)
        features = torch.cat([features, plane], dim=1)
        for block in self.up:
            features = block(features)
        return torch.tanh(self.to_image(features))


class OrganEncoder(nn.Module):
    """Image [N C H W] and the shares of its organs [N K H W] -> a code of each organ [N K D].

    A code is the mean and the spread of features within the organ, so it knows how bright and how rough an organ is and
    not where anything lies.
    """

    def __init__(self, *, channels: int, features: int, code_size: int) -> None:
        super().__init__()
        sizes = (channels, features, 2 * features, code_size // 2)
        self.layers = nn.ModuleList(nn.Conv2d(before, after, 3, padding=1) for before, after in pairwise(sizes))
        kaiming_initialisation(self)

    def forward(self, images: Image, shares: OneHot) -> Tensor:
        """The codes; 0 for an organ that an image lacks."""
        maps = images
        for number, layer in enumerate(self.layers):
            maps = layer(maps if number == 0 else functional.leaky_relu(maps, 0.2))
            maps = functional.avg_pool2d(maps, 2) if number else maps
        weights = reduced(shares, maps).flatten(2)
        weights = weights / weights.sum(2, keepdim=True).clamp_min(1.0)
        flat = maps.flatten(2).transpose(1, 2)  # [N P D/2]
        mean, square = weights @ flat, weights @ flat.square()
        spread = (square - mean.square()).clamp_min(1e-6).sqrt()
        return torch.cat([mean, spread * (weights.sum(2, keepdim=True) > 0)], dim=2)


class OrganGenerator(nn.Module):
    """Label map [N K H W], a code of each organ [N K D] and latents [N Z] -> image [N C H W] in [-1, 1].

    A U-Net of the map at half resolution. At every level of its decoder each organ scales, shifts and roughens the
    features under it by its own code (after Zhu et al. 2020); white noise drawn from the latents is what texture is
    made of, and the latents move every code a little, so that one map and one style give many images.
    """

    def __init__(
        self, *, organs: int, channels: int, latent_size: int, code_size: int, features: int, cap: int, levels: int
    ) -> None:
        super().__init__()
        self.organs, self.code_size = organs, code_size
        sizes = widths(features, levels + 1, cap)
        self.vary = nn.Linear(latent_size, organs * code_size)
        self.stem = nn.Conv2d(4 * organs + 2, sizes[0], 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(before, after, 4, 2, 1) for before, after in pairwise(sizes))
        self.up = nn.ModuleList(_OrganBlock(before, after, code_size) for before, after in pairwise(sizes[::-1]))
        self.resize, self.shuffle = Upsample(), ShuffleUp()
        self.expand = nn.Conv2d(sizes[0], 4 * 12, 3, padding=1)
        self.last = _OrganBlock(12, 12, code_size, joined=organs)
        self.to_image = nn.Conv2d(12, channels, 5, padding=2)
        self.usual: Tensor
        self.register_buffer("usual", torch.zeros(organs, code_size))
        kaiming_initialisation(self)
        with torch.no_grad():
            self.expand.weight.copy_(self.expand.weight[:12].repeat_interleave(4, dim=0))
            self.to_image.weight.mul_(0.3)
            nn.init.normal_(self.vary.weight, 0.0, 0.05)
            for layer in self.modules():
                if isinstance(layer, _OrganBlock):
                    nn.init.normal_(layer.modulate.weight, 0.0, 0.05)

    def forward(self, organs: OneHot, codes: Tensor, latents: Latent) -> Image:
        """One image a map, style and latent."""
        codes = codes + self.vary(latents).view(-1, self.organs, self.code_size)
        draws = ImageDraws(latents)
        halved = functional.pixel_unshuffle(organs, 2)
        features = self.stem(torch.cat([halved, coordinates(halved)], dim=1))
        skips = [features]
        for layer in self.down:
            features = layer(functional.leaky_relu(features, 0.2))
            skips.append(features)
        features = skips.pop()
        for block in self.up:
            features = block(self.resize(features), skips.pop(), organs, codes, draws)
        features = self.shuffle(self.expand(features))
        features = self.last(features, organs, organs, codes, draws)
        return torch.tanh(self.to_image(features))

    @torch.no_grad()
    def remember(self, codes: Tensor, shares: OneHot) -> None:
        """Let the usual codes follow those of real images that have the organ."""
        there = (shares.sum((2, 3)) >= 1).to(codes)
        mean = (codes * there[..., None]).sum(0) / there.sum(0).clamp_min(1)[:, None]
        self.usual.lerp_(torch.where(there.any(0)[:, None], mean, self.usual), _MEMORY)

    def mixed(self, codes: Tensor, shares: OneHot, weights: Tensor | None = None) -> Tensor:
        """Codes as the style has them, as they usually are, or between the two.

        An organ that the style lacks takes the code of the organ of the style that usually looks most like it.

        Args:
            codes: [N K D] of the style.
            shares: [N K H W] of its organs.
            weights: [N K] share of the style, 0 to 1; None = all of it.
        """
        there = shares.sum((2, 3)) >= 1
        apart = (self.usual[:, None] - self.usual).square().sum(2)
        nearest = apart.expand(len(codes), -1, -1).masked_fill(~there[:, None], torch.inf).argmin(2)
        nearest = torch.where(there, torch.arange(there.shape[1], device=there.device), nearest)
        codes = codes.gather(1, nearest[..., None].expand_as(codes))
        share = there.any(1)[:, None, None].to(codes)
        share = share if weights is None else share * weights.to(codes)[..., None]
        return share * codes + (1 - share) * self.usual


class _OrganBlock(nn.Module):
    """Join, convolve, normalise; scale, shift and roughen by the code of the organ that lies there."""

    def __init__(self, before: int, after: int, code_size: int, *, joined: int | None = None) -> None:
        super().__init__()
        self.convolve = nn.Conv2d(before + (after if joined is None else joined), after, 3, padding=1)
        self.modulate = nn.Linear(code_size, 3 * after)

    def forward(self, features: Tensor, skip: Tensor, organs: OneHot, codes: Tensor, draws: ImageDraws) -> Tensor:
        features = self.convolve(functional.leaky_relu(torch.cat([features, skip], dim=1), 0.2))
        features = features * (features.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        cover = reduced(organs, features)
        planes = torch.einsum("nkhw,nkc->nchw", cover, self.modulate(codes))
        scale, shift, roughness = planes.chunk(3, dim=1)
        noise = draws.normal(1, *features.shape[2:]).to(features)
        return features * (1 + scale) + shift + 0.3 * (1 + roughness) * noise


class OrganJudge(nn.Module):
    """The discriminator of image and map, and beside it what else judges and no model file holds.

    Args:
        spec: of the images.
        textures: what textures are compared by.
        features, levels, norm: of the discriminator.
    """

    image: Tensor
    mask: Tensor
    known: Tensor

    def __init__(self, spec: ImageSpec, *, textures: FeatureNetwork, features: int, levels: int, norm: Norm) -> None:
        super().__init__()
        self.patches = PatchDiscriminator(channels=spec.channels + spec.num_foreground, features=features,
                                          levels=levels, norm=norm)  # fmt: skip
        self.textures = TextureNetwork(textures)
        self.register_buffer("image", torch.zeros(1, spec.channels, *spec.size))
        self.register_buffer("mask", torch.zeros(1, *spec.size, dtype=torch.uint8))
        self.register_buffer("known", torch.zeros(1))

    def forward(self, images: Image) -> Logits:
        """Images with their maps as further channels -> a logit for each patch."""
        return self.patches(images)

    @torch.no_grad()
    def style_of(self, batch: Batch) -> Pairs:
        """The one style of the published method, for every image of a batch: the first image of the training."""
        fresh = self.known < 0.5
        self.image.copy_(torch.where(fresh, batch.images[:1], self.image))
        self.mask.copy_(torch.where(fresh, batch.masks[:1], self.mask))
        self.known.fill_(1)
        return Pairs(images=self.image.expand(len(batch), -1, -1, -1), masks=self.mask.expand(len(batch), -1, -1))


def reduced(shares: Tensor, like: Tensor) -> Tensor:
    """The covered part of each cell of a smaller grid."""
    return functional.adaptive_avg_pool2d(shares, (like.shape[2], like.shape[3]))
