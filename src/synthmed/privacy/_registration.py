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
_BANDS = ((1, 0.5, 3.0), (2, 1.2, 5.0), (2, 2.5, 8.0))
"""Resolutions at which aligned images are compared: reduction, smoothing, and reach of the surroundings, in pixels."""
_SOFT = (0.0, 1.0, 2.0, 4.0)
"""Smoothing of the references, in pixels: a copy may be softer than its original."""
_AFFINE, EXACT = ((0.25, 4), (0.5, 3), (0.5, 3)), ((1.0, 3),)
"""Scale of the images and steps, from coarse to fine, and then for the best; each row lays the queries anew."""
_TOGETHER, _STEPS = 4.0, 6
"""Of what is bent: surroundings that move together, and steps. Coarser scales lead fine structure astray."""
_SMOOTH, _BLUR = 1.6, 0.8
"""Smoothing of structure when it is aligned and when it is bent: what is less smooth depends on where between the
pixels an image is read, which six numbers would follow."""
_WIDE, _NARROW = 4.0, 2.5
"""Surroundings of structure, likewise."""
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


def aligned(
    queries: Tensor, references: Tensor, positions: Tensor, scales: Sequence[tuple[float, int]] = _AFFINE
) -> Tensor:
    """Positions at which affine maps of the queries [N 1 H W] lie best over the references, from rough ones."""
    for scale, steps in scales:
        laid = _Laid(queries, references, positions, scale, _SMOOTH, _WIDE)
        unit = torch.meshgrid(*(torch.linspace(-1, 1, side) for side in laid.size), indexing="ij")
        basis = torch.linalg.qr(torch.stack([torch.ones_like(unit[0]), *unit]).flatten(1).T)[0]  # [P 3]
        for _ in range(steps):
            across, down, gap = (one.flatten(2) for one in laid.slopes_and_gap())
            turns = torch.cat([across * basis.T, down * basis.T], 1)  # [N 6 P]
            normal = turns @ turns.transpose(1, 2)
            loading = 0.01 * normal.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] + 1e-6
            step = torch.linalg.solve(normal + loading * torch.eye(6), turns @ gap.transpose(1, 2))[..., 0]
            away = (step.reshape(-1, 2, 3) @ basis.T).reshape(laid.moves.shape)
            longest = away.abs().amax((1, 2, 3), keepdim=True)
            laid.moves += away * (_BORDER / longest.clamp_min(_BORDER))
        positions = laid.positions()
    return positions


def bent(queries: Tensor, references: Tensor, positions: Tensor) -> Tensor:
    """The same with a smooth field of displacements upon the positions [N 2 H W]."""
    laid, window = _Laid(queries, references, positions, 1.0, _BLUR, _NARROW), gaussian(_TOGETHER)
    for _ in range(_STEPS):
        across, down, gap = laid.slopes_and_gap()
        products = [across * across, across * down, down * down, across * gap, down * gap]
        # They are smoothed so much that half the size is enough.
        xx, xy, yy, by_x, by_y = smooth(functional.avg_pool2d(torch.cat(products, 1), 2), window).split(1, 1)
        loading = _STIFF * (xx + yy).mean((1, 2, 3), keepdim=True) + 1e-6
        xx, yy = xx + loading, yy + loading
        bottom = xx * yy - xy.square()
        step = torch.cat([(yy * by_x - xy * by_y) / bottom, (xx * by_y - xy * by_x) / bottom], 1)
        laid.moves += functional.interpolate(step.clamp(-1.5, 1.5), laid.size, mode="bilinear")
    return laid.positions()


class _Laid:
    """Queries laid over references at one scale, and how they are moved from there.

    Structure is taken once the query lies there: taken before, its surroundings would be as much larger as the query
    is, and would hold what lies beyond the reference.

    Attributes:
        size: height and width at this scale.
        moves: [N 2 h w] where the laid query is read, from the grid on.
    """

    def __init__(
        self, queries: Tensor, references: Tensor, positions: Tensor, scale: float, blur: float, reach: float
    ) -> None:  # fmt: skip
        self._full = (references.shape[-2], references.shape[-1])
        self.size = max(8, round(self._full[0] * scale)), max(8, round(self._full[1] * scale))
        asked, known = _resized(queries, self.size), _resized(references, self.size)
        self._start = to_size(positions, self.size)
        laid, self._inside = _filled(asked, known, self._start)
        self._one, self._other = (structure(smooth(images, gaussian(blur)), reach) for images in (laid, known))
        self._grid = grid(*self.size)
        self.moves = self._grid.expand(len(queries), -1, -1, -1).clone()

    def slopes_and_gap(self) -> tuple[Tensor, Tensor, Tensor]:
        """Slopes across and down of the moved query, 0 where nothing lies, and what it lacks to the reference."""
        moved = sampled(self._one, self.moves)
        return (*_slopes(moved, self._inside), self._other - moved)

    def positions(self) -> Tensor:
        """[N 2 H W] where the queries are read, at full size."""
        found = self.moves + sampled(self._start - self._grid, self.moves)
        return to_size(found, self._full)


def unlikeness(queries: Tensor, references: Tensor, positions: Tensor, *, roughly: bool = False) -> Tensor:
    """The distance [N] of queries that are read at positions [N 2 H W] from references: 0 = the same, 1.41 = unrelated.

    The geometric mean over three resolutions of sqrt(2 - 2 correlation) of fine structure, where both images lie; the
    references made as soft as it needs: smoothed by one of ``_SOFT``.

    Args:
        queries: [N 1 H W].
        references: of the same size.
        positions: where the queries are read.
        roughly: leave out the finest resolution, which costs most.
    """
    bands = _BANDS[1:] if roughly else _BANDS
    finest, (height, width) = bands[0][0], references.shape[-2:]
    sizes = {step: (max(8, height // step), max(8, width // step)) for step, _, _ in bands}
    queries, references = (_resized(images, sizes[finest]) for images in (queries, references))
    moved, inside = _filled(queries, references, to_size(positions, sizes[finest]))
    edge = min(-(-_BORDER // finest), (min(sizes[finest]) - 1) // 4)
    inside = functional.pad(inside[..., edge:-edge, edge:-edge], (edge,) * 4) if edge else inside
    found = torch.zeros(len(_SOFT), len(queries))
    for step, blur, reach in bands:
        one, theirs, seen = (_resized(images, sizes[step]) for images in (moved, references, inside))
        one = structure(smooth(one, gaussian(blur / step)), reach / step)
        for place, sigma in enumerate(_SOFT):
            softer = smooth(theirs, gaussian(math.hypot(blur, sigma) / step))
            alike = _correlation(one, structure(softer, reach / step), (seen == 1).float())
            found[place] += (2 - 2 * alike).clamp_min(1e-8).log() / (2 * len(bands))
    return found.exp().amin(0)


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


def _filled(queries: Tensor, references: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Queries read at positions, and where they lie, 1 or 0.

    Where a query does not reach the reference stands for it, in the query's own brightness and contrast: so no border
    of black is compared.
    """
    moved, inside = sampled(queries, positions), _inside(queries, positions)
    return torch.where(inside > 0, moved, _like(references, moved, inside)), inside


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
