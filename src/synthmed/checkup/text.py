"""Letters in a picture, outside the anatomy: a name that was burned in would be trained on and handed on."""

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage.filters import threshold_otsu

_SIDE = 1024  # pictures are looked at with at most this longer side
_CONTRAST = 0.2  # of the range: letters are set to be read
_HEIGHTS = (6, 60)
_FEWEST = 3
"""Letters in a line that make a text."""


def count_letters(picture: np.ndarray) -> int:
    """Letter-like things that stand in lines of at least three, outside the largest bright part.

    A hint, not proof: seams, scales and grids can look like letters, and letters over the anatomy are not seen.

    Args:
        picture: [H W], any numbers, white large.

    Returns:
        How many; 0 = likely no text.
    """
    shown = _reduced(picture)
    raised = shown - ndimage.grey_opening(shown, 15)
    outside = ~_anatomy(shown)
    grain = float(np.median(raised[outside])) if outside.any() else 0.0
    bright = (raised > _CONTRAST + 2 * grain) & outside
    parts, _ = ndimage.label(bright, np.ones((3, 3)))
    boxes = [box for number, box in enumerate(ndimage.find_objects(parts), start=1) if _is_letter(parts[box] == number)]
    return max(_in_lines(boxes, along) for along in (0, 1))


def _reduced(picture: np.ndarray) -> np.ndarray:
    """In [0, 1] between the extreme percentiles, at most ``_SIDE`` pixels long."""
    low, high = np.percentile(picture, (0.1, 99.9))
    shown = ((picture - low) / max(high - low, 1e-9)).clip(0, 1).astype(np.float32)
    scale = min(1.0, _SIDE / max(shown.shape))
    size = (max(1, round(shown.shape[1] * scale)), max(1, round(shown.shape[0] * scale)))
    return np.asarray(Image.fromarray(shown).resize(size, Image.Resampling.BOX))


def _anatomy(shown: np.ndarray) -> np.ndarray:
    """The largest bright part that is more than strokes, and a little around it."""
    if np.ptp(shown) == 0:
        return np.zeros(shown.shape, bool)
    solid = ndimage.grey_opening(shown, 15)
    parts, num = ndimage.label(solid > threshold_otsu(solid) / 2)
    if num == 0:
        return np.zeros(shown.shape, bool)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    largest = ndimage.binary_fill_holes(parts == sizes.argmax())
    return ndimage.distance_transform_edt(~largest) <= 8


def _is_letter(part: np.ndarray) -> bool:
    height, width = part.shape
    share = part.mean()
    return _HEIGHTS[0] <= max(height, width) <= _HEIGHTS[1] and min(height, width) >= 2 and 0.15 < share < 0.95


def _in_lines(boxes: list[tuple[slice, slice]], along: int) -> int:
    """Letters that have neighbours of about their size in a line; ``along`` 1 = side by side, 0 = one over another."""
    across = 1 - along
    seen: set[int] = set()
    for box in boxes:
        size = box[across].stop - box[across].start
        line = [
            number
            for number, other in enumerate(boxes)
            if abs((other[across].start + other[across].stop) - (box[across].start + box[across].stop)) < size
            and 0.6 < (other[across].stop - other[across].start) / size < 1.7
            and abs(other[along].start - box[along].start) < 8 * size
        ]
        if len(line) >= _FEWEST:
            seen.update(line)
    return len(seen)
