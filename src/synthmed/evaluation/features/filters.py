"""Fixed random filters: quick features that need no weights and keep where something lies in the image."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from synthmed.evaluation.features._contract import VERSION, Extractor
from synthmed.evaluation.features.reduction import reduced, shares

_SIDE = 32
_SEED = 0


def random_filters() -> Extractor:
    """The extractor of random filters: one plane of an image to 256 numbers."""
    return Extractor(
        name="random_filters",
        about=f"32 fixed random filters at two scales of at most {_SIDE} pixels, their strength in each quarter of the "
        "image; brightness and contrast taken out; 256 features a channel",
        planes=1,
        key={"name": "random_filters", "seed": _SEED, "version": VERSION},
        arbitrary_units=True,
        run=lambda images: features(images),
        batch=64,
    )


def features(images: NDArray[np.integer]) -> NDArray[np.float32]:
    """The strength of each filter: [N 1 H W] uint8 or uint16 -> [N 256].

    Example:
        >>> features(np.zeros((2, 1, 64, 64), np.uint8)).shape
        (2, 256)
    """
    small = reduced(shares(images), _SIDE)
    small = small - small.mean((1, 2, 3), keepdim=True)
    small = small / small.std((1, 2, 3), keepdim=True, correction=0).clamp_min(1e-6)
    filters = torch.randn(32, 1, 5, 5, generator=torch.Generator().manual_seed(_SEED))
    filters = filters - filters.mean((2, 3), keepdim=True)
    filters = filters / filters.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    strengths = []
    for scaled in (small, functional.avg_pool2d(small, 2, ceil_mode=True)):
        answers = functional.conv2d(functional.pad(scaled, (2, 2, 2, 2), mode="replicate"), filters)
        strengths.append(functional.adaptive_avg_pool2d(answers.abs(), 2).flatten(1))
    return torch.cat(strengths, dim=1).numpy()
