"""How unlike two images under one mask are as collections of patches.

The sliced Wasserstein distance of small patches (Elnekave and Weiss 2022; Rabin et al. 2011): project the patches of
both images on random directions, sort, compare. A pixel error rewards the mean of all photographs that a mask may
have, which is smooth and faint; this distance is smallest where texture and contrast are spread as in the real one.
Each projection also sees the mask, so that it is a vessel's pixels that are compared with a vessel's; and all
patches of a draw come from one neighbourhood, so that what is compared lies in the same light: vessels are faint at
the border of a retina and dark in its middle, and a distance that mixes both teaches their mean.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from synthmed.draws import Draws
from synthmed.running.devices import full_precision
from synthmed.shapes import Image, LabelMap, OneHot, PerSample

SCALES = ((1, 3, 3000), (1, 7, 3000), (2, 5, 2000), (4, 5, 1000))
"""Reduction of the images, side of the patches, most patches an image: from grain to the width of a wide vessel."""
NEIGHBOURHOOD = 0.2
"""Radius of the neighbourhood that the patches of a scale are drawn from, as a share of the sides."""
DIRECTIONS = 48
"""Random projections a scale; every step draws new ones."""


@dataclass(frozen=True, kw_only=True)
class DrawnPatches:
    """What was drawn for one batch at one scale.

    Args:
        positions: of the patches, as indices of flattened pixels.
        image_directions: what patches of the images are projected on.
        mask_directions: what patches of the mask are projected on.
        mask_weights: [K], how much each projection looks at the mask, beside an image's share of 1.
    """

    positions: Int[Tensor, "batch patches"]
    image_directions: Float[Tensor, "channels pixels directions"]
    mask_directions: Float[Tensor, "one_hot pixels directions"]
    mask_weights: Tensor


def patch_distance(
    output: Image, target: Image, one_hot: OneHot, fields_of_view: LabelMap, draws: Draws, *,
    together: bool = False,
) -> PerSample:  # fmt: skip
    """Mean over scales of the sliced Wasserstein distances of each output to its target.

    Args:
        output: what was made.
        target: the real images, under the same mask.
        one_hot: what both were made under, a one-hot mask.
        fields_of_view: where something is seen; patches from elsewhere are not compared.
        draws: source of positions and directions.
        together: whether all outputs are one collection and all targets another, of as many patches as one image has
            else: then no output has to be like its own target, only all of them like all.

    Returns:
        One value an image, in standard deviations of the target's projections; 0 for equal collections. One value in
        all if ``together``.
    """
    total = torch.zeros(1 if together else len(output), device=output.device)
    images = [image.float() for image in (output, target, one_hot, fields_of_view[:, None])]
    with full_precision(output.device):  # in 8 bits, patches of one light could not be told apart
        for reduction, side, number in SCALES:
            made, real, mask, seen = (functional.avg_pool2d(image, reduction) for image in images)
            number = min(number, real[0, 0].numel() // 4)  # a small image has few patches
            number = max(number // len(output), 1) if together else number
            drawn = draw_patches(real, mask, seen, side=side, number=number, draws=draws)
            total = total + sorted_difference(made, real, mask, side, drawn, together=together)
    return total / len(SCALES)


def draw_patches(
    target: Image, one_hot: OneHot, fields_of_view: Float[Tensor, "batch 1 height width"], *, side: int, number: int,
    draws: Draws,
) -> DrawnPatches:  # fmt: skip
    """Draw positions in one neighbourhood an image, half of them near the mask's foreground, and directions."""
    around = _neighbourhoods(target, draws)
    near = functional.max_pool2d(one_hot.amax(1, keepdim=True), 3, 1, 1).flatten(1)
    seen = functional.max_pool2d(fields_of_view, side, 1, side // 2).flatten(1)  # patches that touch the field
    inside = [part * around for part in (near, seen)]
    shares = [part / part.sum(1, keepdim=True).clamp_min(1e-6) for part in inside]
    chances = shares[0] + shares[1] + 1e-9
    pixels = side * side
    image_directions = draws.normal(target.shape[1], pixels, DIRECTIONS)
    image_directions *= draws.uniform(target.shape[1], 1, DIRECTIONS)
    # Most directions ignore the mean of a patch: it varies so much more than the texture that it would hide it.
    without_mean = draws.uniform(DIRECTIONS) < 0.8
    image_directions -= image_directions.mean(1, keepdim=True) * without_mean
    return DrawnPatches(
        positions=_drawn_with(chances, draws.uniform(len(target), number)),
        image_directions=image_directions,
        mask_directions=draws.normal(one_hot.shape[1], pixels, DIRECTIONS),
        mask_weights=1.5 * draws.integers(3, DIRECTIONS),
    )


def _drawn_with(chances: Float[Tensor, "batch pixels"], places: Float[Tensor, "batch patches"]) -> Tensor:
    """Indices drawn with the given chances, with replacement: where uniform numbers fall in their running sum."""
    sums = chances.cumsum(1)
    return torch.searchsorted(sums, places * sums[:, -1:]).clamp_(max=chances.shape[1] - 1)


def sorted_difference(
    output: Image, target: Image, one_hot: OneHot, side: int, drawn: DrawnPatches, *, together: bool = False
) -> PerSample:
    """The one-dimensional Wasserstein distances along the drawn directions, their mean an image (or in all)."""
    made, real, mask = (
        _projections(image, side, drawn.positions, directions)
        for image, directions in (
            (output, drawn.image_directions), (target, drawn.image_directions), (one_hot, drawn.mask_directions)
        )
    )  # [N K M]  # fmt: skip
    if together:
        made, real, mask = (one.transpose(0, 1).flatten(1)[None] for one in (made, real, mask))  # [1 K NM]
    spread = real.std(2, keepdim=True) + 1e-3
    mask = mask / (mask.std(2, keepdim=True) + 1e-3) * drawn.mask_weights[:, None]
    difference = (made / spread + mask).sort(2)[0] - (real / spread + mask).sort(2)[0]
    return difference.abs().mean((1, 2))


def _neighbourhoods(images: Image, draws: Draws) -> Float[Tensor, "batch pixels"]:
    """1 within a random ellipse of each image, and next to 0 elsewhere: nowhere may be all that is left."""
    batch, _, height, width = images.shape
    rows, columns = ((torch.arange(side, device=images.device) + 0.5) / side for side in (height, width))
    centre = 0.1 + 0.8 * draws.uniform(batch, 2, 1, 1)
    distance = ((rows[:, None] - centre[:, 0]).square() + (columns - centre[:, 1]).square()).sqrt()
    return ((distance < NEIGHBOURHOOD).float() + 1e-6).flatten(1)


def _projections(image: Image, side: int, positions: Tensor, directions: Tensor) -> Float[Tensor, "batch k m"]:
    """Patches of an odd side around the positions [N M], projected on [C P K]."""
    batch, channels, _, width = image.shape
    reach = side // 2
    padded = functional.pad(image, (reach,) * 4, mode="replicate").flatten(2)  # [N C (H+2r)(W+2r)]
    rows, columns = positions // width, positions % width
    offsets = torch.arange(side, device=image.device)
    offsets = (offsets[:, None] * (width + 2 * reach) + offsets).flatten()
    places = (rows * (width + 2 * reach) + columns)[:, :, None] + offsets  # [N M P]
    patches = padded.gather(2, places.flatten(1)[:, None].expand(-1, channels, -1))
    return torch.einsum("ncmp,cpk->nkm", patches.view(batch, channels, -1, side * side), directions)
