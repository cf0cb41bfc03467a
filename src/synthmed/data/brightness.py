"""One rule of brightness for a set: which numbers of its files become black and white.

What a number means is the same in all files of a set, or one tissue would be stored in two brightnesses. So pixels are
looked at before the first image is made, where headers cannot say what is in them: pictures of 8 bits are as they are.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synthmed import sources
from synthmed.errors import SourceError
from synthmed.sources.image import SourceImage

PICTURES = ("PNG", "JPEG", "TIFF", "GIF", "PPM", "BMP", "NPY")
"""Formats whose numbers are stored as they are shown."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """What the numbers of one file are, padding left out.

    Args:
        low, high: the smallest and the largest.
        counts: whether all are whole and none is below 0.
        unit: of the numbers.
    """

    low: float
    high: float
    counts: bool
    unit: str


def span_of(path: Path) -> Span:
    """What the numbers of a file are; a picture of 8 bits is not decoded.

    Raises:
        SourceError: it cannot be read, or none of its pixels is a number.
    """
    header = sources.open_header(path)
    if header.format in PICTURES and header.bits <= 8:
        return Span(low=0, high=255, counts=True, unit=header.unit)
    return span_in(sources.read(path))


def span_in(source: SourceImage) -> Span:
    """What the numbers of a decoded file are.

    Raises:
        SourceError: none of its pixels is a number.
    """
    pixels = source.pixels
    if source.padding is not None:
        pixels = np.moveaxis(pixels, 1, -1)[~source.padding]
    if pixels.dtype.kind == "f":
        pixels = pixels[np.isfinite(pixels)]
    if not pixels.size:
        raise SourceError("None of its pixels is a number. Export it anew.")
    low, high = float(pixels.min()), float(pixels.max())
    return Span(low=low, high=high, counts=pixels.dtype.kind in "iu" and low >= 0, unit=source.header.unit)


def range_of(spans: Iterable[Span]) -> tuple[float, float]:
    """The numbers that become black and white in all files.

    Counts keep their 0, and white is the largest number that their bits hold: 4095 where no file of 16 bits uses more
    than 12 of them, and never less than 255. Other numbers span the range of all files together.

    Example:
        >>> range_of([Span(low=9, high=3000, counts=True, unit=""), Span(low=0, high=200, counts=True, unit="")])
        (0.0, 4095.0)
    """
    spans = list(spans)
    low, high = min(span.low for span in spans), max(span.high for span in spans)
    if all(span.counts for span in spans):
        return 0.0, float(2 ** max(8, int(high).bit_length()) - 1)
    return low, high if high > low else low + 1.0


def is_dim(span: Span, low: float, high: float) -> bool:
    """Whether a picture uses so few of the numbers of its set that it is stored nearly black.

    So come 12 bits out where others of the set use 16.
    """
    return span.counts and span.high - low < (high - low) / 8


def brightened(pixels: np.ndarray, padding: np.ndarray | None, bits: int, low: float, high: float) -> np.ndarray:
    """Numbers [F C H W] -> what is stored, uint8 or uint16: ``low`` and padding become 0, ``high`` the largest.

    Args:
        pixels: of any type.
        padding: [F H W] bool, or None.
        bits: 8 or 16.
        low: stored as 0, with all below it.
        high: stored as the largest number, with all above it.
    """
    largest = 2**bits - 1
    dtype = np.dtype(np.uint8 if bits == 8 else np.uint16)
    if (low, high) == (0, largest) and pixels.dtype.kind == "u" and pixels.dtype.itemsize <= dtype.itemsize:
        made = pixels.astype(dtype, copy=padding is not None)
    else:
        scaled = (np.nan_to_num(pixels.astype(np.float64), nan=low) - low) * (largest / (high - low))
        made = np.rint(scaled.clip(0, largest)).astype(dtype)
    if padding is not None:
        made = np.where(padding[:, np.newaxis], dtype.type(0), made)
    return made
