"""What the audit looks at of each image: small versions that a shift or a re-compression leaves alike.

Everything is computed once an image: a reduced image for comparison pixel by pixel, patches around its most
conspicuous points, features in every orientation, and its label map as reduced planes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from synthmed.evaluation.features._contract import Extractor
from synthmed.evaluation.features.channels import channel_views
from synthmed.evaluation.features.images import Images, chunks, image_features
from synthmed.evaluation.features.reduction import area, gaussian, reduced, shares, smooth
from synthmed.running.progress import Progress, silence

SMALL_SIDE, PATCH_SIDE = 64, 128
"""Longest side, in pixels, at which whole images are compared, and patches and bent images."""
PATCH = 13
"""Side of a patch; odd, so that its centre stays when it is turned."""
POINTS = 32
"""Conspicuous points an image."""


@dataclass(frozen=True, kw_only=True)
class Views:
    """What the audit keeps of N images.

    Args:
        patients: [N] the patient of each; synthetic images are each on their own.
        small: [N C h w] reduced images.
        fine: [N 1 H W] grey images, less reduced.
        wide: [N P 17 17] patches around conspicuous points, [row column] of which in ``points`` at ``PATCH_SIDE``, with
            a border of two pixels.
        points: [N P 2].
        features: [O N D], one set for each orientation that keeps the image's shape; the first as it is.
        planes: [N L h w] reduced planes of the label maps, or None.
    """

    patients: NDArray[np.intp]
    small: Tensor
    fine: Tensor
    wide: Tensor
    points: NDArray[np.intp]
    features: NDArray[np.float32]
    planes: Tensor | None

    def __len__(self) -> int:
        return len(self.patients)

    @property
    def patches(self) -> Tensor:
        """[N P 13 13], without their borders."""
        return self.wide[..., 2:-2, 2:-2]

    def of(self, patients: NDArray[np.intp]) -> "Views":
        """The same images with other numbers for their patients [N]."""
        return replace(self, patients=patients)

    def rows(self, chosen: NDArray[np.intp] | slice) -> "Views":
        """The views of some of the images; of a slice nothing is copied."""
        index = chosen if isinstance(chosen, slice) else torch.from_numpy(np.ascontiguousarray(chosen))
        return Views(
            patients=self.patients[chosen], small=self.small[index], fine=self.fine[index], wide=self.wide[index],
            points=self.points[chosen], features=self.features[:, chosen],
            planes=None if self.planes is None else self.planes[index],
        )  # fmt: skip


def orientations(height: int, width: int) -> tuple[int, ...]:
    """The turns and flips that keep an image's shape: all 8 of a square, 4 of any other.

    Orientation o is a mirroring from left to right if o is odd, then o // 2 quarter turns counter-clockwise.
    """
    return tuple(range(8)) if height == width else (0, 1, 4, 5)


def orient(images: Tensor, orientation: int) -> Tensor:
    """Mirror and turn images [... H W] as ``orientations`` numbers it."""
    mirrored = images.flip(-1) if orientation % 2 else images
    return torch.rot90(mirrored, orientation // 2, (-2, -1))


def moved(images: Tensor, places: Sequence[int]) -> Iterator[Tensor]:
    """Images [N C H W] moved by each pair of these numbers of pixels, down and to the right; their borders repeat."""
    reach, (height, width) = max(places), images.shape[-2:]
    padded = functional.pad(images, (reach,) * 4, mode="replicate")
    for down, right in product(places, places):
        yield padded[..., reach + down : reach + down + height, reach + right : reach + right + width]


def name_of(orientation: int) -> str:
    """An orientation in words."""
    turn = {0: "", 1: "turned by 90 degrees", 2: "turned by 180 degrees", 3: "turned by 270 degrees"}[orientation // 2]
    return " and ".join(word for word in ("mirrored" if orientation % 2 else "", turn) if word) or "as it is"


class Pictures(Images, Protocol):
    """Images that may have label maps."""

    def masks(self, indices: Sequence[int], /) -> NDArray[np.uint8]:
        """The label maps [n H W] of some of the images."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """How an audit looks at images.

    Args:
        extractor: makes the features of the feature space.
        channels: their names.
        seen: which of them the extractor sees; see ``evaluation/features/channels.py``.
        folder: of stored features; None = they are not kept.
        num_labels: of the label maps, background included; 0 = masks are not looked at.
    """

    extractor: Extractor
    channels: Sequence[str]
    seen: str = "auto"
    folder: Path | None = None
    num_labels: int = 0

    def at(
        self, images: Pictures, patients: Sequence[int] | NDArray[np.intp], key: dict[str, Any] | None = None,
        progress: Progress = silence,
    ) -> Views:  # fmt: skip
        """The views of a set, a few images at a time, so that memory stays flat.

        Args:
            images: the set.
            patients: one number an image.
            key: names the content of the set, so that its features are kept; None = they are not.
            progress: hears how far it is.
        """
        whole: dict[str, Tensor] = {}
        for done, stored in chunks(images):
            progress(done, len(images))
            pixels = shares(stored)
            wide, points = _conspicuous(reduced(pixels, PATCH_SIDE).mean(1, keepdim=True))
            parts = {"small": reduced(pixels, SMALL_SIDE), "wide": wide, "points": points,
                     "fine": area(pixels.mean(1, keepdim=True), PATCH_SIDE)}  # fmt: skip
            if self.num_labels:
                parts["planes"] = self.planes(images.masks(range(done, done + len(stored))))
            for name, part in parts.items():
                if name not in whole:
                    whole[name] = part.new_empty(len(images), *part.shape[1:])
                whole[name][done : done + len(stored)] = part
        return Views(
            patients=np.asarray(patients, np.intp), small=whole["small"], fine=whole["fine"], wide=whole["wide"],
            points=whole["points"].numpy().astype(np.intp), features=self.features(images, key, progress),
            planes=whole.get("planes"),
        )  # fmt: skip

    def planes(self, masks: NDArray[np.uint8]) -> Tensor:
        """The reduced planes [n L h w] of label maps [n H W]."""
        labels = np.arange(1, max(2, self.num_labels), dtype=np.uint8)
        return reduced(torch.from_numpy((masks[:, None] == labels[None, :, None, None]).astype(np.float32)), SMALL_SIDE)

    def features(self, images: Images, key: dict[str, Any] | None, progress: Progress) -> NDArray[np.float32]:
        """The features [O N D] in every orientation that keeps the images' shape."""
        known = orientations(*images.images([0]).shape[2:])
        found = image_features(
            images, key or {}, self.channels, _turned(self.extractor, known), channels=self.seen,
            folder=None if key is None else self.folder, progress=progress,
        )  # fmt: skip
        views = len(channel_views(self.seen, self.channels, self.extractor.planes))
        apart = found.reshape(len(found), views, len(known), -1)  # [N V O D]
        return np.ascontiguousarray(apart.transpose(2, 0, 1, 3).reshape(len(known), len(found), -1))


def _turned(extractor: Extractor, known: Sequence[int]) -> Extractor:
    """The extractor on an image in every orientation, one after the other."""

    def run(images: NDArray[np.integer]) -> NDArray[np.float32]:
        return np.concatenate([extractor.run(_orient_stored(images, one)) for one in known], 1)

    return replace(extractor, key={**extractor.key, "orientations": list(known)}, run=run)


def _orient_stored(stored: NDArray[np.integer], orientation: int) -> NDArray[np.integer]:
    mirrored = stored[..., ::-1] if orientation % 2 else stored
    return np.ascontiguousarray(np.rot90(mirrored, orientation // 2, (-2, -1)))


@dataclass(frozen=True, kw_only=True)
class InMemory:
    """Pictures that are in memory already: pixels [N C H W], and label maps [N H W] or None."""

    pixels: NDArray[np.integer]
    labels: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.pixels)

    def images(self, indices: Sequence[int], /) -> NDArray[np.integer]:
        """Some of the pixels."""
        return self.pixels[list(indices)]

    def masks(self, indices: Sequence[int], /) -> NDArray[np.uint8]:
        """Some of the label maps."""
        assert self.labels is not None, "masks are asked for only where there are some"
        return self.labels[list(indices)]


def _conspicuous(images: Tensor) -> tuple[Tensor, Tensor]:
    """Patches [N P 17 17] around the strongest blobs of grey images [N 1 H W], and their centres [N P 2].

    Extrema of a difference of Gaussians are found at the same places of a structure wherever it is pasted.
    """
    half = PATCH // 2 + 2
    images = functional.pad(images, (half, half, half, half), mode="replicate")
    blobs = (smooth(images, gaussian(1.5)) - smooth(images, gaussian(3.0))).abs()
    inside = torch.zeros_like(blobs)
    inside[..., half:-half, half:-half] = 1
    highest = functional.max_pool2d(functional.max_pool2d(blobs, (9, 1), 1, (4, 0)), (1, 9), 1, (0, 4))
    peaks = blobs * inside * (blobs == highest)
    width = images.shape[-1]
    place = peaks.flatten(1).topk(POINTS, dim=1).indices
    rows = (place // width).clamp(half, images.shape[-2] - half - 1)
    columns = (place % width).clamp(half, width - half - 1)
    steps = torch.arange(-half, half + 1)
    which = torch.arange(len(images))[:, None, None, None]
    patches = images[which, 0, (rows[..., None] + steps)[..., :, None], (columns[..., None] + steps)[..., None, :]]
    return patches, torch.stack([rows - half, columns - half], dim=-1)
