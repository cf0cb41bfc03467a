"""Canaries: known copies, planted to see whether the audit finds them. What it finds of them is its power.

Two kinds of twin are possible. A twin of the *samples* gets altered copies of training images (``plant``); the
audit makes one by itself. A twin of the *run* is trained on a set into which canaries were planted
(``examples/canaries_in_training.py``): it tells what this training lets through.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from synthmed.errors import DataError

Alteration = Callable[[NDArray[np.integer], np.random.Generator], NDArray[np.integer]]
"""A stored image [C H W], and numbers -> an altered copy of the same shape and type."""

Mixture = Callable[[NDArray[np.integer], NDArray[np.integer], np.random.Generator], NDArray[np.integer]]
"""A stored image [C H W], another one and numbers -> what is made of both."""


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
        backgrounds: images that sources are mixed with (the kinds of ``MIXTURES``); None = they are not.
        kinds: name -> alteration; None = those of ``ALTERATIONS``, and the mixtures.

    Raises:
        DataError: there is nothing to copy.

    Example:
        >>> eyes = np.random.default_rng(0).integers(0, 255, (3, 1, 32, 32)).astype(np.uint8)
        >>> plant(eyes, 2).images.shape
        (34, 1, 32, 32)
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
    for name, mix in MIXTURES.items() if backgrounds is not None and len(backgrounds) and kinds is None else ():
        assert backgrounds is not None
        behind = numbers.integers(0, len(backgrounds), num)
        for row, other in zip(numbers.integers(0, len(sources), num), behind, strict=True):
            images.append(mix(sources[row], backgrounds[other], numbers))
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
    """With Gaussian noise of 5 % of the range."""
    return _noisy(image, numbers, 0.05)


def strong_noise(image: NDArray[np.integer], numbers: np.random.Generator) -> NDArray[np.integer]:
    """With Gaussian noise of 15 % of the range."""
    return _noisy(image, numbers, 0.15)


def _noisy(image: NDArray[np.integer], numbers: np.random.Generator, share: float) -> NDArray[np.integer]:
    return _stored(image + numbers.normal(0, share * np.iinfo(image.dtype).max, image.shape), image)


def _stored(values: NDArray[np.floating], like: NDArray[np.integer]) -> NDArray[np.integer]:
    """Rounded, clipped and of the type of an image."""
    return np.clip(np.rint(values), 0, np.iinfo(like.dtype).max).astype(like.dtype)


def curve(image: NDArray[np.integer], numbers: np.random.Generator) -> NDArray[np.integer]:
    """Another gamma, 0.5 to 2."""
    top = np.iinfo(image.dtype).max
    return _stored(top * (image / top) ** 2 ** numbers.uniform(-1, 1), image)


def blur(image: NDArray[np.integer], numbers: np.random.Generator) -> NDArray[np.integer]:
    """Blurred by a Gaussian of 1/64 to 1/32 of the longest side."""
    from scipy import ndimage

    sigma = max(image.shape[1:]) * numbers.uniform(1 / 64, 1 / 32)
    return _stored(ndimage.gaussian_filter(image.astype(np.float64), (0, sigma, sigma)), image)


def rotate(image: NDArray[np.integer], numbers: np.random.Generator) -> NDArray[np.integer]:
    """Turned by 2 to 10 degrees, either way."""
    angle = np.deg2rad(numbers.uniform(2, 10) * numbers.choice((-1, 1)))
    return _mapped(image, np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]))


def resize(image: NDArray[np.integer], numbers: np.random.Generator) -> NDArray[np.integer]:
    """Made larger or smaller by 3 to 10 %; the border repeats."""
    return _mapped(image, np.eye(2) * (1 + numbers.uniform(0.03, 0.1) * numbers.choice((-1, 1))))


def squash(image: NDArray[np.integer], numbers: np.random.Generator) -> NDArray[np.integer]:
    """Made narrower or lower by 3 to 8 %."""
    shares = np.ones(2)
    shares[numbers.integers(0, 2)] += numbers.uniform(0.03, 0.08)
    return _mapped(image, np.diag(shares))


def crop(image: NDArray[np.integer], numbers: np.random.Generator) -> NDArray[np.integer]:
    """With 3 to 8 % of each side cut off, and brought to the old size."""
    low, high = numbers.uniform(0.03, 0.08, (2, 2))
    sides = np.array(image.shape[1:]) - 1
    return _mapped(image, np.diag(1 - low - high), sides * low)


def bend(image: NDArray[np.integer], numbers: np.random.Generator) -> NDArray[np.integer]:
    """Bent smoothly, by 1/32 of the longest side at most."""
    return _bent(image, numbers, 1 / 32)


def bend_strongly(image: NDArray[np.integer], numbers: np.random.Generator) -> NDArray[np.integer]:
    """Bent smoothly, by 1/16 of the longest side at most."""
    return _bent(image, numbers, 1 / 16)


def _mapped(
    image: NDArray[np.integer], matrix: NDArray[np.floating], offset: NDArray[np.floating] | None = None
) -> NDArray[np.integer]:
    """The image read at ``matrix`` times a place; about its middle, if no offset is given."""
    from scipy import ndimage

    middle = (np.array(image.shape[1:]) - 1) / 2
    start = middle - matrix @ middle if offset is None else offset
    planes = [ndimage.affine_transform(plane.astype(np.float64), matrix, start, order=1, mode="nearest")
              for plane in image]  # fmt: skip
    return _stored(np.stack(planes), image)


def _bent(image: NDArray[np.integer], numbers: np.random.Generator, share: float) -> NDArray[np.integer]:
    from scipy import ndimage

    longest = max(image.shape[1:])
    away = np.stack([ndimage.gaussian_filter(numbers.normal(size=image.shape[1:]), longest * 3 / 32) for _ in "yx"])
    places = np.indices(image.shape[1:]) + share * longest * away / np.abs(away).max()
    planes = [ndimage.map_coordinates(plane.astype(np.float64), places, order=1, mode="nearest") for plane in image]
    return _stored(np.stack(planes), image)


def invert(image: NDArray[np.integer], numbers: np.random.Generator) -> NDArray[np.integer]:
    """The negative."""
    return np.iinfo(image.dtype).max - image


def several(image: NDArray[np.integer], numbers: np.random.Generator) -> NDArray[np.integer]:
    """Altered two or three times, by kinds drawn at random: what generators make of what they learned by heart."""
    kinds = (rotate, resize, squash, crop, bend, blur, brighten, noise, turn)
    for place in numbers.permutation(len(kinds))[: numbers.integers(2, 4)]:
        image = kinds[place](image, numbers)
    return image


def blend(
    image: NDArray[np.integer], other: NDArray[np.integer], numbers: np.random.Generator
) -> NDArray[np.integer]:  # fmt: skip
    """Half the image, half another one, laid over each other."""
    return _stored(image / 2 + other / 2, image)


def paste_half(
    image: NDArray[np.integer], other: NDArray[np.integer], numbers: np.random.Generator
) -> NDArray[np.integer]:  # fmt: skip
    """The middle of the left or right half of the image, whichever holds more, in its place in another one."""
    height, width = image.shape[1:]
    rows = slice(height // 4, height // 4 + height // 2)
    halves = [(slice(None), rows, slice(left, left + width // 2)) for left in (0, width - width // 2)]
    part = max(halves, key=lambda half: float(image[half].std()))
    made = other.copy()
    made[part] = image[part]
    return made


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
    "rotated": rotate,
    "resized": resize,
    "squashed": squash,
    "cropped": crop,
    "bent": bend,
    "strongly bent": bend_strongly,
    "of another gamma": curve,
    "blurred": blur,
    "with strong noise": strong_noise,
    "altered several times": several,
    "inverted": invert,
}
"""Kinds of copies that the audit plants."""

MIXTURES: Mapping[str, Mixture] = {
    "blended with another": blend,
    "half pasted": paste_half,
    "pasted third": partial(paste, parts=3),
    "pasted quarter": partial(paste, parts=4),
}
"""Kinds of copies that are made of two images, of which one is somebody else's."""
