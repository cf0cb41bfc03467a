"""The codes whose images are most like given ones, from where an encoder begins (Zhu et al. 2020)."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite

import torch
from torch import Tensor

from synthmed.generation.model import Model
from synthmed.networks.textures import TextureNetwork
from synthmed.shapes import Given, Image, PerSample

_TOGETHER = 16
"""Images in one batch; each has its own sum and its own steps, so they do not disturb each other."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """How codes are sought.

    Args:
        steps: of Adam.
        rate: its step size.
        pixel: weight of the mean squared error of pixels in [-1, 1].
        feature: weight of the squared distance of features.
        code: weight of the mean squared difference between a code and what the encoder finds in its image, which holds
            codes where the generator is at home.
    """

    steps: int = 100
    rate: float = 0.05
    pixel: float = 1.0
    feature: float = 0.1
    code: float = 0.02


def optimised(
    model: Model, wanted: Image, begin: Tensor, search: Search, perception: TextureNetwork,
    regions: Tensor | None = None, told: Callable[[int], None] = lambda done: None,
) -> tuple[Tensor, list[int]]:  # fmt: skip
    """Codes whose images are most like the wanted ones.

    Args:
        model: with an encoder.
        wanted: Image [-1, 1].
        begin: codes of the same number.
        search: how.
        perception: what features are.
        regions: [N 1 H W] in [0, 1], how much each pixel counts; None = all alike.
        told: hears how many images are done.

    Returns:
        Codes, the best that each search has seen, and the places of images whose search diverged: theirs was begun
        again at a tenth of the rate.
    """
    found, again = [], []
    for first in range(0, len(wanted), _TOGETHER):
        rows = slice(first, first + _TOGETHER)
        region = None if regions is None else regions[rows].to(model.device)
        given = wanted[rows].to(model.device), begin[rows].to(model.device)
        codes, best, start = _descend(model, *given, search, search.rate, perception, region)
        lost = [place for place, (now, then) in enumerate(zip(best, start, strict=True))
                if search.steps and not now < then]  # fmt: skip
        if lost:
            some = torch.tensor(lost, device=model.device)
            parts = (given[0][some], given[1][some], search, search.rate / 10, perception)
            codes[some], *_ = _descend(model, *parts, None if region is None else region[some])
            again += [first + place for place in lost]
        found.append(codes.cpu())
        told(min(first + _TOGETHER, len(wanted)))
    return torch.cat(found), again


def _descend(
    model: Model, wanted: Image, begin: Tensor, search: Search, rate: float, perception: TextureNetwork,
    region: Tensor | None,
) -> tuple[Tensor, list[float], list[float]]:  # fmt: skip
    """The best codes, their sums, and the sums at the beginning."""
    perception = perception.to(wanted.device)
    covered = torch.ones_like(wanted[:, :1]) if region is None else region
    with torch.no_grad():
        features = perception.embed(wanted * covered)
    codes = begin.clone().requires_grad_()
    optimizer = torch.optim.Adam([codes], lr=rate)
    best, kept, start = torch.full((len(wanted),), torch.inf, device=wanted.device), begin.clone(), None
    for step in range(search.steps + 1):
        sums = _sums(model, wanted, codes, covered, features, search, perception)
        now = torch.where(torch.isfinite(sums.detach()), sums.detach(), torch.inf)
        start = now if start is None else start
        better = now < best
        best = torch.where(better, now, best)
        kept[better] = codes.detach()[better]
        if step == search.steps or not any(isfinite(one) for one in now.tolist()):
            break
        optimizer.zero_grad()
        sums.sum().backward()
        optimizer.step()
    assert start is not None
    return kept, best.tolist(), start.tolist()


def _sums(
    model: Model, wanted: Image, codes: Tensor, covered: Tensor, features: Tensor, search: Search,
    perception: TextureNetwork,
) -> PerSample:  # fmt: skip
    made = model.encoder.decode(codes, Given())
    apart = (covered * (made - wanted).square()).sum((1, 2, 3)) / (covered.sum((1, 2, 3)) * made.shape[1])
    sums = search.pixel * apart
    if search.feature:
        sums = sums + search.feature * (perception.embed(made * covered) - features).square().sum(1)
    if search.code:
        again = model.encoder.encode(made, Given())
        sums = sums + search.code * (codes - again).square().flatten(1).mean(1)
    return sums
