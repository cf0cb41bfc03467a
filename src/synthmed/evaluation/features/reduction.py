"""Images made smaller and smoother, as products with matrices: quick, and alike for any batch."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional


def shares(stored: NDArray[np.integer]) -> Tensor:
    """Stored pixels, uint8 or uint16, as shares of their range: [0, 1]."""
    return torch.from_numpy(stored.astype(np.float32)) / float(np.iinfo(stored.dtype).max)


def reduced(images: Tensor, longest: int) -> Tensor:
    """Images [N C H W] by area averaging to a longest side of ``longest``, then lightly smoothed.

    The smoothing makes a copy that was shifted by a part of a reduced pixel, or re-compressed, look the same.
    """
    return smooth(area(images, longest), torch.tensor([1.0, 2.0, 1.0]) / 4)


def area(images: Tensor, longest: int) -> Tensor:
    """Images [N C H W] by area averaging to a longest side of ``longest``; smaller ones stay as they are."""
    height, width = images.shape[-2:]
    scale = min(1.0, longest / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    return functional.adaptive_avg_pool2d(images, size) if scale < 1 else images


def smooth(images: Tensor, kernel: Tensor) -> Tensor:
    """A separable convolution of every channel; borders repeat. As products with matrices, which are quick."""
    rows, columns = (_band(size, kernel) for size in images.shape[-2:])
    return rows @ images @ columns.T


def _band(size: int, kernel: Tensor) -> Tensor:
    """The matrix [size size] of a convolution whose border repeats."""
    at = torch.arange(size)[:, None] + torch.arange(len(kernel)) - len(kernel) // 2
    return torch.zeros(size, size).scatter_add_(1, at.clamp(0, size - 1), kernel.expand(size, -1))


def gaussian(sigma: float) -> Tensor:
    """A Gaussian of that spread in pixels, cut at three of them, of sum 1."""
    offsets = torch.arange(-round(3 * sigma), round(3 * sigma) + 1, dtype=torch.float32)
    weights = torch.exp(-offsets.square() / (2 * sigma**2))
    return weights / weights.sum()
