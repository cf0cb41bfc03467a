"""Fit pictures of any size into one height and width, without bending them, and back again.

A picture is resized by one factor until it touches two sides, then centred between zeros. The four numbers of
a ``Fit`` stand in every row of a data set, so any stored picture can be laid over its source again.
"""

from dataclasses import dataclass

import numpy as np

from synthmed.data.resampling import resize_planes


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Where a source picture lies in a stored one.

    Args:
        source_height: rows of the source.
        source_width: columns of the source.
        scale: stored pixels per source pixel, the same on both axes.
        pad_top: rows of zeros above the picture.
        pad_left: columns of zeros left of it.
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
    """Resize and pad an image [C h w], uint8 or uint16, to [C height width] of the same type."""
    stored = np.zeros((len(image), height, width), image.dtype)
    _inside(stored, fit)[:] = _resize_image(image, *fit.inner)
    return stored


def fit_mask(mask: np.ndarray, fit: Fit, height: int, width: int) -> np.ndarray:
    """Resize a mask or field [h w] by nearest neighbour and pad it with 0, to [height width]."""
    stored = np.zeros((height, width), mask.dtype)
    _inside(stored, fit)[:] = _resize_nearest(mask, *fit.inner)
    return stored


def image_to_source(stored: np.ndarray, fit: Fit) -> np.ndarray:
    """The inverse of ``fit_image``: cut the zeros off, resize to the source's size [C h w]."""
    return _resize_image(_inside(stored, fit), fit.source_height, fit.source_width)


def mask_to_source(stored: np.ndarray, fit: Fit) -> np.ndarray:
    """The inverse of ``fit_mask``: cut the zeros off, resize to the source's size [h w]."""
    return _resize_nearest(_inside(stored, fit), fit.source_height, fit.source_width)


def _scaled(length: int, scale: float) -> int:
    return max(1, round(length * scale))


def _inside(stored: np.ndarray, fit: Fit) -> np.ndarray:
    height, width = fit.inner
    return stored[..., fit.pad_top : fit.pad_top + height, fit.pad_left : fit.pad_left + width]


def _resize_image(image: np.ndarray, height: int, width: int) -> np.ndarray:
    # 32-bit floats hold all 65536 values exactly. Lanczos overshoots at sharp edges, so the result is clipped.
    if image.shape[-2:] == (height, width):
        return image
    return np.rint(resize_planes(image, height, width)).clip(0, np.iinfo(image.dtype).max).astype(image.dtype)


def _resize_nearest(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    rows = ((np.arange(height) + 0.5) * mask.shape[0] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * mask.shape[1] / width).astype(int)
    return mask[rows[:, None], columns]
