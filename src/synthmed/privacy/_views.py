"""What the audit looks at of each image: small versions that a shift or a re-compression leaves alike.

Everything is computed once an image: a reduced image for comparison pixel by pixel, patches around its most
conspicuous points, features in every orientation, and its label map as reduced planes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from synthmed.errors import DataError

Features = Callable[[NDArray[np.integer]], NDArray[np.floating]]
"""Stored pixels [N C H W], uint8 or uint16 -> features [N D]; the same image gives the same row in any batch."""

SMALL_SIDE, PATCH_SIDE = 64, 128
"""Longest side, in pixels, at which whole images and patches are compared."""
PATCH = 13
"""Side of a patch; odd, so that its centre stays when it is turned."""
POINTS = 32
"""Conspicuous points an image."""
_CHUNK = 64


@dataclass(frozen=True, kw_only=True)
class Views:
    """What the audit keeps of N images.

    Args:
        patients: [N] the patient of each; synthetic images are each on their own.
        small: [N C h w] reduced images.
        patches: [N P 13 13] around conspicuous points, [row column] of which in ``points`` at ``PATCH_SIDE``.
        wide: [N P 17 17] the same with a border of two pixels.
        points: [N P 2].
        features: [O N D], one set for each orientation that keeps the image's shape; the first as it is.
        planes: [N L h w] reduced planes of the label maps, or None.
    """

    patients: NDArray[np.intp]
    small: Tensor
    patches: Tensor
    wide: Tensor
    points: NDArray[np.intp]
    features: NDArray[np.float32]
    planes: Tensor | None

    def __len__(self) -> int:
        return len(self.patients)

    def rows(self, chosen: NDArray[np.intp]) -> "Views":
        """The views of some of the images."""
        index = torch.from_numpy(np.ascontiguousarray(chosen))
        return Views(
            patients=self.patients[chosen], small=self.small[index], patches=self.patches[index],
            wide=self.wide[index], points=self.points[chosen], features=self.features[:, chosen],
            planes=None if self.planes is None else self.planes[index],
        )  # fmt: skip


def join(first: Views, second: Views) -> Views:
    """The views of both, one after the other."""
    both = [(getattr(first, name), getattr(second, name)) for name in ("small", "patches", "wide")]
    small, patches, wide = (torch.cat(pair) for pair in both)
    planes = None if first.planes is None or second.planes is None else torch.cat([first.planes, second.planes])
    return Views(
        patients=np.concatenate([first.patients, second.patients]), small=small, patches=patches, wide=wide,
        points=np.concatenate([first.points, second.points]),
        features=np.concatenate([first.features, second.features], axis=1), planes=planes,
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


def name_of(orientation: int) -> str:
    """An orientation in words."""
    turn = {0: "", 1: "turned by 90 degrees", 2: "turned by 180 degrees", 3: "turned by 270 degrees"}[orientation // 2]
    return " and ".join(word for word in ("mirrored" if orientation % 2 else "", turn) if word) or "as it is"


def view(
    read: Callable[[Sequence[int]], NDArray[np.integer]],
    patients: Sequence[int] | NDArray[np.intp],
    features: Features,
    *,
    masks: Callable[[Sequence[int]], NDArray[np.uint8]] | None = None,
    num_labels: int = 2,
    progress: Callable[[int], None] = lambda done: None,
) -> Views:
    """Look at every image once, a few at a time, so that memory stays flat.

    Args:
        read: indices -> stored pixels [n C H W].
        patients: one number an image.
        features: images -> features.
        masks: indices -> label maps [n H W], where there are any.
        num_labels: of the label maps, background included.
        progress: called with the number of images done.
    """
    parts: dict[str, list[Tensor]] = {name: [] for name in ("small", "patches", "wide", "points", "features", "planes")}
    for indices in _chunks(len(patients)):
        stored = read(indices)
        images = _scaled(stored)
        parts["small"].append(reduced(images, SMALL_SIDE))
        wide, points = _conspicuous(reduced(images, PATCH_SIDE).mean(1, keepdim=True))
        parts["wide"].append(wide)
        parts["patches"].append(wide[..., 2:-2, 2:-2])
        parts["points"].append(points)
        seen = orientations(*stored.shape[2:])
        parts["features"].append(torch.stack([_features(features, stored, one) for one in seen]))
        if masks is not None:
            parts["planes"].append(reduced(_planes(masks(indices), num_labels), SMALL_SIDE))
        progress(indices[-1] + 1)
    whole = {name: torch.cat(tensors, dim=int(name == "features")) for name, tensors in parts.items() if tensors}
    return Views(
        patients=np.asarray(patients, np.intp), small=whole["small"], patches=whole["patches"], wide=whole["wide"],
        points=whole["points"].numpy().astype(np.intp), features=whole["features"].numpy(),
        planes=whole.get("planes"),
    )  # fmt: skip


def reduced(images: Tensor, longest: int) -> Tensor:
    """Images [N C H W] by area averaging to a longest side of ``longest``, then lightly smoothed.

    The smoothing makes a copy that was shifted by a part of a reduced pixel, or re-compressed, look the same.
    """
    height, width = images.shape[-2:]
    scale = min(1.0, longest / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    small = functional.adaptive_avg_pool2d(images, size) if scale < 1 else images
    return _smooth(small, torch.tensor([1.0, 2.0, 1.0]) / 4)


def _smooth(images: Tensor, kernel: Tensor) -> Tensor:
    """A separable convolution of every channel; borders repeat. As products with matrices, which are quick."""
    rows, columns = (_band(size, kernel) for size in images.shape[-2:])
    return rows @ images @ columns.T


def _band(size: int, kernel: Tensor) -> Tensor:
    """The matrix [size size] of a convolution whose border repeats."""
    at = torch.arange(size)[:, None] + torch.arange(len(kernel)) - len(kernel) // 2
    return torch.zeros(size, size).scatter_add_(1, at.clamp(0, size - 1), kernel.expand(size, -1))


def _gaussian(sigma: float) -> Tensor:
    offsets = torch.arange(-round(3 * sigma), round(3 * sigma) + 1, dtype=torch.float32)
    weights = torch.exp(-offsets.square() / (2 * sigma**2))
    return weights / weights.sum()


def _conspicuous(images: Tensor) -> tuple[Tensor, Tensor]:
    """Patches [N P 17 17] around the strongest blobs of grey images [N 1 H W], and their centres [N P 2].

    Extrema of a difference of Gaussians are found at the same places of a structure wherever it is pasted.
    """
    half = PATCH // 2 + 2
    images = functional.pad(images, (half, half, half, half), mode="replicate")
    blobs = (_smooth(images, _gaussian(1.5)) - _smooth(images, _gaussian(3.0))).abs()
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


def _scaled(stored: NDArray[np.integer]) -> Tensor:
    """Stored pixels in [0, 1]."""
    return torch.from_numpy(stored.astype(np.float32)) / float(np.iinfo(stored.dtype).max)


def _features(features: Features, stored: NDArray[np.integer], orientation: int) -> Tensor:
    mirrored = stored[..., ::-1] if orientation % 2 else stored
    turned = np.ascontiguousarray(np.rot90(mirrored, orientation // 2, (-2, -1)))
    found = np.asarray(features(turned), np.float32)
    if found.ndim != 2 or len(found) != len(stored) or not np.isfinite(found).all():
        raise DataError(
            f"The feature function made {list(found.shape)} of {len(stored)} images; expected [N D] of finite "
            "numbers. Give another function."
        )
    return torch.from_numpy(found)


def _planes(masks: NDArray[np.uint8], num_labels: int) -> Tensor:
    labels = np.arange(1, max(2, num_labels), dtype=np.uint8)
    return torch.from_numpy((masks[:, None] == labels[None, :, None, None]).astype(np.float32))


def _chunks(count: int) -> Iterator[range]:
    for first in range(0, count, _CHUNK):
        yield range(first, min(first + _CHUNK, count))


def random_features(stored: NDArray[np.integer]) -> NDArray[np.float32]:
    """Fixed random filters at two scales, their strength averaged in the image's four quarters: [N C H W] -> [N 256].

    No weights to fetch, no training set of its own. Brightness and contrast of the whole image are taken out
    first.

    Example:
        >>> random_features(np.zeros((2, 1, 64, 64), np.uint8)).shape
        (2, 256)
    """
    images = reduced(_scaled(stored), SMALL_SIDE // 2).mean(1, keepdim=True)
    images = images - images.mean((1, 2, 3), keepdim=True)
    images = images / images.std((1, 2, 3), keepdim=True, correction=0).clamp_min(1e-6)
    filters = torch.randn(32, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    filters = filters - filters.mean((2, 3), keepdim=True)
    filters = filters / filters.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    strengths = []
    for scaled in (images, functional.avg_pool2d(images, 2, ceil_mode=True)):
        answers = functional.conv2d(functional.pad(scaled, (2, 2, 2, 2), mode="replicate"), filters)
        strengths.append(functional.adaptive_avg_pool2d(answers.abs(), 2).flatten(1))
    return torch.cat(strengths, dim=1).numpy()
