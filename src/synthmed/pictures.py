"""Pictures for people: stored pixels as RGB, masks in colour, grids of both. Nothing here is measured."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthmed.artifacts import write_file

RGB = NDArray[np.uint8]
"""[height width 3], 8 bit."""

# Background, then labels 1, 2, ...: told apart also by readers with colour-vision deficiency (Okabe and Ito).
_LABEL_COLOURS = np.array(
    [
        [0, 0, 0],
        [255, 255, 255],
        [230, 159, 0],
        [86, 180, 233],
        [0, 158, 115],
        [240, 228, 66],
        [204, 121, 167],
    ],
    dtype=np.uint8,
)


def image_to_rgb(image: NDArray[np.integer]) -> RGB:
    """Show stored pixels [channel height width], uint8 or uint16, over the whole stored range.

    One channel becomes grey; three become red, green, blue; of any other number the first is shown.
    """
    pixels = image if image.dtype == np.uint8 else (image >> 8)
    if pixels.shape[0] != 3:
        pixels = np.repeat(pixels[:1], 3, axis=0)
    return np.ascontiguousarray(pixels.transpose(1, 2, 0)).astype(np.uint8)


def mask_to_rgb(mask: NDArray[np.uint8]) -> RGB:
    """Show a label map [height width]: background black, label 1 white, further labels in colours."""
    return _LABEL_COLOURS[np.minimum(mask, len(_LABEL_COLOURS) - 1)]


def grid(rows: Sequence[Sequence[RGB]], *, gap: int = 4, background: int = 255) -> RGB:
    """Lay out pictures of one size in rows and columns, with a gap of ``gap`` pixels around each."""
    height, width = rows[0][0].shape[:2]
    columns = max(len(row) for row in rows)
    canvas = np.full((gap + len(rows) * (height + gap), gap + columns * (width + gap), 3), background, dtype=np.uint8)
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            top, left = gap + y * (height + gap), gap + x * (width + gap)
            canvas[top : top + height, left : left + width] = picture
    return canvas


def pairs_grid(images: NDArray[np.integer], masks: NDArray[np.uint8], *, columns: int = 8) -> RGB:
    """A row of images over a row of their masks, and so on; images [N C H W], masks [N H W] or [N 0 0]."""
    rows: list[list[RGB]] = []
    for first in range(0, len(images), columns):
        rows.append([image_to_rgb(image) for image in images[first : first + columns]])
        if masks.shape[-1]:
            rows.append([mask_to_rgb(mask) for mask in masks[first : first + columns]])
    return grid(rows)


def save_png(path: Path, picture: RGB, *, longest_side: int = 0) -> None:
    """Save a picture as PNG, reduced so that no side exceeds ``longest_side`` pixels (0 = as it is)."""
    from PIL import Image

    image = Image.fromarray(picture)
    if longest_side and max(image.size) > longest_side:
        image.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
    content = BytesIO()
    image.save(content, format="PNG", optimize=True)
    write_file(path, content.getvalue())
