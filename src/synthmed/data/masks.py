"""Masks and fields of view: joined, told from pictures, and computed where a camera saw something."""

from collections.abc import Sequence

import numpy as np

from synthmed.errors import SourceError

_GLANCE = 32
"""Pixels that are looked at first: nearly every picture shows more than two values in so many."""


def holds_two_values(pixels: np.ndarray) -> bool:
    """Whether a picture of any shape and type holds exactly two values, none below 0, as a mask does."""
    values = pixels.ravel()
    if len(set(values[:: max(1, values.size // _GLANCE)].tolist())) > 2:
        return False
    low, high = values.min(), values.max()
    return bool(0 <= low < high and ((values == low) | (values == high)).all())


def refuse_mask(pixels: np.ndarray) -> None:
    """Refuse a picture that is a mask.

    Args:
        pixels: [F C H W] or [C H W] of any type.

    Raises:
        SourceError: it holds two values.
    """
    if holds_two_values(pixels):
        low, high = np.unique(pixels)
        raise SourceError(
            f"It holds the values {low:g} and {high:g} alone, as a mask does; expected a picture. Put masks into a "
            "folder named masks, or say by the settings masks or images which files are what."
        )


def join_masks(masks: Sequence[np.ndarray]) -> np.ndarray:
    """Several masks of one image as one: each pixel has the label that one of them gives it.

    Args:
        masks: label maps of one shape and type, 0 = background.

    Raises:
        SourceError: two of them give a pixel different labels.
    """
    joined = masks[0]
    for mask in masks[1:]:
        if ((joined != mask) & (joined > 0) & (mask > 0)).any():
            raise SourceError(
                "Its masks give one place different labels; expected one label a place. Merge them into one file."
            )
        joined = np.maximum(joined, mask)
    return joined


def field_of_view(image: np.ndarray) -> np.ndarray:
    """Compute the field of view of a retina photograph on its black ground.

    Otsu's threshold on the brightest channel (red, in a retina), the largest connected part without holes.

    Args:
        image: stored pixels [C H W], uint8 or uint16.

    Returns:
        Field [H W], uint8 of {0, 1}; all ones where the picture has one value only.
    """
    from scipy import ndimage  # here: every process of a preparation would wait for them
    from skimage.filters import threshold_otsu

    channel = image[image.reshape(len(image), -1).mean(axis=1).argmax()]
    if channel.min() == channel.max():
        return np.ones(channel.shape, np.uint8)
    parts, _ = ndimage.label(channel > threshold_otsu(channel))
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return ndimage.binary_fill_holes(parts == sizes.argmax()).astype(np.uint8)
