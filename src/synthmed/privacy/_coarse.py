"""Coarse structure: what is left of a copy that was blurred, or lies under noise.

A blur, whatever its width, weakens all waves of one length alike; noise adds the same strength to every wave. So images
are compared as cosine transforms that end at waves of a few pixels, each band of lengths brought to one strength: then
both sides have one resolution, and how soft either was no longer counts. What noise adds is read off the shortest
waves of the synthetic image, and correlations are corrected for it (attenuation; Spearman 1904). The real images that
chance is learned from go through the same.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthmed.evaluation._neighbours import nearest_groups
from synthmed.privacy._overlays import Found
from synthmed.privacy._views import moved, orient, orientations

_SHORTEST = 0.09
"""Cycles per pixel at which coarse structure ends: 11 pixels a wave, of 128 on the longest side."""
_LONGEST = 1.5
"""Half waves along the longest side at which it begins."""
_BAND = 3
"""Half waves along the longest side from one band to the next."""
_NOISE = 0.45
"""Cycles per pixel above which there is noise and little else."""
_LEAST = 0.05
"""Share of a band that is no noise, below which it is taken for this much."""
_ENOUGH = 0.3
"""Share of the waves that must surely be no noise."""
_DOUBT = 0.3
"""Standard errors of a correlation by which it is taken for lower."""
_PLACES = (-2, 0, 2)
"""Pixels by which an image is moved, each way."""
_NEAREST = 4
_AT_ONCE = 64
"""Images whose waves are taken at once."""


def nearest_coarse(
    queries: Tensor, references: Tensor, patients: NDArray[np.intp], own: NDArray[np.intp] | None
) -> Found:
    """The nearest patients by coarse structure, in every orientation and nine places.

    Args:
        queries: [N 1 H W], grey.
        references: [M 1 H W], in the order of their patients.
        patients: [M].
        own: [N] the patient of each query, who is left out; None = nobody is.
    """
    height, width = queries.shape[-2:]
    known, bands = orientations(height, width), _Bands(height, width)
    clean, weight = bands.clean(queries)  # [N B]
    total = (weight * bands.counts).sum(1, keepdim=True)
    # Of products with waves of mean square 1: each has the variance of its noise, (1 - clean) / clean.
    error = (weight.square() * (1 - clean) / clean.clamp_min(_LEAST) * bands.counts).sum(1, keepdim=True).sqrt()
    error = error / total.clamp_min(1e-6)
    # Of an image with few waves the law of chance is another one: nothing is told of it.
    known_waves = total >= _ENOUGH * bands.counts.sum()
    scale = torch.where(known_waves, weight / clean.clamp_min(_LEAST).sqrt() / total.clamp_min(1e-6), 0.0)[:, bands.of]
    variants = [(bands.waves(one) * scale).numpy() for code in known for one in moved(orient(queries, code), _PLACES)]
    # A product is the correlation with a reference, corrected for the noise of the query; it may exceed 1.
    products, who, rows, which = nearest_groups(variants, bands.waves(references).numpy(), patients, own, _NEAREST)
    squared = np.maximum(0, 2 - 2 * products) + 2 * _DOUBT * error.numpy()
    return np.sqrt(squared).astype(np.float32), who, rows, np.repeat(known, len(_PLACES) ** 2)[which]


class _Bands:
    """Which waves of an image of one size are coarse structure, and in which band of lengths each is."""

    def __init__(self, height: int, width: int) -> None:
        self._size = height, width
        down, across = torch.arange(height)[:, None] / (2 * height), torch.arange(width)[None] / (2 * width)
        self._rate, longest = torch.hypot(down, across), 2 * max(height, width)
        self._short = self._rate >= min(_NOISE, float(self._rate.max()))
        self._inside = (self._rate <= _SHORTEST) & (self._rate > _LONGEST / longest)
        if not self._inside.any():  # an image of a few pixels: all of it
            self._inside = self._rate > 0
        bands = (self._rate[self._inside] * longest / _BAND).long()
        self.of = bands.unique(return_inverse=True)[1]
        self.counts = self.of.bincount().float()

    def waves(self, images: Tensor) -> Tensor:
        """The coarse waves [N D] of images, of mean square 1 in every band; 0 where there is nothing."""
        found = torch.cat([self._transform(some)[:, self._inside] for some in images.split(_AT_ONCE)])
        strength = self._strength(found)
        scale = torch.where(strength > 1e-8, strength.clamp_min(1e-8).rsqrt(), 0.0)
        return found * scale[:, self.of]

    def clean(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The share of each band [N B] that is no noise, and what it surely is at least."""
        parts = []
        for some in images.split(_AT_ONCE):
            found = self._transform(some)
            noise = found[:, self._short].square().mean(1, keepdim=True)
            parts.append(noise / self._strength(found[:, self._inside]).clamp_min(1e-8))
        part = torch.cat(parts)
        # A mean square over n waves of noise strays by sqrt(2 / n) of itself.
        return (1 - part).clamp(0, 1), (1 - part * (1 + 2 * (2 / self.counts).sqrt())).clamp(0, 1)

    def _strength(self, waves: Tensor) -> Tensor:
        sums = torch.zeros(len(waves), len(self.counts)).index_add_(1, self.of, waves.square())
        return sums / self.counts

    def _transform(self, images: Tensor) -> Tensor:
        down, across = (_cosines(size) for size in self._size)
        return down @ images[:, 0] @ across.T


def _cosines(size: int) -> Tensor:
    """The orthonormal cosine transform [size size] (DCT-II): an image goes on mirrored beyond its border."""
    at = torch.arange(size)
    waves = torch.cos(torch.pi * at[:, None] * (at + 0.5) / size) * (2 / size) ** 0.5
    waves[0] /= 2**0.5
    return waves
