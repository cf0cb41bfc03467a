"""Laying one image over another that may be a bent, turned or resized copy of it, and how alike they are then.

What is aligned and compared is fine structure: every value is taken relative to the mean and the spread of its
surroundings, so that neither brightness nor a change of contrast counts, and every place counts alike. The search
goes from coarse to fine: six numbers of an affine map by Gauss-Newton steps (Lucas and Kanade 1981; Baker and Matthews
2004), then a smooth field of displacements, each place by the normal equations of its surroundings.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from synthmed.evaluation.features.reduction import gaussian, smooth

_FLAT = 0.1
"""Spread of the surroundings, in spreads of the image, below which structure counts less."""
_BANDS = ((0.5, 3.0), (1.2, 5.0), (2.5, 8.0))
"""Resolutions at which aligned images are compared: smoothing, and reach of the surroundings, in pixels."""
SOFT = (0.0, 1.0, 2.0, 4.0)
"""Smoothing of the references, in pixels: a copy may be softer than its original."""
_AFFINE = ((0.25, 8), (0.5, 5))
"""Scale of the images and steps, from coarse to fine."""
_ELASTIC = ((0.5, 6.0, 3), (1.0, 10.0, 3))
"""Scale, reach of the surroundings that move together, and steps."""
_REACH, _BLUR = 4.0, 0.8
_STIFF = 0.05
_BORDER = 3


def structure(images: Tensor, reach: float, flat: float = _FLAT) -> Tensor:
    """Images [N C H W], every value relative to mean and spread of its surroundings of ``reach`` pixels."""
    window = gaussian(reach)
    middle = smooth(images, window)
    spread = (smooth(images.square(), window) - middle.square()).clamp_min(0)
    floor = flat**2 * images.flatten(1).var(1)[:, None, None, None] + 1e-8
    return (images - middle) / (spread + floor).sqrt()


def grid(height: int, width: int) -> Tensor:
    """The position of every pixel, [2 H W]: columns, then rows."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([columns, rows]).float()


def similar(positions: Tensor, angle: float, scale: float, middle: tuple[float, float] | None = None) -> Tensor:
    """Positions [2 H W] that turn an image by ``angle`` degrees about its middle, and enlarge it ``scale`` times."""
    row, column = middle or ((positions.shape[1] - 1) / 2, (positions.shape[2] - 1) / 2)
    centre = torch.tensor([column, row])[:, None, None]
    turn = math.radians(angle)
    matrix = torch.tensor([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]) / scale
    return torch.einsum("ij,jhw->ihw", matrix, positions - centre) + centre


def sampled(images: Tensor, positions: Tensor) -> Tensor:
    """Images [N C H W] read at positions [N 2 h w], bilinear; beyond the border it repeats."""
    height, width = images.shape[-2:]
    size = torch.tensor([max(1, width - 1), max(1, height - 1)])
    return functional.grid_sample(images, positions.permute(0, 2, 3, 1) * (2 / size) - 1, mode="bilinear",
                                  padding_mode="border", align_corners=True)  # fmt: skip


def aligned(queries: Tensor, references: Tensor, positions: Tensor) -> Tensor:
    """Positions at which affine maps of the queries [N 1 H W] lie best over the references, from rough ones."""
    for scale, steps in _AFFINE:
        one, other, positions, unit = _at_scale(queries, references, positions, scale)
        basis = torch.linalg.qr(torch.stack([torch.ones_like(unit[0]), *unit]).flatten(1).T)[0]  # [P 3]
        for _ in range(steps):
            moved, inside = sampled(one, positions), _inside(one, positions)
            across, down = (slope.flatten(2) for slope in _slopes(moved, inside))
            turns = torch.cat([across * basis.T, down * basis.T], 1)  # [N 6 P]
            normal = turns @ turns.transpose(1, 2)
            loading = 0.01 * normal.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] + 1e-6
            right = turns @ (other - moved).flatten(2).transpose(1, 2)
            step = torch.linalg.solve(normal + loading * torch.eye(6), right)[..., 0].reshape(-1, 2, 3)
            away = (step @ basis.T).reshape(positions.shape)
            longest = away.abs().amax((1, 2, 3), keepdim=True)
            positions = positions + away * (_BORDER / longest.clamp_min(_BORDER))
        positions = to_size(positions, references.shape[-2:])
    return positions


def bent(queries: Tensor, references: Tensor, positions: Tensor) -> Tensor:
    """The same with a smooth field of displacements upon the positions [N 2 H W]."""
    for scale, reach, steps in _ELASTIC:
        one, other, positions, _ = _at_scale(queries, references, positions, scale)
        window = gaussian(reach)
        for _ in range(steps):
            moved, inside = sampled(one, positions), _inside(one, positions)
            (across, down), gap = _slopes(moved, inside), other - moved
            products = [across * across, across * down, down * down, across * gap, down * gap]
            xx, xy, yy, by_x, by_y = smooth(torch.cat(products, 1), window).split(1, 1)
            loading = _STIFF * (xx + yy).mean((1, 2, 3), keepdim=True) + 1e-6
            xx, yy = xx + loading, yy + loading
            bottom = xx * yy - xy.square()
            step = torch.cat([(yy * by_x - xy * by_y) / bottom, (xx * by_y - xy * by_x) / bottom], 1)
            positions = positions + step.clamp(-1.5, 1.5)
        positions = to_size(positions, references.shape[-2:])
    return positions


def unlikeness(
    queries: Tensor, references: Tensor, positions: Tensor, softness: Sequence[float] = SOFT
) -> tuple[Tensor, Tensor]:
    """The distance of queries that are read at positions [N 2 H W] from references: 0 = the same, 1.41 = unrelated.

    The geometric mean over three resolutions of sqrt(2 - 2 correlation) of fine structure, where both images lie; the
    references made as soft as it needs: smoothed by one of ``softness``, in pixels.

    Returns:
        Distances [N], and the softness [N] of each.
    """
    height, width = references.shape[-2:]
    moved = sampled(queries, positions)
    inside = _inside(queries, positions)
    edge = min(_BORDER, (min(height, width) - 1) // 4)
    inside = functional.pad(inside[..., edge : height - edge, edge : width - edge], (edge,) * 4)
    # Where the query does not reach the reference stands for it, in the query's own brightness and contrast: so no
    # border of black is compared.
    moved = torch.where(inside > 0, moved, _like(references, moved, inside))
    asked = [structure(smooth(moved, gaussian(blur)), reach) for blur, reach in _BANDS]
    found = []
    for sigma in softness:
        softer = softened(references, sigma)
        pairs = zip(asked, [structure(smooth(softer, gaussian(blur)), reach) for blur, reach in _BANDS], strict=True)
        logs = [(2 - 2 * _correlation(*pair, inside)).clamp_min(1e-8).log() / 2 for pair in pairs]
        found.append(torch.stack(logs).mean(0).exp())
    best = torch.stack(found).min(0)
    return best.values, torch.tensor(softness)[best.indices]


def softened(images: Tensor, sigma: float) -> Tensor:
    """Images smoothed by a Gaussian of so many pixels; 0 = as they are."""
    return smooth(images, gaussian(sigma)) if sigma else images


def _like(images: Tensor, others: Tensor, weight: Tensor) -> Tensor:
    """Images with the mean and the spread of others, both taken where ``weight`` is 1."""
    total = weight.sum((1, 2, 3), keepdim=True).clamp_min(1)
    means = [(weight * x).sum((1, 2, 3), keepdim=True) / total for x in (images, others)]
    spreads = [(weight * (x - m).square()).sum((1, 2, 3), keepdim=True).sqrt() for x, m in
               zip((images, others), means, strict=True)]  # fmt: skip
    return (images - means[0]) * (spreads[1] / spreads[0].clamp_min(1e-6)) + means[1]


def _correlation(one: Tensor, other: Tensor, weight: Tensor) -> Tensor:
    total = weight.sum((1, 2, 3), keepdim=True).clamp_min(1)
    one, other = (weight * (x - (weight * x).sum((1, 2, 3), keepdim=True) / total) for x in (one, other))
    bottom = (one.square().sum((1, 2, 3)) * other.square().sum((1, 2, 3))).sqrt()
    over = (one * other).sum((1, 2, 3))
    # A constant image has no structure that could be copied; rounding leaves it a tiny one.
    return torch.where(bottom > 1e-2, over / bottom.clamp_min(1e-2), torch.zeros_like(over)).clamp(-1, 1)


def _at_scale(
    queries: Tensor, references: Tensor, positions: Tensor, scale: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Structure of both images at a scale, positions there, and the grid from -1 to 1."""
    size = max(8, round(references.shape[-2] * scale)), max(8, round(references.shape[-1] * scale))
    pair = [structure(smooth(_resized(images, size), gaussian(_BLUR)), _REACH) for images in (queries, references)]
    unit = torch.stack(torch.meshgrid(*(torch.linspace(-1, 1, side) for side in size), indexing="ij")).flip(0)
    return pair[0], pair[1], to_size(positions, size), unit


def _resized(images: Tensor, size: tuple[int, int]) -> Tensor:
    return images if images.shape[-2:] == size else functional.adaptive_avg_pool2d(images, size)


def to_size(positions: Tensor, size: tuple[int, ...]) -> Tensor:
    """Positions of images of another size: corners stay corners."""
    height, width = positions.shape[-2:]
    if (height, width) == tuple(size):
        return positions
    factor = torch.tensor([(size[1] - 1) / (width - 1), (size[0] - 1) / (height - 1)])[:, None, None]
    return functional.interpolate(positions, size, mode="bilinear", align_corners=True) * factor


def _inside(images: Tensor, positions: Tensor) -> Tensor:
    """1 where positions [N 2 H W] lie in the images, else 0: [N 1 H W]."""
    height, width = images.shape[-2:]
    last = torch.tensor([width - 1, height - 1])[:, None, None]
    return ((positions > -0.5) & (positions < last + 0.5)).all(1, keepdim=True).float()


def _slopes(images: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """Across and down, by central differences; 0 at the border and where nothing lies."""
    across, down = torch.zeros_like(images), torch.zeros_like(images)
    across[..., 1:-1] = (images[..., 2:] - images[..., :-2]) / 2
    down[..., 1:-1, :] = (images[..., 2:, :] - images[..., :-2, :]) / 2
    return across * inside, down * inside
