"""The field of view of a photograph: where the camera saw something."""

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu


def field_of_view(image: np.ndarray) -> np.ndarray:
    """Compute the field of view of a retina photograph on its black ground.

    Otsu's threshold on the brightest channel (red, in a retina), the largest connected part without holes.

    Args:
        image: stored pixels [C H W], uint8 or uint16.

    Returns:
        Field [H W], uint8 of {0, 1}; all ones where the picture has one value only.
    """
    channel = image[image.reshape(len(image), -1).mean(axis=1).argmax()]
    if channel.min() == channel.max():
        return np.ones(channel.shape, np.uint8)
    parts, _ = ndimage.label(channel > threshold_otsu(channel))
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return ndimage.binary_fill_holes(parts == sizes.argmax()).astype(np.uint8)
