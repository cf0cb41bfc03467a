"""Which images a training step sees: a function of the number of images seen before; no state to save."""

from functools import lru_cache

import numpy as np


def batch_indices(num: int, batch_size: int, seed: int, first: int) -> np.ndarray:
    """Indices of the images number ``first`` to ``first + batch_size - 1`` of an endless shuffled stream.

    The stream is one seeded permutation of all ``num`` images after the other, so every image is seen once an
    epoch, and a batch may span two epochs. Resuming at image ``first`` needs nothing else.

    Args:
        num: images in the set, at least 1.
        batch_size: how many indices.
        seed: 0 or more; another seed, another stream.
        first: images seen so far, 0 or more.

    Returns:
        int64 [batch_size], each in 0 to num - 1.

    Example:
        >>> bool((np.sort(batch_indices(5, 5, seed=0, first=10)) == np.arange(5)).all())
        True
    """
    assert num > 0 and first >= 0, f"a stream needs images (num {num}) and a position (first {first})"
    positions = np.arange(first, first + batch_size)
    epochs, places = np.divmod(positions, num)
    indices = np.empty(batch_size, np.int64)
    for epoch in np.unique(epochs):
        chosen = epochs == epoch
        indices[chosen] = _permutation(num, seed, int(epoch))[places[chosen]]
    return indices


# Steps go through an epoch in order, at most two of them in a batch.
@lru_cache(maxsize=2)
def _permutation(num: int, seed: int, epoch: int) -> np.ndarray:
    order = np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, epoch)))).permutation(num)
    order.setflags(write=False)
    return order
