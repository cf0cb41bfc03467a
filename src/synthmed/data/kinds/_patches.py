"""Where patches are cut: at the lesions, and at random places inside the breast that have no finding."""

from hashlib import sha256

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

CORE = 32
"""Side in pixels of the middle of a healthy patch that lies inside the breast and holds no finding."""

_MIDDLE = 0.1
"""Share of the body's width, around its middle, in which the front of the chest is looked for."""


def body_of(volume: np.ndarray) -> np.ndarray:
    """The body in an MR volume [Z H W]: brighter than a third of Otsu's threshold, largest part of each slice, filled.

    Signal falls off away from the coil, so that Otsu's threshold itself would lose the back.

    Returns:
        bool [Z H W].
    """
    body = np.zeros(volume.shape, bool)
    if volume.max() <= 0:
        return body
    smooth = ndimage.gaussian_filter(volume, (0, 2, 2))
    bright = smooth > threshold_otsu(smooth) / 3
    for index, slice_ in enumerate(bright):
        parts, count = ndimage.label(slice_)
        if count:
            sizes = np.bincount(parts.ravel())
            sizes[0] = 0
            body[index] = ndimage.binary_fill_holes(parts == sizes.argmax())
    return body


def breast_of(body: np.ndarray) -> np.ndarray:
    """The breasts [Z H W] bool: what of the body lies in front of the skin over the breastbone.

    In each slice the first row of the body is looked up in the tenth of its width around its middle; the median is the
    front of the chest, and all of the body before it is breast. This leaves out what lies beside and behind: it is
    meant for sampling, not for measuring.
    """
    breast = np.zeros_like(body)
    for index, slice_ in enumerate(body):
        columns = np.flatnonzero(slice_.any(axis=0))
        if not len(columns):
            continue
        middle, half = (columns[0] + columns[-1]) / 2, max(1.0, _MIDDLE * len(columns) / 2)
        near = columns[abs(columns - middle) <= half]
        if len(near):
            front = int(np.median(slice_[:, near].argmax(axis=0)))
            breast[index, :front] = slice_[:front]
    return breast


def lesion_centres(mask: np.ndarray, smallest: int) -> list[tuple[int, int, int, int]]:
    """The centre of mass of every lesion in every slice that shows it.

    Args:
        mask: [Z H W], 0 where there is no lesion.
        smallest: pixels in a slice below which a piece of lesion gets no centre.

    Returns:
        (slice, row, column, value of the mask most often found there), by slice.
    """
    centres = []
    for depth in np.flatnonzero(mask.any(axis=(1, 2))):
        pieces, count = ndimage.label(mask[depth] > 0, np.ones((3, 3)))
        for number in range(1, count + 1):
            piece = pieces == number
            if piece.sum() >= smallest:
                row, column = ndimage.center_of_mass(piece)
                value = int(np.bincount(mask[depth][piece]).argmax())
                centres.append((int(depth), round(row), round(column), value))
    return centres


def healthy_centres(region: np.ndarray, mask: np.ndarray | None, num: int, key: str) -> list[tuple[int, int, int]]:
    """Draw places whose middle of 32 x 32 pixels lies inside a region and holds no finding, none close to another.

    The same key gives the same places, whoever else is prepared.

    Args:
        region: [Z H W] bool.
        mask: [Z H W], 0 where there is no finding; None = no findings.
        num: how many, at most.
        key: whatever the draw depends on, such as patient and seed.

    Returns:
        (slice, row, column), by slice.
    """
    generator = np.random.default_rng(int.from_bytes(sha256(key.encode()).digest()[:16]))
    free = region if mask is None else region & (mask == 0)
    # A square is inside where all of its pixels are: a minimum over the square.
    inside = ndimage.minimum_filter(free.astype(np.uint8), (1, CORE, CORE), mode="constant")
    places = np.argwhere(inside)
    chosen: list[tuple[int, int, int]] = []
    for index in generator.permutation(len(places)):
        depth, row, column = (int(value) for value in places[index])
        if len(chosen) == num:
            break
        if all(depth != z or abs(row - y) >= CORE or abs(column - x) >= CORE for z, y, x in chosen):
            chosen.append((depth, row, column))
    return sorted(chosen)


def cut(volume: np.ndarray, centre: tuple[int, int, int], height: int, width: int) -> np.ndarray:
    """A patch [... height width] of one slice of [... Z H W]; at the border it is moved inwards.

    Pixel ``height // 2`` of the patch is the centre.
    """
    depth, row, column = centre
    top = min(max(0, row - height // 2), volume.shape[-2] - height)
    left = min(max(0, column - width // 2), volume.shape[-1] - width)
    return volume[..., depth, top : top + height, left : left + width]
