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
    moved = np.ascontiguousarray(references - centre, np.float32)
    squares = np.einsum("md,md->m", moved, moved)
    rows = max(1, CHUNK_BYTES // (4 * max(1, len(references))))
    for first in range(0, len(queries), rows):
        part = slice(first, min(first + rows, len(queries)))
        mine = np.ascontiguousarray(queries[part] - centre, np.float32)
        squared = mine @ moved.T  # x.y
        squared *= -2
        squared += squares
        squared += np.einsum("nd,nd->n", mine, mine)[:, None]  # |x - y|^2
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
    own = np.asarray(query_groups) if query_groups is not None else None
    theirs = np.asarray(reference_groups) if reference_groups is not None else None
    for part, squared in blocks(queries, references):
        rows = np.arange(len(squared))
        if themselves:
            squared[rows, rows + part.start] = np.inf
        if own is not None and theirs is not None:
            squared[own[part, None] == theirs[None]] = np.inf
        best = squared.argmin(1)
        index[part] = best
        apart = queries[part].astype(np.float64) - references[best]
        distance[part] = np.where(np.isinf(squared[rows, best]), np.inf, np.sqrt(np.square(apart).sum(1)))
    return Neighbours(distance=distance, index=index)
