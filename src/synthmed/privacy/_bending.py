"""The nearest patients of images that may be turned by some degrees, resized, cropped or bent: the space "bent".

First every query is laid over every reference coarsely, in a bank of turns, sizes and places. The patients nearest
then are aligned by affine maps, the best of these also by a smooth field of displacements where that is better, and
what is left of the difference is the distance (``_registration``). Real images that are no copies go through the same
search when chance is learned, so what the search itself brings nearer does not count.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from synthmed.evaluation._neighbours import nearest_groups
from synthmed.evaluation.features.reduction import area
from synthmed.privacy._registration import EXACT, aligned, bent, grid, sampled, similar, structure, unlikeness
from synthmed.privacy._views import orient, orientations

_ANGLES, _SIZES = (-12, -6, 0, 6, 12), (0.87, 1.0, 1.15)
_MOVES = (-1, 0, 1)
"""Cells, each way."""
_COARSE = 32
"""Longest side of the coarse image; a cell is two by two of its pixels."""
_CANDIDATES, _FINALISTS, _EACH = 16, 4, 2
"""Patients that are aligned by affine maps, those that are bent as well, and images of each: breasts come in pairs."""
_QUERIES, _PAIRS = 32, 256
_VARIANTS = tuple(product(_ANGLES, _SIZES, _MOVES, _MOVES))
_UPRIGHT = _VARIANTS.index((0, 1.0, 0, 0))


@dataclass(frozen=True, kw_only=True)
class Laid:
    """Queries laid over references, for each of N queries K pairs.

    Args:
        distances: [N K] float32, see ``_registration.unlikeness``; not in order.
        patients, rows: [N K] whom and which reference each query lies over.
        orientations: [N K] how the query was mirrored and turned first.
        positions: [N K 2 H W] where the turned query is then read.
    """

    distances: NDArray[np.float32]
    patients: NDArray[np.intp]
    rows: NDArray[np.intp]
    orientations: NDArray[np.intp]
    positions: Tensor


def lay_over(
    queries: Tensor, references: Tensor, patients: NDArray[np.intp], own: NDArray[np.intp] | None = None
) -> Iterator[Laid]:
    """Lay queries [N 1 H W] over the references [M 1 H W] of their nearest patients, some queries at a time.

    Args:
        queries: grey images, shares of the range.
        references: of the same size.
        patients: [M], in order.
        own: [N] the patient of each query, who is left out; None = nobody is.
    """
    stored = _unit(_cells(area(references, _COARSE)))
    for first in range(0, len(queries), _QUERIES):
        part = slice(first, first + _QUERIES)
        yield _search(queries[part], references, stored, patients, None if own is None else own[part])


def laid_over(query: Tensor, reference: Tensor) -> tuple[int, Tensor]:
    """The orientation of one image [1 H W] and the positions [1 2 H W] at which it lies best over another."""
    (found,) = lay_over(query[None], reference[None], np.zeros(1, np.intp))
    return int(found.orientations[0, 0]), found.positions[0, :1]


def _search(
    queries: Tensor, references: Tensor, stored: NDArray[np.float32], patients: NDArray[np.intp],
    own: NDArray[np.intp] | None,
) -> Laid:  # fmt: skip
    known, coarse = orientations(*queries.shape[-2:]), area(queries, _COARSE)
    variants = [row for code in known for row in _moved_cells(orient(coarse, code))]
    # The negative of an image is looked for as well, as it is, turned or mirrored.
    variants += [-variants[place * len(_VARIANTS) + _UPRIGHT] for place in range(len(known))]
    each = min(_EACH, int(np.unique(patients, return_counts=True)[1].max()))
    _, who, rows, which = nearest_groups(variants, stored, patients, own, _CANDIDATES, each=each)
    negative = which >= len(known) * len(_VARIANTS)
    place, variant = np.divmod(which, len(_VARIANTS))
    place = np.where(negative, which - len(known) * len(_VARIANTS), place)
    variant, codes = np.where(negative, _UPRIGHT, variant), np.asarray(known)[place]
    count = who.shape[1]
    turned = torch.stack([orient(queries[place // count], int(code)) for place, code in enumerate(codes.ravel())])
    turned *= torch.from_numpy(np.where(negative, -1, 1).astype(np.float32)).reshape(-1, 1, 1, 1)
    starts = torch.cat([_start(queries, _VARIANTS[one]) for one in variant.ravel()])
    positions, rough = _in_parts(aligned, turned, references, rows.ravel(), starts, roughly=True)
    images = rough.reshape(len(queries), -1, each).numpy()  # [n K E]
    order = np.argsort(images.min(2), axis=1, kind="stable")[:, :_FINALISTS]
    chosen = order * each + np.take_along_axis(images.argmin(2), order, 1)
    flat = (np.arange(len(queries))[:, None] * count + chosen).ravel()
    pairs = turned[flat], references, rows.ravel()[flat]
    straight, distances = _in_parts(partial(aligned, scales=EXACT), *pairs, positions[flat])
    curved, final = _in_parts(bent, *pairs, straight)
    positions = torch.where((final < distances)[:, None, None, None], curved, straight)
    final = torch.minimum(final, distances)
    take = lambda array: np.take_along_axis(array, chosen, 1)  # noqa: E731
    return Laid(distances=final.numpy().reshape(chosen.shape), patients=take(who), rows=take(rows),
                orientations=take(codes), positions=positions.unflatten(0, chosen.shape))  # fmt: skip


def _in_parts(
    register: Callable[[Tensor, Tensor, Tensor], Tensor], queries: Tensor, references: Tensor, rows: NDArray[np.intp],
    starts: Tensor, *, roughly: bool = False,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Positions and distances of pairs, some at a time."""
    found = []
    for first in range(0, len(queries), _PAIRS):
        part = slice(first, first + _PAIRS)
        theirs = references[torch.from_numpy(rows[part])]
        positions = register(queries[part], theirs, starts[part])
        found.append((positions, unlikeness(queries[part], theirs, positions, roughly=roughly)))
    positions, distances = (torch.cat(tensors) for tensors in zip(*found, strict=True))
    return positions, distances


def _start(images: Tensor, variant: tuple[float, float, int, int]) -> Tensor:
    """Where images are read to be turned, resized and moved by cells, [1 2 H W]."""
    angle, size, down, right = variant
    height, width = images.shape[-2:]
    cell = 2 * max(height, width) / min(_COARSE, max(height, width))
    return (similar(grid(height, width), angle, size) + torch.tensor([right, down])[:, None, None] * cell)[None]


def _moved_cells(images: Tensor) -> Iterator[NDArray[np.float32]]:
    """The cells of coarse images in every variant, in the order of ``_VARIANTS``, as rows of length 1.

    Moves are by whole cells: a wider image is made once a turn and size, and cut nine times.
    """
    height, width = images.shape[-2:]
    rows, columns = height // 2, width // 2
    wide = grid(height + 4, width + 4) - 2
    for angle, size in product(_ANGLES, _SIZES):
        places = similar(wide, angle, size, middle=((height - 1) / 2, (width - 1) / 2))
        cells = _cells(sampled(images, places.expand(len(images), -1, -1, -1)))
        for down, right in product(_MOVES, _MOVES):
            yield _unit(cells[..., 1 + down : 1 + down + rows, 1 + right : 1 + right + columns])


def _cells(images: Tensor) -> Tensor:
    """Structure of coarse images on a grid of half their size."""
    return structure(functional.avg_pool2d(images, 2), 2.5, 0.15)


def _unit(cells: Tensor) -> NDArray[np.float32]:
    """Rows of length 1."""
    flat = cells.flatten(1)
    flat = flat - flat.mean(1, keepdim=True)
    return (flat / flat.norm(dim=1, keepdim=True).clamp_min(1e-3)).numpy()
