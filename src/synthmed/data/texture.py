"""The texture map of Ren et al. 2019: Sobel edges laid over the breast mask, which say more than the mask."""

import torch
from torch import Tensor
from torch.nn import functional

from synthmed.running.devices import full_precision
from synthmed.shapes import Image, OneHot


def texture_map(images: Image, masks: Tensor, *, full: float = 0.1) -> OneHot:
    """Edges inside the mask.

    The paper takes Sobel filters in both directions and lays the result over the mask; it does not say how. Here a
    pixel is 0 outside the mask, 0.5 where the breast is flat, and 1 where the edge strength, the root mean square of
    both directions as in ``skimage.filters.sobel``, is ``full`` or more. So both the mask and the edges can be read
    off it, and the scale is the same for every image.

    Args:
        images: [N C H W] in [-1, 1]; edges are those of the mean channel.
        masks: [N H W] labels, 0 = outside.
        full: edge strength that is shown as 1, as a share of the intensity range per pixel, above 0.

    Returns:
        [N 1 H W] in [0, 1], float32, on the device of the images.

    Example:
        >>> step = torch.full((1, 1, 8, 8), -1.0)
        >>> step[..., 4:] = 1.0
        >>> texture_map(step, torch.ones(1, 8, 8)).amax().item()
        1.0
    """
    with full_precision(images.device):  # edges of 8 bits would be other edges
        return _texture_map(images.float(), masks, full)


def _texture_map(images: Image, masks: Tensor, full: float) -> OneHot:
    grey = images.mean(dim=1, keepdim=True).add(1).div(2)
    padded = functional.pad(grey, (1, 1, 1, 1), mode="replicate")
    down, across = _slope(_smooth(padded, 3), 2), _slope(_smooth(padded, 2), 3)
    strength = torch.sqrt((down**2 + across**2) / 2)
    edges = (strength / full).clamp(0, 1)
    return (masks > 0).unsqueeze(1) * (0.5 + edges / 2)


def _smooth(image: Tensor, axis: int) -> Tensor:
    """The weighted mean (1 2 1) / 4 along an axis, which loses its ends."""
    inner = image.shape[axis] - 2
    first, middle, last = (image.narrow(axis, start, inner) for start in range(3))
    return (first + last) / 4 + middle / 2


def _slope(image: Tensor, axis: int) -> Tensor:
    """The difference over two pixels along an axis: with the mean across, scikit-image's Sobel filter."""
    inner = image.shape[axis] - 2
    return image.narrow(axis, 0, inner) - image.narrow(axis, 2, inner)
