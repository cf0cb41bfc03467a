"""PGM and PPM files (binary: P5 and P6), 8 or 16 bits, values exactly as they stand in the file.

Pillow reduces a 16-bit PPM to 8 bits and stretches files whose largest value is not 255; this does neither.
"""

import re
from pathlib import Path

import numpy as np

from synthmed.errors import SourceError

# Magic, then width, height and largest value, parted by white space or comments, then one white space.
_BLANK = rb"(?:\s|#[^\n\r]*[\n\r])+"
_HEADER = re.compile(rb"P([56])" + _BLANK + rb"(\d{1,9})" + _BLANK + rb"(\d{1,9})" + _BLANK + rb"(\d{1,5})\s")
_HEADER_BYTES = 4096


def layout(path: Path) -> tuple[int, int, int, int, int]:
    """Height, width, channels, bits (8 or 16) and the number of bytes before the pixels.

    Raises:
        SourceError: not a binary PGM or PPM.
    """
    with path.open("rb") as file:
        match = _HEADER.match(file.read(_HEADER_BYTES))
    if match is None:
        raise SourceError(
            f"{path.name} has no header of a binary PGM or PPM; expected P5 or P6 with width, height and "
            "largest value. Save it as PNG or TIFF."
        )
    width, height, largest = (int(match[group]) for group in (2, 3, 4))
    if not (width and height and 0 < largest < 65536):
        raise SourceError(
            f"{path.name} claims {width} x {height} pixels up to {largest}; expected at least one pixel and "
            "a largest value of 1 to 65535. Save it anew."
        )
    return height, width, 3 if match[1] == b"6" else 1, 8 if largest < 256 else 16, match.end()


def read(path: Path) -> np.ndarray:
    """Pixels [C H W], uint8 or uint16.

    Raises:
        SourceError: the file is too short or not a binary PGM or PPM.
    """
    height, width, channels, bits, start = layout(path)
    dtype = np.dtype(np.uint8) if bits == 8 else np.dtype(">u2")
    expected = height * width * channels * dtype.itemsize
    with path.open("rb") as file:
        file.seek(start)
        content = file.read(expected)
    if len(content) < expected:
        raise SourceError(
            f"{path.name} is cut short: {len(content)} bytes of pixels; expected {expected}. Copy it again."
        )
    pixels = np.frombuffer(content, dtype).reshape(height, width, channels)
    return pixels.transpose(2, 0, 1).astype(np.uint8 if bits == 8 else np.uint16)
