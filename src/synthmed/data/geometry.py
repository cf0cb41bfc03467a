"""Fit pictures of any size into one height and width, without bending them, and back again.

A picture is resized by one factor until it touches two sides, then centred between zeros. The four numbers of
a ``Fit`` stand in every row of a data set, so any stored picture can be laid over its source again.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from synthmed.data.reduction import reduce_labels
from synthmed.data.resampling import resize_planes


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Where a source picture lies in a stored one.

    Args:
        source_height: rows of the source.
        source_width: columns of the source.
        scale: stored pixels per source pixel, the same on both axes.
        pad_top: rows of zeros above the picture; below 0 so many rows of it are cut off.
        pad_left: columns of zeros left of it; below 0 so many columns of it are cut off.
    """

    source_height: int
    source_width: int
    scale: float
    pad_top: int
    pad_left: int

    @property
    def inner(self) -> tuple[int, int]:
        """Height and width of the picture between the zeros, in stored pixels."""
        return _scaled(self.source_height, self.scale), _scaled(self.source_width, self.scale)


def fit_of(source_height: int, source_width: int, height: int, width: int) -> Fit:
    """The fit of a source of one size into a stored picture of another, all in pixels.

    Example:
        >>> fit_of(480, 640, 256, 256).inner
        (192, 256)
    """
    scale = min(height / source_height, width / source_width)
    return Fit(
        source_height=source_height,
        source_width=source_width,
        scale=scale,
        pad_top=(height - _scaled(source_height, scale)) // 2,
        pad_left=(width - _scaled(source_width, scale)) // 2,
    )


def fit_image(image: np.ndarray, fit: Fit, height: int, width: int) -> np.ndarray:
    """Resize and pad or cut an image [C h w], uint8 or uint16, to [C height width] of the same type."""
    return _placed(_resize_image(image, *fit.inner), fit, height, width)


def fit_mask(mask: np.ndarray, fit: Fit, height: int, width: int) -> np.ndarray:
    """Resize a label map [h w] and pad it with 0 or cut it, to [height width].

    A smaller one keeps the area of every label and what hangs together (``reduction``); a larger one repeats pixels.
    """
    smaller = fit.inner[0] <= mask.shape[0] and fit.inner[1] <= mask.shape[1]
    resized = reduce_labels(mask, *fit.inner) if smaller else _resize_nearest(mask, *fit.inner)
    return _placed(resized, fit, height, width)


def fit_field(field: np.ndarray, fit: Fit, height: int, width: int) -> np.ndarray:
    """Resize a field of view [h w] by nearest neighbour and pad it with 0 or cut it, to [height width]."""
    return _placed(_resize_nearest(field, *fit.inner), fit, height, width)


def image_to_source(stored: np.ndarray, fit: Fit) -> np.ndarray:
    """The inverse of ``fit_image``: cut the zeros off, resize to the source's size [C h w]; 0 where it was cut."""
    return _resize_image(_taken_out(stored, fit), fit.source_height, fit.source_width)


def mask_to_source(stored: np.ndarray, fit: Fit) -> np.ndarray:
    """The inverse of ``fit_mask``: cut the zeros off, resize to the source's size [h w]; 0 where it was cut."""
    return _resize_nearest(_taken_out(stored, fit), fit.source_height, fit.source_width)


def _scaled(length: int, scale: float) -> int:
    return max(1, round(length * scale))


def _placed(resized: np.ndarray, fit: Fit, height: int, width: int) -> np.ndarray:
    """A resized picture [... h w] between zeros, or cut, in [... height width]."""
    stored = np.zeros((*resized.shape[:-2], height, width), resized.dtype)
    there, here = _overlap(fit, height, width)
    stored[there] = resized[here]
    return stored


def _taken_out(stored: np.ndarray, fit: Fit) -> np.ndarray:
    """The whole resized picture [... h w] back out of a stored one."""
    resized = np.zeros((*stored.shape[:-2], *fit.inner), stored.dtype)
    there, here = _overlap(fit, *stored.shape[-2:])
    resized[here] = stored[there]
    return resized


def _overlap(fit: Fit, height: int, width: int) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """What stored and resized picture have in common, as an index into each."""
    lengths = zip((fit.pad_top, fit.pad_left), fit.inner, (height, width), strict=True)
    spans = [(max(0, pad), min(length, pad + inner), pad) for pad, inner, length in lengths]
    there = (..., *(slice(first, last) for first, last, _ in spans))
    here = (..., *(slice(first - pad, last - pad) for first, last, pad in spans))
    return there, here


def _resize_image(image: np.ndarray, height: int, width: int) -> np.ndarray:
    # 32-bit floats hold all 65536 values exactly. Lanczos overshoots at sharp edges, so the result is clipped.
    if image.shape[-2:] == (height, width):
        return image
    return np.rint(resize_planes(image, height, width)).clip(0, np.iinfo(image.dtype).max).astype(image.dtype)


def _resize_nearest(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    rows = ((np.arange(height) + 0.5) * mask.shape[0] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * mask.shape[1] / width).astype(int)
    return mask[rows[:, None], columns]
