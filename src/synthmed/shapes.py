"""The vocabulary of tensors: axes, ranges, units. Every border between modules speaks it.

Annotations are checked at run time in the tests only (``tests/conftest.py``). ``*depth`` stands for no axis or one
more: planar images and volumes are the same types.
"""

from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from typing import Literal, TypeVar

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from synthmed.draws import Draws

Image = Float[Tensor, "batch channel *depth height width"]
"""Pixels in [-1, 1]: -1 is the lowest stored value of the data set, 1 the highest."""

LabelMap = UInt8[Tensor, "batch *depth height width"]
"""One integer label a pixel, 0 is background; a binary mask is a label map with labels 0 and 1."""

OneHot = Float[Tensor, "batch label *depth height width"]
"""A label map as one channel in [0, 1] per foreground label (a binary mask has one)."""

Labels = Int64[Tensor, "batch"]
"""The class of each image: its place in ``ImageSpec.classes``."""

Latent = Float[Tensor, "batch *latent"]
"""Standard normal numbers; one row makes one image."""

Logits = Float[Tensor, "batch *patches"]
"""Unbounded scores of a discriminator: above 0 it believes the image is real."""

PerSample = Float[Tensor, "batch"]
"""One value of a loss an image."""

Input = Literal["masks", "images", "labels", "styles"]
"""What an image may be made under beside its latents; the fields of ``Given``."""

Rows = int | slice | list[int] | Tensor


@dataclass(frozen=True, kw_only=True)
class ImageSpec:
    """What a network must know of the images it makes; part of every model file.

    Args:
        channels: number of image channels.
        size: pixels along each axis, columns last: (height, width), or (depth, height, width).
        num_labels: labels of the masks, background included (2 = binary mask, 1 = no masks).
        classes: names of the classes of whole images; () = the images have none.
        channel_names: of each channel; () = not said.
    """

    channels: int
    size: tuple[int, ...]
    num_labels: int = 2
    classes: tuple[str, ...] = ()
    channel_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("size", "classes", "channel_names"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # JSON gives lists

    @property
    def height(self) -> int:
        """Rows."""
        return self.size[-2]

    @property
    def width(self) -> int:
        """Columns."""
        return self.size[-1]

    @property
    def num_foreground(self) -> int:
        """Labels of the masks without the background: channels of a one-hot mask."""
        return self.num_labels - 1


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Images, and the label maps that belong to them, where there are any.

    Args:
        images: Image [-1, 1].
        masks: LabelMap of the same size, or None.
    """

    images: Image
    masks: LabelMap | None = None

    def __len__(self) -> int:
        return self.images.shape[0]

    def __getitem__(self, rows: Rows) -> "Pairs":
        """Some of the pairs; of a single row the batch of one."""
        return _chosen(self, rows)

    def to(self, device: torch.device | str) -> "Pairs":
        """The same on another device."""
        return _moved(self, device)


@dataclass(frozen=True, kw_only=True)
class Given:
    """What images are made under, a row an image; None where it is not given.

    Args:
        masks: the shapes that they are to have.
        images: real images that something is taken from, such as edges, or that are to be encoded.
        labels: their classes.
        styles: images whose texture they are to have, each with its own label map.
        style_weights: [N K] how much of the texture of each label is the style's, 0 to 1; None = all of it.
    """

    masks: LabelMap | None = None
    images: Image | None = None
    labels: Labels | None = None
    styles: Pairs | None = None
    style_weights: Float[Tensor, "batch labels"] | None = None

    def __getitem__(self, rows: Rows) -> "Given":
        """What some of the images are made under; of a single row the batch of one."""
        return _chosen(self, rows)

    def to(self, device: torch.device | str) -> "Given":
        """The same on another device."""
        return _moved(self, device)

    @property
    def names(self) -> frozenset[Input]:
        """What is given; weights are part of the styles."""
        found = {field.name for field in fields(self) if getattr(self, field.name) is not None}
        return frozenset(found - {"style_weights"})  # type: ignore[arg-type]

    def only(self, names: Collection[Input]) -> "Given":
        """Of what is given the named part."""
        kept = self if "styles" in names else replace(self, style_weights=None)
        return replace(kept, **{name: None for name in self.names - set(names)})


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one training step sees; all tensors on one device.

    Args:
        images: Image [-1, 1].
        given: what each of them could have been made under: its own mask and class, another's style.
        fields_of_view: LabelMap of {0, 1}: 1 where the camera saw something.
        rows: of the training images, as the stage numbers them; () where nobody asks.
        draws: source of all randomness of the step.
    """

    images: Image
    given: Given
    fields_of_view: LabelMap
    rows: tuple[int, ...] = ()
    draws: Draws

    def __len__(self) -> int:
        return self.images.shape[0]

    def __getitem__(self, rows: slice) -> "Batch":
        """The batch of some of its images, with the same source of randomness."""
        return replace(self, images=self.images[rows], given=self.given[rows],
                       fields_of_view=self.fields_of_view[rows], rows=self.rows[rows])  # fmt: skip

    @property
    def device(self) -> torch.device:
        """The device of the tensors."""
        return self.images.device

    @property
    def masks(self) -> LabelMap:
        """The masks of the images, for a stage that asked for some."""
        assert self.given.masks is not None, "the stage names no mask_sources, or its batch has no masks"
        return self.given.masks

    def latents(self, shape: tuple[int, ...], num: int | None = None) -> Latent:
        """Draw fresh latents, [num *shape]; as many as there are images if not said."""
        return self.draws.normal(len(self) if num is None else num, *shape)


def to_one_hot(masks: LabelMap, num_labels: int) -> OneHot:
    """Split a label map [N H W] into its foreground labels, [N K-1 H W] of {0, 1}."""
    labels = torch.arange(1, num_labels, device=masks.device, dtype=masks.dtype)
    return (masks[:, None] == labels.view(1, -1, *[1] * (masks.dim() - 1))).float()


def from_one_hot(one_hot: OneHot) -> LabelMap:
    """The label map of channels in [0, 1]: the largest where it reaches 0.5, else background."""
    value, index = one_hot.max(dim=1)
    return torch.where(value >= 0.5, index + 1, torch.zeros_like(index)).to(torch.uint8)


_Group = TypeVar("_Group", Pairs, Given)


def _chosen(group: _Group, rows: Rows) -> _Group:
    rows = slice(rows, rows + 1 or None) if isinstance(rows, int) else rows
    found = {field.name: getattr(group, field.name) for field in fields(group)}
    return replace(group, **{name: value[rows] for name, value in found.items() if value is not None})


def _moved(group: _Group, device: torch.device | str) -> _Group:
    found = {field.name: getattr(group, field.name) for field in fields(group)}
    return replace(group, **{name: value.to(device) for name, value in found.items() if value is not None})
