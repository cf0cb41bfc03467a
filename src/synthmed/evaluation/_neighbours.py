"""Distances and nearest neighbours between rows of features, in chunks: memory stays flat however many there are.

Squared distances are taken as |x|^2 + |y|^2 - 2 x.y after the common mean is subtracted, which keeps the loss of
digits small in float32; what decides between neighbours that nearly coincide is computed exactly.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

CHUNK_BYTES = 128 << 20
"""Memory of one block of distances."""
_ROUNDING = 1e-5
"""Share of the squared lengths by which squared distances of 32 bits may be wrong."""
PRODUCTS = 2**23
"""Products that are held at once by ``nearest_groups``."""
_HELD = 2**26
"""Numbers of its queries in all variants."""
_BLOCK = 2048
"""References whose products are made at once."""
SHORTLIST = 16
"""Groups that it compares by all columns where a part of them chose."""

Features = NDArray[np.float32]
"""[N D]: one image a row."""


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """The nearest reference of each query: ``distance`` [N] (Euclidean, exact) and ``index`` [N]."""

    distance: NDArray[np.float64]
    index: NDArray[np.intp]


def blocks(queries: Features, references: Features) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Squared distances of all references to some queries after the other: (which queries, [n M]).

    Args:
        queries: [N D].
        references: [M D].
    """
    centre = references.mean(0, dtype=np.float64).astype(np.float32)
    theirs = _with_squares(references - centre, swapped=True)
    rows = max(1, CHUNK_BYTES // (4 * max(1, len(references))))
    for first in range(0, len(queries), rows):
        part = slice(first, min(first + rows, len(queries)))
        # One product gives |x|^2 + |y|^2 - 2 x.y: rows [-2 x, |x|^2, 1] times rows [y, 1, |y|^2].
        mine = _with_squares(queries[part] - centre, swapped=False)
        squared = mine @ theirs.T
        yield part, np.maximum(squared, 0, out=squared)


def kth_distances(points: Features, k: int) -> NDArray[np.float64]:
    """The squared distance [N] of each point to its k-th nearest other point, exact.

    Example:
        >>> kth_distances(np.array([[0.0], [1.0], [3.0]], np.float32), 1).tolist()
        [1.0, 1.0, 4.0]
    """
    found = np.empty(len(points))
    for part, squared in blocks(points, points):
        rows = np.arange(len(squared))
        squared[rows, rows + part.start] = np.inf  # itself
        # Rounding may exchange neighbours that are nearly as far: a few more are compared exactly.
        near = np.argpartition(squared, min(k + 1, len(points) - 1), axis=1)[:, : min(k + 2, len(points) - 1)]
        exact = np.stack([squared_distances(points[part], points[near[:, place]]) for place in range(near.shape[1])], 1)
        found[part] = np.partition(exact, k - 1, axis=1)[:, k - 1]
    return found


def squared_distances(one: Features, other: Features) -> NDArray[np.float64]:
    """The squared distance [N] of each row to the row beside it, in 64 bits: the same for (x, y) and (y, x).

    Example:
        >>> squared_distances(np.array([[0.0, 1.0]], np.float32), np.array([[3.0, 5.0]], np.float32)).tolist()
        [25.0]
    """
    return np.square(one.astype(np.float64) - other).sum(1)


def nearer(
    queries: Features, references: Features, squared: NDArray[np.float32], radii: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Whether distances are below radii, those that rounding leaves in doubt compared exactly.

    Args:
        queries: [n D].
        references: [M D].
        squared: [n M] their squared distances, rounded.
        radii: squared, [M] or [n 1].
    """
    spread = np.square(queries.astype(np.float64)).sum(1)[:, None] + np.square(references.astype(np.float64)).sum(1)
    within, limits = squared < radii, np.broadcast_to(radii, squared.shape)
    rows, columns = np.nonzero(np.abs(squared - limits) <= _ROUNDING * spread)
    within[rows, columns] = squared_distances(queries[rows], references[columns]) < limits[rows, columns]
    return within


def nearest(
    queries: Features,
    references: Features,
    query_groups: Sequence[str] | NDArray | None = None,
    reference_groups: Sequence[str] | NDArray | None = None,
    *,
    themselves: bool = False,
    ties: np.random.Generator | None = None,
) -> Neighbours:
    """The nearest reference of each query, references of the query's own group left out.

    Args:
        queries: [N D].
        references: [M D].
        query_groups: the patient of each query, or None.
        reference_groups: of each reference.
        themselves: queries and references are the same rows; no row is its own neighbour.
        ties: draws one of references that are equally near; None = the first counts.

    Returns:
        Distance infinite, index 0 where nothing is left.
    """
    index, distance = np.zeros(len(queries), np.intp), np.empty(len(queries))
    kin = None
    if query_groups is not None and reference_groups is not None:
        kin = _Kin(query_groups, reference_groups)
    for part, squared in blocks(queries, references):
        rows = np.arange(len(squared))
        if themselves:
            squared[rows, rows + part.start] = np.inf
        if kin is not None:
            squared[kin.pairs(part)] = np.inf
        best = squared.argmin(1) if ties is None else _drawn(queries[part], references, squared, ties)
        index[part] = best
        apart = queries[part].astype(np.float64) - references[best]
        distance[part] = np.where(np.isinf(squared[rows, best]), np.inf, np.sqrt(np.square(apart).sum(1)))
    return Neighbours(distance=distance, index=index)


def nearest_groups(
    variants: Sequence[Features],
    references: Features,
    groups: NDArray[np.intp],
    own: NDArray[np.intp] | None,
    count: int,
    *,
    every: int = 1,
    each: int = 1,
) -> tuple[Features, NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """The nearest groups of each query, by the highest product with a row of theirs.

    Args:
        variants: [N D] each, the queries as they are, turned, moved; the best variant counts.
        references: [M D], in the order of their groups.
        groups: [M].
        own: [N] the group of each query, which is left out; None = none is.
        count: how many groups, at most.
        every: look at every so-manieth of D alone first, and at all of them for the ``SHORTLIST`` groups then nearest.
        each: E, how many rows of each group; its best again where it has fewer.

    Returns:
        Products, groups, reference rows and numbers of the variants, each [N count*E], the nearest group first, and its
        rows together.
    """
    chunk = max(1, min(PRODUCTS // len(references), _HELD // (len(variants) * references.shape[1])))
    parts = []
    stored = torch.from_numpy(references)
    glanced = stored[:, ::every].contiguous()
    for first in range(0, len(variants[0]), chunk):
        part = slice(first, first + chunk)
        asked = [torch.from_numpy(variant[part]) for variant in variants]
        scores = _highest([one[:, ::every].contiguous() for one in asked], glanced)
        wanted = count if every == 1 else max(count, SHORTLIST)
        who, rows = _best_groups(scores.numpy(), groups, None if own is None else own[part], wanted, each)
        chosen = stored[torch.from_numpy(rows).flatten(1)]  # [n KE D]
        products = (torch.stack(asked, 1) @ chosen.transpose(1, 2)).unflatten(2, rows.shape[1:])  # [n V K E]
        best, which = (found.numpy() for found in products.max(1))
        order = np.argsort(-best.max(2), axis=1, kind="stable")[:, :count]
        who = np.broadcast_to(who[..., None], rows.shape)
        ordered = (np.take_along_axis(found, order[..., None], 1) for found in (best, who, rows, which))
        parts.append([found.reshape(len(found), -1) for found in ordered])
    best, who, rows, which = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return best, who, rows, which


def _highest(variants: Sequence[Tensor], references: Tensor) -> Tensor:
    """The highest product [n M] of any variant, some references at a time, so that products stay in the cache."""
    scores = torch.empty(len(variants[0]), len(references))
    for first in range(0, len(references), _BLOCK):
        some = references[first : first + _BLOCK].T
        best = variants[0] @ some
        for other in variants[1:]:
            torch.maximum(best, other @ some, out=best)
        scores[:, first : first + _BLOCK] = best
    return scores


def _best_groups(
    scores: Features, groups: NDArray[np.intp], own: NDArray[np.intp] | None, count: int, each: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Scores [n M] of references in order of their groups -> the best groups [n K], and their best rows [n K E]."""
    starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    names, ends = groups[starts], np.r_[starts[1:], len(groups)]
    by_group = scores if len(starts) == len(groups) else np.maximum.reduceat(scores, starts, axis=1)
    if own is not None:
        by_group = np.where(own[:, None] == names[None], -np.inf, by_group)
    count = min(count, len(names) - (own is not None))
    top = np.argpartition(-by_group, count - 1, axis=1)[:, :count]
    order = np.argsort(-np.take_along_axis(by_group, top, 1), axis=1, kind="stable")
    top = np.take_along_axis(top, order, 1)
    rows = np.repeat(starts[top][..., None], each, 2)
    if len(starts) != len(groups):
        for place in np.ndindex(*top.shape):
            first, last = starts[top[place]], ends[top[place]]
            best = first + np.argsort(-scores[place[0], first:last], kind="stable")[:each]
            rows[place][: len(best)], rows[place][len(best) :] = best, best[0]
    return names[top], rows


def _drawn(
    queries: Features, references: Features, squared: NDArray[np.float32], numbers: np.random.Generator
) -> NDArray[np.intp]:
    """The nearest reference of each query [n], one drawn where several are equally near."""
    best = squared.argmin(1)
    lengths = np.square(queries.astype(np.float64)).sum(1) + np.square(references.astype(np.float64)).sum(1).max()
    close = squared <= (squared[np.arange(len(best)), best] + _ROUNDING * lengths)[:, None]
    for row in np.flatnonzero(close.sum(1) > 1):
        columns = np.flatnonzero(close[row])
        exact = squared_distances(np.repeat(queries[row : row + 1], len(columns), 0), references[columns])
        exact[np.isinf(squared[row, columns])] = np.inf
        best[row] = numbers.choice(columns[exact == exact.min()])
    return best


class _Kin:
    """Which references are of the group of a query, found without comparing all pairs."""

    def __init__(self, queries: Sequence[str] | NDArray, references: Sequence[str] | NDArray) -> None:
        both = np.concatenate([np.asarray(queries), np.asarray(references)])
        _, codes = np.unique(both, return_inverse=True)
        self._queries, codes = codes[: len(queries)], codes[len(queries) :]
        self._order = np.argsort(codes, kind="stable")
        self._counts = np.bincount(codes, minlength=int(self._queries.max(initial=0)) + 1)
        self._starts = np.cumsum(self._counts) - self._counts

    def pairs(self, part: slice) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows within the part, and the references of each row's group."""
        groups = self._queries[part]
        counts = self._counts[groups]
        rows = np.repeat(np.arange(len(groups)), counts)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        return rows, self._order[np.repeat(self._starts[groups], counts) + within]


def _with_squares(points: NDArray[np.floating], *, swapped: bool) -> Features:
    """Rows [-2 x, |x|^2, 1], or swapped [x, 1, |x|^2]."""
    points = np.asarray(points, np.float32)
    squares = np.einsum("nd,nd->n", points, points)[:, None]
    ones = np.ones_like(squares)
    return np.concatenate([points, ones, squares] if swapped else [-2 * points, squares, ones], 1)
