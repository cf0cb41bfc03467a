"""Distances and nearest neighbours between rows of features, in chunks: memory stays flat however many there are.

Squared distances are taken as |x|^2 + |y|^2 - 2 x.y after the common mean is subtracted, which keeps the loss of
digits small in float32; what decides between neighbours that nearly coincide is computed exactly.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CHUNK_BYTES = 128 << 20
"""Memory of one block of distances."""

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


def kth_distances(points: Features, k: int) -> NDArray[np.float32]:
    """The squared distance [N] of each point to its k-th nearest other point.

    Example:
        >>> kth_distances(np.array([[0.0], [1.0], [3.0]], np.float32), 1).tolist()
        [1.0, 1.0, 4.0]
    """
    found = np.empty(len(points), np.float32)
    for part, squared in blocks(points, points):
        rows = np.arange(len(squared))
        squared[rows, rows + part.start] = np.inf  # itself
        found[part] = np.partition(squared, k - 1, axis=1)[:, k - 1]
    return found


def nearest(
    queries: Features,
    references: Features,
    query_groups: Sequence[str] | NDArray | None = None,
    reference_groups: Sequence[str] | NDArray | None = None,
    *,
    themselves: bool = False,
) -> Neighbours:
    """The nearest reference of each query, references of the query's own group left out.

    Args:
        queries: [N D].
        references: [M D].
        query_groups: the patient of each query, or None.
        reference_groups: of each reference.
        themselves: queries and references are the same rows; no row is its own neighbour.

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
        best = squared.argmin(1)
        index[part] = best
        apart = queries[part].astype(np.float64) - references[best]
        distance[part] = np.where(np.isinf(squared[rows, best]), np.inf, np.sqrt(np.square(apart).sum(1)))
    return Neighbours(distance=distance, index=index)


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
