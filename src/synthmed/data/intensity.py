"""Stored pixels -> tensors in [-1, 1] and back, exact for every stored value."""

import numpy as np
import torch
from torch import Tensor

from synthmed.shapes import Image


def to_unit_range(stored: np.ndarray | Tensor) -> Image:
    """Map stored pixels [N C H W], uint8 or uint16, to float32 in [-1, 1]: 0 -> -1, the largest value -> 1.

    A tensor stays on its device; an array becomes a tensor on the CPU.
    """
    tensor = torch.from_numpy(np.ascontiguousarray(stored)) if isinstance(stored, np.ndarray) else stored
    half = _half(16 if tensor.dtype == torch.uint16 else 8)
    return tensor.to(torch.float32).div_(half).sub_(1.0)


def to_stored(image: Image, bits: int) -> np.ndarray:
    """Map an Image in [-1, 1] to stored pixels [N C H W], rounded; what lies outside is clipped.

    Args:
        image: any device, any floating type.
        bits: 8 -> uint8, 16 -> uint16.
    """
    values = image.detach().to("cpu", torch.float32).add(1.0).mul_(_half(bits)).round_()
    return values.clamp_(0, 2 * _half(bits)).numpy().astype(np.uint16 if bits == 16 else np.uint8)


def _half(bits: int) -> float:
    assert bits in (8, 16), f"stored pixels have 8 or 16 bits, not {bits}"
    return (2**bits - 1) / 2
