"""A U-Net from masks to images whose latents set what the mask leaves open, and an encoder of these latents."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthmed.draws import ImageDraws
from synthmed.networks.layers import (
    ShuffleUp,
    Upsample,
    coordinates,
    displace,
    gaussian_blur,
    kaiming_initialisation,
    norm_layer,
    widths,
)
from synthmed.shapes import Image, LabelMap, Latent, OneHot

_ENCODED_SIDE = 64
"""The encoder sees an image at this size: colour, light and large structure, and how strong detail is where."""
_MEMORY = 0.005
"""Share of a training step in the usual field and latents."""


class ModulatedUNet(nn.Module):
    """One-hot mask [N P H W] and latents [N Z] -> image [N C H W] in [-1, 1].

    Works at half the resolution (2x2 pixels become channels) and joins the one_hot once more at the full one:
    a quarter of the memory traffic, with edges as sharp as the mask's. White noise, drawn from the latents, goes in
    with the one_hot and at each level of the decoder (Karras et al. 2019): texture is made of it, and whatever differs
    between two vessels of one width. The field of view goes in as a plane, or its edge would be a guess: in training
    that of the real image, afterwards the usual one of all that were seen.

    No hand draws the wall of a vessel to the pixel. A generator that sees a label map as it is learns to draw what
    no camera shows, stairs of pixels with every vessel exactly under its label, and a segmenter that learns from such
    pairs trusts edges too much. So the one_hot may be smoothed; and displaced by a little, other for every latent, when
    they are not learned from: against a photograph beside its displaced label the best image is a blurred one.

    Args:
        mask_channels: P.
        channels: C.
        height, width: H and W.
        latent_size: Z.
        features: channels at half resolution; doubled at each coarser level up to ``cap``.
        cap: most channels of any level.
        levels: halvings below half resolution.
        smoothing: standard deviation, in pixels, of the Gaussian that smooths the one_hot.
        displacement: standard deviation, in pixels, of how far the image may lie beside the one_hot.
        encoded: whether an encoder of real images gives the latents in training: then it remembers how they are spread.
    """

    def __init__(
        self, *, mask_channels: int, channels: int, height: int, width: int, latent_size: int, features: int, cap: int,
        levels: int, smoothing: float = 0.0, displacement: float = 0.0, encoded: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.smoothing, self.displacement, self.encoded = smoothing, displacement, encoded
        seen = mask_channels + 2  # the mask, the field of view, noise
        sizes = widths(features, levels + 1, cap)
        self.stem = nn.Conv2d(4 * seen + 3, sizes[0], 3, padding=1)
        self.down = nn.ModuleList(
            nn.Sequential(nn.LeakyReLU(0.2), nn.Conv2d(before, after, 4, 2, 1), norm_layer("instance", after))
            for before, after in pairwise(sizes)
        )
        self.noisy = sizes[-2::-1]  # channels that noise is added to, coarse to fine
        self.up = nn.ModuleList(
            _ModulatedBlock(before, after, latent_size) for before, after in zip(sizes[:0:-1], self.noisy, strict=True)
        )
        self.expand = nn.Conv2d(sizes[0], 4 * 8, 3, padding=1)
        self.shuffle = ShuffleUp()
        self.refine = nn.Conv2d(8 + seen + 3, 12, 3, padding=1)
        self.edges = nn.Conv2d(seen, 12, 5, padding=2)
        self.to_image = nn.Conv2d(12 + seen, channels, 5, padding=2)
        self.mean_field: Tensor
        self.mean_latent: Tensor
        self.mean_square_latent: Tensor  # of every pair of latents
        self.register_buffer("mean_field", torch.ones(1, 1, height, width))
        self.register_buffer("mean_latent", torch.zeros(latent_size))
        self.register_buffer("mean_square_latent", torch.eye(latent_size))
        kaiming_initialisation(self)
        with torch.no_grad():
            # The four pixels of a shuffle begin alike, else a grid is born with them (Aitken 2017).
            self.expand.weight.copy_(self.expand.weight[:8].repeat_interleave(4, dim=0))
            self.to_image.weight.mul_(0.3)  # begin in the middle of tanh
            self.edges.weight.zero_()
            for layer in self.modules():
                if isinstance(layer, _ModulatedBlock):
                    nn.init.normal_(layer.modulate.weight, 0.0, 0.1)

    def forward(self, one_hot: OneHot, latents: Latent, fields_of_view: LabelMap | None = None) -> Image:
        """Make one image a mask and latent, in the given fields of view or in the usual one."""
        seen = (
            self.usual_field.expand(len(one_hot), -1, -1, -1)
            if fields_of_view is None
            else fields_of_view[:, None].to(one_hot)
        )
        draws = ImageDraws(latents)
        displacement = 0.0 if self.training else self.displacement
        one_hot = displace(gaussian_blur(one_hot, self.smoothing), displacement, draws)
        height, width = one_hot.shape[-2:]
        halvings = range(len(self.noisy), 0, -1)
        levels = [(num, height >> by, width >> by) for num, by in zip(self.noisy, halvings, strict=True)]
        plane, *noise = (each.to(one_hot) for each in draws.normals([(1, height, width), *levels]))
        one_hot = torch.cat([one_hot, seen, plane], dim=1)
        halved = functional.pixel_unshuffle(one_hot, 2)  # [N 4(P+2) H/2 W/2]
        features = self.stem(torch.cat([halved, _round_coordinates(halved)], dim=1))
        skips = [features]
        for block in self.down:
            features = block(features)
            skips.append(features)
        features = functional.leaky_relu(skips.pop(), 0.2)
        for block, added in zip(self.up, noise, strict=True):
            features = block(features, skips.pop(), latents, added)
        features = functional.leaky_relu(self.shuffle(self.expand(features)), 0.2)  # [N 8 H W]
        features = self.refine(torch.cat([features, one_hot, _round_coordinates(one_hot)], dim=1))
        features = functional.leaky_relu(features, 0.2) * (1 + self.edges(one_hot))
        return torch.tanh(self.to_image(torch.cat([features, one_hot], dim=1)))

    @property
    def usual_field(self) -> OneHot:
        """[1 1 H W] of {0, 1}: where most of the images that were learned from show something."""
        return (self.mean_field > 0.5).to(self.mean_field)

    def usual_latents(self, normal: Latent) -> Latent:
        """Standard normal numbers, with the mean and the covariance of the latents of real images."""
        if not self.encoded:
            return normal
        covariance = self.mean_square_latent - torch.outer(self.mean_latent, self.mean_latent)
        jitter = 1e-4 * torch.eye(len(covariance), device=covariance.device)
        return self.mean_latent + normal @ torch.linalg.cholesky_ex(covariance + jitter).L.T

    @torch.no_grad()
    def remember(
        self, fields_of_view: LabelMap, mean: Latent | None = None, log_variance: Latent | None = None
    ) -> None:
        """Let the usual field and latents follow those of a training batch."""
        self.mean_field.lerp_(fields_of_view.float().mean(0)[None, None], _MEMORY)
        if mean is not None and log_variance is not None:
            self.mean_latent.lerp_(mean.mean(0), _MEMORY)
            squares = mean[:, :, None] * mean[:, None] + torch.diag_embed(log_variance.exp())
            self.mean_square_latent.lerp_(squares.mean(0), _MEMORY)


class _ModulatedBlock(nn.Module):
    """Up, join the skip, convolve, normalise, scale and shift by the latents, add noise."""

    def __init__(self, before: int, after: int, latent_size: int) -> None:
        super().__init__()
        self.resize = Upsample()
        self.convolve = nn.Conv2d(before + after, after, 3, padding=1)
        self.normalise = norm_layer("instance", after)
        self.modulate = nn.Linear(latent_size, 2 * after)
        self.noise_strength = nn.Parameter(torch.full((after, 1, 1), 0.2))

    def forward(self, features: Tensor, skip: Tensor, latents: Latent, noise: Tensor) -> Tensor:
        joined = torch.cat([self.resize(features), skip], dim=1)
        scale, shift = self.modulate(latents)[:, :, None, None].chunk(2, dim=1)
        features = self.normalise(self.convolve(joined)) * (1 + scale) + shift
        features = features + self.noise_strength * noise
        return functional.leaky_relu(features, 0.2)


class LatentEncoder(nn.Module):
    """Image [N C H W] -> mean and logarithm of the variance of the latents that it may have been made with, [N Z] each.

    It learns beside a generator that is given its latents (Zhu et al. 2017), and is no part of the model.
    """

    def __init__(self, *, channels: int, latent_size: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise((2 * channels, 24, 48, 64)):
            layers += [nn.Conv2d(before, after, 4, 2, 1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * (_ENCODED_SIDE // 8) ** 2, 2 * latent_size))
        kaiming_initialisation(self)

    def forward(self, images: Image) -> tuple[Latent, Latent]:
        """Mean and logarithm of the variance."""
        detail = (images - functional.avg_pool2d(images, 9, 1, 4, count_include_pad=False)).abs()
        seen = torch.cat([images, 4 * detail], dim=1)
        encoded = self.layers(functional.adaptive_avg_pool2d(seen, _ENCODED_SIDE))
        mean, log_variance = encoded.float().chunk(2, dim=1)  # whatever the precision of the layers
        return mean, log_variance.clamp(-8, 2)


def _round_coordinates(features: Tensor) -> Tensor:
    """Rows, columns and the squared distance from the centre: the edge of a round field is a threshold of it."""
    plane = coordinates(features)
    return torch.cat([plane, 2 * plane.square().sum(1, keepdim=True) - 1], dim=1)
