"""Texture and content of images organ by organ, from feature maps and label maps.

The Gram matrix of feature maps is the texture of an image wherever it lies (Gatys et al. 2016); taken within one organ
alone it is the texture of that organ (Krishna and Mueller 2019, S3). The paper multiplies pixels by masks; here the
feature maps are weighted by how much of each cell the organ covers, and every matrix is divided by the organ's own
area, so that a small organ counts as much as a large one. All organs are one batched product of matrices.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from synthmed.shapes import Image, PerSample

Shares = Float[Tensor, "batch organs height width"]
"""How much of each pixel an organ covers, 0 to 1."""

LEAST = 1.0
"""Cells of a feature map that an organ must cover, or it has no texture in this map."""


def reduced(shares: Shares, size: Sequence[int]) -> Shares:
    """The covered part of each cell of a smaller grid."""
    return functional.adaptive_avg_pool2d(shares, (size[0], size[1]))


def organ_grams(maps: Tensor, shares: Shares) -> tuple[Tensor, Tensor]:
    """Gram matrices within each organ.

    Args:
        maps: [N C h w], features.
        shares: [N K H W] of any size that is not smaller.

    Returns:
        Matrices [N K C C], means over the organ's area; area [N K] in cells.
    """
    weights = reduced(shares, maps.shape[2:]).to(maps).flatten(2)  # [N K P]
    flat = maps.flatten(2)  # [N C P]
    count, organs, channels = len(maps), weights.shape[1], maps.shape[1]
    weighted = (weights[:, :, None] * flat[:, None]).flatten(1, 2)  # [N KC P]
    grams = torch.bmm(weighted, flat.transpose(1, 2)).view(count, organs, channels, channels)
    area = weights.sum(2)
    return grams / area.clamp_min(LEAST)[:, :, None, None], area


def style_distance(
    maps: Sequence[Tensor], shares: Shares, style_maps: Sequence[Tensor], style_shares: Shares
) -> Float[Tensor, "batch organs"]:
    """How unlike the textures of each organ are in two images whose organs lie elsewhere.

    The squared difference of Gram matrices as a part of the squared matrices themselves, mean over the layers in which
    both have the organ: 0 = the same, 2 = nothing in common. 0 where an organ is in no layer of both.

    Args:
        maps: of each layer, [N C h w], of the images that are judged.
        shares: [N K H W] of their organs.
        style_maps: of the images whose texture they should have.
        style_shares: of their organs.
    """
    total, layers = (
        torch.zeros(shares.shape[:2], device=shares.device),
        torch.zeros(shares.shape[:2], device=shares.device),
    )
    for one, other in zip(maps, style_maps, strict=True):
        (grams, area), (wanted, wanted_area) = organ_grams(one, shares), organ_grams(other, style_shares)
        apart = (grams - wanted).square().sum((2, 3))
        size = (grams.detach().square() + wanted.square()).sum((2, 3)) / 2
        both = ((area >= LEAST) & (wanted_area >= LEAST)).to(total)
        total = total + both * apart.float() / size.float().clamp_min(1e-8)
        layers = layers + both
    return total / layers.clamp_min(1)


def content_distance(maps: Tensor, wanted: Tensor, shares: Shares) -> Float[Tensor, "batch organs"]:
    """The mean squared difference of features within each organ, as a part of the wanted features' mean square."""
    weights = reduced(shares, maps.shape[2:]).to(maps)
    area = weights.sum((2, 3)).clamp_min(LEAST)
    apart, size = (one.square().mean(1, keepdim=True) for one in (maps - wanted, wanted))
    within = lambda plane: (weights * plane).sum((2, 3)) / area  # noqa: E731
    return within(apart).float() / within(size).float().clamp_min(1e-8)


def organ_levels(images: Image, shares: Shares) -> Float[Tensor, "batch organs channels"]:
    """The mean intensity of each organ in each channel, 0 where there is none of it."""
    area = shares.sum((2, 3)).clamp_min(LEAST)
    return torch.einsum("nkhw,nchw->nkc", shares, images) / area[..., None]


def over_organs(distances: Float[Tensor, "batch organs"], shares: Shares) -> PerSample:
    """The mean over the organs that an image has."""
    there = (shares.sum((2, 3)) >= LEAST).to(distances)
    return (there * distances).sum(1) / there.sum(1).clamp_min(1)


def total_variation(images: Image) -> PerSample:
    """The mean squared difference of neighbouring pixels."""
    down = (images[:, :, 1:] - images[:, :, :-1]).square().mean((1, 2, 3))
    return down + (images[..., 1:] - images[..., :-1]).square().mean((1, 2, 3))
