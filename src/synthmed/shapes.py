"""The vocabulary of tensors: axes, ranges, units. Every border between modules speaks it.

Annotations are checked at run time in the tests only (``tests/conftest.py``).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

Image = Float[Tensor, "batch channel height width"]
"""Pixels in [-1, 1]: -1 is the lowest stored value of the data set, 1 the highest."""

LabelMap = UInt8[Tensor, "batch height width"]
"""One integer label a pixel, 0 is background; a binary mask is a label map with labels 0 and 1."""

Planes = Float[Tensor, "batch plane height width"]
"""A label map as one plane in [0, 1] per foreground label (a binary mask has one plane)."""

Latent = Float[Tensor, "batch latent"]
"""Standard normal numbers; one row makes one image."""

Logits = Float[Tensor, "batch *patches"]
"""Unbounded scores of a discriminator: above 0 it believes the image is real."""

PerSample = Float[Tensor, "batch"]
"""One value of a loss an image."""


@dataclass(frozen=True, kw_only=True)
class ImageSpec:
    """What a network must know of the images it makes; part of every model file.

    Args:
        channels: number of image channels.
        height: rows.
        width: columns.
        num_labels: labels of the masks, background included (2 = binary mask, 1 = no masks).
    """

    channels: int
    height: int
    width: int
    num_labels: int = 2

    @property
    def planes(self) -> int:
        """Number of foreground planes of a mask."""
        return self.num_labels - 1


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one training step sees; all tensors on one device.

    Args:
        images: Image [-1, 1].
        masks: LabelMap.
        fields: LabelMap of {0, 1}: 1 where the camera saw something (field of view).
        generator: source of all randomness of the step, on the CPU so that every device draws the same.
    """

    images: Image
    masks: LabelMap
    fields: LabelMap
    generator: torch.Generator

    def __len__(self) -> int:
        return self.images.shape[0]

    @property
    def device(self) -> torch.device:
        """The device of the tensors."""
        return self.images.device

    def latents(self, size: int, num: int | None = None) -> Latent:
        """Draw fresh latents, [num size], from the step's generator; as many as there are images if not said."""
        return torch.randn(len(self) if num is None else num, size, generator=self.generator).to(self.device)

    def single(self, index: int) -> "Batch":
        """The batch of one of its images."""
        part = slice(index, index + 1)
        return Batch(images=self.images[part], masks=self.masks[part], fields=self.fields[part],
                     generator=self.generator)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """What a generator makes: images, and the label maps that belong to them.

    A method without masks leaves ``masks`` with zero planes of height 0.
    """

    images: Image
    masks: LabelMap

    @property
    def has_masks(self) -> bool:
        """Whether the images come with masks."""
        return self.masks.shape[-1] > 0


def no_masks(batch: int) -> LabelMap:
    """The masks of images that have none: an empty [batch 0 0] tensor."""
    return torch.zeros(batch, 0, 0, dtype=torch.uint8)


def to_planes(masks: LabelMap, num_labels: int) -> Planes:
    """Split a label map [N H W] into foreground planes [N K-1 H W] of {0, 1}."""
    labels = torch.arange(1, num_labels, device=masks.device, dtype=masks.dtype)
    return (masks[:, None] == labels[None, :, None, None]).float()


def from_planes(planes: Planes) -> LabelMap:
    """The label map of planes in [0, 1]: the largest plane where it reaches 0.5, else background."""
    value, index = planes.max(dim=1)
    return torch.where(value >= 0.5, index + 1, torch.zeros_like(index)).to(torch.uint8)
