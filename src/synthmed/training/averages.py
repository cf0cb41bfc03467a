"""Averaged weights: the generator that is kept is the mean of its recent past (Karras et al. 2018)."""

import torch
from torch import nn


@torch.no_grad()
def update(average: nn.Module, network: nn.Module, *, half_life: int, seen: int, batch_size: int) -> None:
    """Move the average towards the network.

    Args:
        average: the same architecture; changed in place.
        network: the network as trained so far.
        half_life: images after which a weight counts half; ramped up as a tenth of the images seen.
        seen: images seen so far in the stage.
        batch_size: images in this step.
    """
    keep = 0.5 ** (batch_size / max(min(half_life, seen / 10), 1e-8))
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - keep)
    for old, new in zip(average.buffers(), network.buffers(), strict=True):
        if old.is_floating_point():
            old.lerp_(new, 1 - keep)  # statistics of the averaged weights, not of the last ones
        else:
            old.copy_(new)
