"""Letters in a picture, outside the anatomy: a name that was burned in would be trained on and handed on."""

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.morphology import convex_hull_image

_SIDE = 1024  # pictures are looked at with at most this longer side
_CONTRAST = 0.15  # of the range: letters are set to be read
_HEIGHTS = (6, 60)
_EVEN = 0.06  # of the range: how much the ground under letters varies
_TOGETHER = 0.03  # of the longer side: bright parts that are nearer than twice this belong together
_FEWEST = 3
"""Letters in a line that make a text."""


def count_letters(picture: np.ndarray) -> int:
    """Letter-like things that stand in lines of at least three, outside the anatomy.

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
    boxes = [
        box
        for number, box in enumerate(ndimage.find_objects(parts), start=1)
        if _is_letter(parts, number, box, shown, _EVEN + 2 * grain)
    ]
    return max(_in_lines(boxes, along) for along in (0, 1))


def _reduced(picture: np.ndarray) -> np.ndarray:
    """In [0, 1] between the extreme percentiles, at most ``_SIDE`` pixels long."""
    low, high = np.percentile(picture, (0.1, 99.9))
    shown = ((picture - low) / max(high - low, 1e-9)).clip(0, 1).astype(np.float32)
    scale = min(1.0, _SIDE / max(shown.shape))
    size = (max(1, round(shown.shape[1] * scale)), max(1, round(shown.shape[0] * scale)))
    return np.asarray(Image.fromarray(shown).resize(size, Image.Resampling.BOX))


def _anatomy(shown: np.ndarray) -> np.ndarray:
    """The convex hull of the largest group of bright parts that are more than strokes, and a little around it."""
    nothing = np.zeros(shown.shape, bool)
    solid = ndimage.grey_opening(shown, 7)
    if np.ptp(solid) == 0:
        return nothing
    bright = solid > threshold_otsu(solid) / 2
    near = ndimage.distance_transform_edt(~bright) <= _TOGETHER * max(shown.shape)
    parts, _ = ndimage.label(near)
    sizes = np.bincount(parts[bright], minlength=parts.max() + 1)
    sizes[0] = 0
    hull = convex_hull_image(bright & (parts == sizes.argmax()))
    return ndimage.distance_transform_edt(~hull) <= 8


def _is_letter(parts: np.ndarray, number: int, box: tuple[slice, slice], shown: np.ndarray, even: float) -> bool:
    """Whether a part has the size of a letter, is no block, and stands on an even ground, as anatomy never does."""
    height, width = (side.stop - side.start for side in box)
    if not (_HEIGHTS[0] <= max(height, width) <= _HEIGHTS[1] and min(height, width) >= 2):
        return False
    around = tuple(slice(max(0, side.start - 4), side.stop + 4) for side in box)
    part = parts[around] == number
    distance = ndimage.distance_transform_edt(~part)
    ground = shown[around][(distance > 2) & (distance <= 4) & (parts[around] == 0)]
    filled = part.sum() / (height * width)
    return 0.15 < filled < 0.95 and ground.size > 0 and float(np.ptp(np.percentile(ground, (10, 90)))) < even


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
