"""Whole images laid over each other: the highest normalised correlation over small shifts."""

import torch
from torch import Tensor
from torch.nn import functional


def largest_shift(images: Tensor) -> int:
    """Largest shift that is looked at: a sixteenth of the longest side."""
    return min(max(1, max(images.shape[-2:]) // 16), (min(images.shape[-2:]) - 1) // 3)


def coarse_step(images: Tensor) -> int:
    """Of the coarse search: no shift is further than half a step from one that was tried."""
    return max(1, round(largest_shift(images) * 2 / 3))


def correlate(queries: Tensor, references: Tensor) -> tuple[Tensor, Tensor]:
    """The highest normalised correlation of pairs of images [N C H W] over small shifts.

    The middle of the query is laid over the reference at every shift; both are brought to zero mean and equal
    spread there, so brightness and contrast do not count. By Fourier transforms.

    Returns:
        [N] in [-1, 1] and [N 2] the shift, in parts of the longest side.
    """
    height, width = queries.shape[-2:]
    reach = largest_shift(queries)
    inner = (height - 2 * reach, width - 2 * reach)
    middle = queries[..., reach : height - reach, reach : width - reach]
    middle = middle - middle.mean((-2, -1), keepdim=True)
    length = middle.square().sum((1, 2, 3))
    padded = functional.pad(middle, (reach,) * 4)
    product = torch.fft.rfft2(references) * torch.fft.rfft2(padded).conj()
    over = torch.fft.irfft2(product, s=(height, width)).sum(1)
    span = torch.arange(-reach, reach + 1)
    over = over[:, span[:, None] % height, span[None] % width]  # [N S S]
    # Spread of the reference below the query at each shift: sum of squares minus squared sum by number.
    reference = references - references.mean((-2, -1), keepdim=True)
    bands = [_windows(size, size - 2 * reach) for size in (height, width)]
    means, squares = (bands[0] @ one @ bands[1].T for one in (reference, reference.square()))
    spread = (squares - means.square()).clamp_min(0).sum(1)
    bottom = (spread * (inner[0] * inner[1]) * length[:, None, None]).sqrt()
    value = torch.where(bottom > 1e-3, over / bottom.clamp_min(1e-3), torch.zeros_like(bottom))
    place = value.flatten(1).argmax(1)
    rows, columns = place // (2 * reach + 1), place % (2 * reach + 1)
    best = _summit(value, rows, columns).clamp(-1, 1)
    return best, torch.stack([rows - reach, columns - reach], 1).float() / max(height, width)


def _summit(values: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The height [N] of parabolas through the highest of [N S S] and its neighbours: shifts by part of a pixel."""
    which, last = torch.arange(len(values)), values.shape[-1] - 1
    top = values[which, rows, columns]
    gain = torch.zeros_like(top)
    for down, right in ((1, 0), (0, 1)):
        inside = ((rows * down + columns * right) > 0) & ((rows * down + columns * right) < last)
        before = values[which, (rows - down).clamp_min(0), (columns - right).clamp_min(0)]
        after = values[which, (rows + down).clamp_max(last), (columns + right).clamp_max(last)]
        bend = (2 * top - before - after).clamp_min(1e-9)
        gain += torch.where(inside, (after - before).square() / (8 * bend), 0)
    return top + gain


def _windows(size: int, inner: int) -> Tensor:
    """The matrix that averages over every window of ``inner`` among ``size`` pixels, [size - inner + 1 size]."""
    starts, at = torch.arange(size - inner + 1)[:, None], torch.arange(size)
    return ((at >= starts) & (at < starts + inner)).float() / inner
