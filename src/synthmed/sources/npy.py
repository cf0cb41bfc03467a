"""NumPy files as images: [H W], [C H W] or [H W C], uint8 or uint16, any number of channels.

The shortest of three axes is that of the channels where it is the last one; else they stand first.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synthmed.errors import SourceError


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Size, channels and bits of an array, without its pixels."""

    height: int
    width: int
    channels: int
    bits: int


def layout(path: Path) -> Layout:
    """The layout of a file, its pixels left on the disk.

    Raises:
        SourceError: pixels that are not whole numbers of 8 or 16 bits, or another number of axes.
    """
    array = _mapped(path)
    channels, height, width = array.shape
    return Layout(height=height, width=width, channels=channels, bits=array.dtype.itemsize * 8)


def read(path: Path) -> np.ndarray:
    """Pixels [C H W], uint8 or uint16.

    Raises:
        SourceError: as ``layout``.
    """
    array = _mapped(path)
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C")


def _mapped(path: Path) -> np.ndarray:
    """The array [C H W], on the disk."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise SourceError(
            f"{path.name} holds an array of shape {list(array.shape)}; expected [height width], [channels height "
            "width] or [height width channels]. Save one image a file."
        )
    if array.dtype.kind == "f":
        lost = int(array.size - np.count_nonzero(np.isfinite(array)))
        what = f", {lost} of them not a number or infinite" if lost else ""
        raise SourceError(
            f"{path.name} holds {array.dtype} pixels{what}; expected uint8 or uint16. Nothing is rescaled silently: "
            "store whole numbers."
        )
    if array.dtype.newbyteorder("=") not in (np.dtype(np.uint8), np.dtype(np.uint16)):
        raise SourceError(f"{path.name} holds {array.dtype} pixels; expected uint8 or uint16. Save it as one of these.")
    if array.ndim == 2:
        return array[None]
    return np.moveaxis(array, -1, 0) if array.shape[2] < min(array.shape[:2]) else array
