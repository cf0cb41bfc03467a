"""Canaries: known copies, planted to see whether the audit finds them. What it finds of them is its power.

Two kinds of twin are possible. A twin of the *samples* gets altered copies of training images (``plant``); the
audit makes one by itself. A twin of the *run* is trained on a set into which canaries were planted
(``examples/canaries_in_training.py``): it tells what this training lets through.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthmed.errors import DataError

Alteration = Callable[[NDArray[np.integer], np.random.Generator], NDArray[np.integer]]
"""A stored image [C H W], and numbers -> an altered copy of the same shape and type."""


@dataclass(frozen=True, kw_only=True)
class Planted:
    """Altered copies.

    Args:
        images: [N C H W].
        rows: [N] which image each was made from.
        kinds: [N] name of the alteration.
    """

    images: NDArray[np.integer]
    rows: NDArray[np.intp]
    kinds: tuple[str, ...]


def plant(
    sources: NDArray[np.integer],
    num: int,
    *,
    seed: int = 0,
    backgrounds: NDArray[np.integer] | None = None,
    kinds: Mapping[str, Alteration] | None = None,
) -> Planted:
    """Make ``num`` copies of each kind of alteration, of images drawn from ``sources``.

    Args:
        sources: [M C H W] stored pixels, for instance training images.
        num: copies of each kind.
        seed: source of all draws.
        backgrounds: images into which parts of sources are pasted (the kinds of ``PARTS``); None = none are.
        kinds: name -> alteration; None = those of ``ALTERATIONS``.

    Raises:
        DataError: there is nothing to copy.

    Example:
        >>> eyes = np.random.default_rng(0).integers(0, 255, (3, 1, 32, 32)).astype(np.uint8)
        >>> plant(eyes, 2).images.shape
        (12, 1, 32, 32)
    """
    if not len(sources) or num < 1:
        raise DataError(f"{num} copies of {len(sources)} images were asked for; expected at least 1 of each.")
    numbers = np.random.default_rng(seed)
    known = dict(ALTERATIONS if kinds is None else kinds)
    images, rows, names = [], [], []
    for name, alter in known.items():
        for row in numbers.integers(0, len(sources), num):
            images.append(alter(sources[row], numbers))
            rows.append(row)
            names.append(name)
    for name, parts in PARTS.items() if backgrounds is not None and len(backgrounds) else ():
        assert backgrounds is not None
        for row, behind in zip(
            numbers.integers(0, len(sources), num), numbers.integers(0, len(backgrounds), num), strict=True
        ):
            images.append(paste(sources[row], backgrounds[behind], numbers, parts))
            rows.append(row)
            names.append(name)
    return Planted(images=np.stack(images), rows=np.asarray(rows, np.intp), kinds=tuple(names))


def shift(image: NDArray[np.integer], numbers: np.random.Generator) -> NDArray[np.integer]:
    """Shifted by up to a twentieth of the side, in whole pixels; the border repeats."""
    reach = max(1, min(image.shape[1:]) // 20)
    rows, columns = numbers.integers(-reach, reach + 1, 2)
    padded = np.pad(image, ((0, 0), (reach, reach), (reach, reach)), mode="edge")
    top, left = reach + rows, reach + columns
    return padded[:, top : top + image.shape[1], left : left + image.shape[2]]


def brighten(image: NDArray[np.integer], numbers: np.random.Generator) -> NDArray[np.integer]:
    """Another contrast (0.8 to 1.2) and brightness (up to 12 % of the range); what leaves the range is clipped."""
    top = np.iinfo(image.dtype).max
    changed = image * numbers.uniform(0.8, 1.2) + numbers.uniform(-0.12, 0.12) * top
    return np.clip(np.rint(changed), 0, top).astype(image.dtype)


def compress(image: NDArray[np.integer], numbers: np.random.Generator) -> NDArray[np.integer]:
    """Re-compressed as JPEG of quality 30 to 70, channel by channel, at 8 bits."""
    from PIL import Image

    quality, planes = int(numbers.integers(30, 71)), []
    wide = image.dtype == np.uint16
    for plane in (image >> 8).astype(np.uint8) if wide else image:
        file = io.BytesIO()
        Image.fromarray(plane).save(file, format="JPEG", quality=quality)
        planes.append(np.asarray(Image.open(file)))
    again = np.stack(planes).astype(image.dtype)
    return again * 257 if wide else again


def turn(image: NDArray[np.integer], numbers: np.random.Generator) -> NDArray[np.integer]:
    """Mirrored, and turned by quarter turns that keep the shape."""
    steps = 1 if image.shape[1] == image.shape[2] else 2
    return np.ascontiguousarray(np.rot90(image[..., ::-1], steps * int(numbers.integers(0, 4)), (-2, -1)))


def noise(image: NDArray[np.integer], numbers: np.random.Generator) -> NDArray[np.integer]:
    """With Gaussian noise of 3 % of the range."""
    top = np.iinfo(image.dtype).max
    return np.clip(np.rint(image + numbers.normal(0, 0.03 * top, image.shape)), 0, top).astype(image.dtype)


def everything(image: NDArray[np.integer], numbers: np.random.Generator) -> NDArray[np.integer]:
    """Turned, shifted, brightened and re-compressed, one after the other."""
    for alter in (turn, shift, brighten, compress):
        image = alter(image, numbers)
    return image


def paste(
    image: NDArray[np.integer], background: NDArray[np.integer], numbers: np.random.Generator, parts: int = 4
) -> NDArray[np.integer]:
    """A part of the image, its sides by ``parts``, set into another image at another place with a soft edge."""
    height, width = image.shape[1] // parts, image.shape[2] // parts
    top, left = _eventful(image, height, width, numbers)
    to_top, to_left = _eventful(background, height, width, numbers)
    ramps = [np.minimum(1, np.minimum(np.arange(n) + 1, n - np.arange(n)) / (1 + n // 10)) for n in (height, width)]
    weight = ramps[0][:, None] * ramps[1][None]
    result = background.astype(np.float64)
    there = result[:, to_top : to_top + height, to_left : to_left + width]
    there += weight * (image[:, top : top + height, left : left + width] - there)
    return np.rint(result).astype(background.dtype)


def _eventful(image: NDArray[np.integer], height: int, width: int, numbers: np.random.Generator) -> tuple[int, int]:
    """Of 16 drawn places the one that is eventful throughout: an empty corner or an edge is nobody's lesion."""
    steepness = np.hypot(*np.gradient(image.mean(0, dtype=np.float64)))
    places = [
        (int(numbers.integers(0, image.shape[1] - height + 1)), int(numbers.integers(0, image.shape[2] - width + 1)))
        for _ in range(16)
    ]
    return max(places, key=lambda at: np.median(steepness[at[0] : at[0] + height, at[1] : at[1] + width]))


PARTS: Mapping[str, int] = {"pasted third": 3, "pasted quarter": 4}
"""Kinds of pasted parts, by how many times the part's sides are in the image's."""


def redraw(mask: NDArray[np.integer], numbers: np.random.Generator) -> NDArray[np.integer]:
    """A label map drawn anew by another hand: edges wander by about a fiftieth of the side, smoothly."""
    from scipy import ndimage

    height, width = mask.shape[1:]
    away = [
        ndimage.zoom(numbers.normal(0, max(height, width) / 100, (8, 8)), (height / 8, width / 8), order=1)
        for _ in range(2)
    ]
    rows, columns = np.mgrid[0:height, 0:width]
    places = (np.clip(np.rint(at + by), 0, side - 1).astype(int)
              for at, by, side in zip((rows, columns), away, (height, width), strict=True))  # fmt: skip
    return np.ascontiguousarray(mask[(slice(None), *places)])


def redraw_elsewhere(mask: NDArray[np.integer], numbers: np.random.Generator) -> NDArray[np.integer]:
    """Turned, shifted and drawn anew."""
    for alter in (turn, shift, redraw):
        mask = alter(mask, numbers)
    return mask


MASK_ALTERATIONS: Mapping[str, Alteration] = {
    "shifted mask": shift,
    "turned mask": turn,
    "redrawn mask": redraw,
    "mask with all of it": redraw_elsewhere,
}
"""Kinds of copied masks that the audit plants: label maps [1 H W]."""

ALTERATIONS: Mapping[str, Alteration] = {
    "shifted": shift,
    "brightened": brighten,
    "re-compressed": compress,
    "turned": turn,
    "with noise": noise,
    "all of it": everything,
}
"""Kinds of copies that the audit plants; the pasted parts come to them."""
