"""Making few images go further: one function draws, another applies what was drawn.

``warp`` moves image, mask and field of view together, for the training data (S4 has 20 pairs).
``differentiable`` changes what a discriminator sees, real and fake alike, and lets the gradient through
(Zhao et al. 2020), so that the generator never learns the change itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from synthmed.config import Settings
from synthmed.draws import Draws
from synthmed.shapes import Batch, Image, OneHot

_COARSE = 33
"""Side of the grid on which smooth displacements are drawn out before they are brought to full size."""

Change = Literal["colour", "translation", "cutout"]


class Warp(Settings):
    """How far image and mask may be moved together."""

    flip_horizontal: bool = Field(False, description="Whether half of the images are mirrored left to right.")
    flip_vertical: bool = Field(False, description="Whether half of the images are mirrored top to bottom.")
    rotation: float = Field(0.0, ge=0, le=180, description="Largest rotation in degrees, either way.")
    scale: float = Field(0.0, ge=0, lt=1, description="Largest relative change of size, either way.")
    elastic: float = Field(
        0.0,
        ge=0,
        le=0.2,
        description="Standard deviation of the smooth displacement, as a share of the side.",
    )

    @property
    def moves(self) -> bool:
        """Whether it does anything at all."""
        return any((self.flip_horizontal, self.flip_vertical, self.rotation, self.scale, self.elastic))


@dataclass(frozen=True, kw_only=True)
class DrawnWarp:
    """What was drawn for one batch: affine maps of output to input coordinates, and coarse displacements."""

    affine: Float[Tensor, "batch 2 3"]
    displacement: Float[Tensor, "batch 2 coarse coarse"]


def draw_warp(config: Warp, batch: int, draws: Draws) -> DrawnWarp:
    """Draw one warp per image, on the device of the draws."""
    # All are drawn, also what is not used: one setting never shifts another's draws.
    turn, size, flip_x, flip_y = (draws.uniform(4, batch) * 2 - 1).unbind()
    angle = turn * config.rotation * torch.pi / 180
    zoom = 1 + size * config.scale
    mirror_x = flip_x.sign() if config.flip_horizontal else torch.ones_like(flip_x)
    mirror_y = flip_y.sign() if config.flip_vertical else torch.ones_like(flip_y)
    cosine, sine, zero = angle.cos() * zoom, angle.sin() * zoom, torch.zeros_like(zoom)
    affine = torch.stack(
        [
            torch.stack([cosine * mirror_x, -sine * mirror_y, zero], dim=1),
            torch.stack([sine * mirror_x, cosine * mirror_y, zero], dim=1),
        ],
        dim=1,
    )
    # Coordinates run from -1 to 1, so a share of the side counts twice.
    displacement = draws.normal(batch, 2, 5, 5) * 2 * config.elastic
    return DrawnWarp(affine=affine, displacement=displacement)


def apply_warp(batch: Batch, drawn: DrawnWarp) -> Batch:
    """Move images (bicubic: thin vessels stay sharp), masks and fields of view (nearest neighbour) by the same warp.

    The displacement fades out towards the border of the field of view: a free warp bends its round edge.
    """
    height, width = batch.fields_of_view.shape[-2:]
    grid = functional.affine_grid(drawn.affine, [len(batch), 1, height, width], align_corners=False)
    smooth = functional.interpolate(drawn.displacement, (_COARSE, _COARSE), mode="bicubic", align_corners=True)
    bend = smooth * _depth(batch.fields_of_view)
    bend = functional.interpolate(bend, (height, width), mode="bilinear", align_corners=True)
    grid = grid + bend.permute(0, 2, 3, 1)
    images = batch.images
    if images.shape[1]:
        images = functional.grid_sample(images + 1, grid, mode="bicubic", align_corners=False).clamp(0, 2) - 1
    masks = batch.given.masks
    maps = [batch.fields_of_view] if masks is None else [batch.fields_of_view, masks]
    labels = torch.stack(maps, dim=1).float()
    moved = functional.grid_sample(labels, grid, mode="nearest", align_corners=False).to(torch.uint8)
    given = batch.given if masks is None else replace(batch.given, masks=moved[:, 1])
    return replace(batch, images=images, fields_of_view=moved[:, 0], given=given)


def warp(batch: Batch, config: Warp) -> Batch:
    """Draw and apply; the batch itself where the configuration moves nothing."""
    if not config.moves:
        return batch
    return apply_warp(batch, draw_warp(config, len(batch), batch.draws))


def differentiable(images: Image, changes: Iterable[Change], draws: Draws, *, outside: float = -1.0) -> Image:
    """Apply the named changes with freshly drawn strengths, one draw an image (Zhao et al. 2020, section 3.2).

    Works on any number of channels; a mask is stacked to the image so that both are moved alike. For
    "colour" the stack must hold images only. What a translation brings in has the value ``outside``: black.
    """
    for change in changes:
        match change:
            case "colour":
                images = _colour(images, draws)
            case "translation":
                images = _translate(images, draws, outside)
            case "cutout":
                images = _cut_out(images, draws)
    return images


def stacked(
    images: Image, one_hot: OneHot, changes: Iterable[Change], draws: Draws
) -> Float[Tensor, "batch channels height width"]:
    """An image and, as further channels in [-1, 1], its mask: colours change the image, moves both alike."""
    changes = tuple(changes)
    images = differentiable(images, [change for change in changes if change == "colour"], draws)
    stack = torch.cat([images, one_hot * 2 - 1], dim=1)
    return differentiable(stack, [change for change in changes if change != "colour"], draws)


def _depth(fields_of_view: Tensor) -> Tensor:
    """1 deep inside the field of view, falling to 0 at its border and beyond: [N 1 coarse coarse]."""
    coarse = functional.interpolate(fields_of_view[:, None].float(), (_COARSE - 2, _COARSE - 2), mode="area")
    coarse = functional.pad(coarse, (1, 1, 1, 1))
    for _ in range(3):
        coarse = functional.avg_pool2d(coarse, 3, 1, 1)
    return ((coarse - 0.6) / 0.4).clamp(0, 1)


def _colour(images: Image, draws: Draws) -> Image:
    brightness, saturation, contrast = draws.uniform(3, len(images), 1, 1, 1)
    images = images + (brightness - 0.5)
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * 2 * saturation
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + (images - mean) * (0.5 + contrast)


def _translate(images: Image, draws: Draws, outside: float, share: float = 0.125) -> Image:
    batch, _, height, width = images.shape
    rows, columns = (
        torch.arange(side, device=draws.device)[None] + draws.integers(2 * reach + 1, batch, 1) - reach
        for side, reach in ((height, round(height * share)), (width, round(width * share)))
    )  # [N H], [N W]
    seen = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None]
    rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    first = torch.arange(batch, device=draws.device)[:, None, None]
    moved = images.permute(0, 2, 3, 1)[first, rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2)
    return (moved - outside) * seen[:, None].to(images) + outside


def _cut_out(images: Image, draws: Draws, share: float = 0.5) -> Image:
    batch, _, height, width = images.shape
    rows, columns = (
        (torch.arange(side, device=draws.device)[None] - draws.uniform(batch, 1) * side).abs() < side * share / 2
        for side in (height, width)
    )
    hole = (rows[:, :, None] & columns[:, None])[:, None]
    return (images + 1) * (~hole).to(images) - 1
