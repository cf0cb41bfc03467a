"""Images that look alike though they are said to be of different patients.

Every image is reduced to 16 x 16; two are alike where the normalised cross-correlation of these is at least 0.995.
In small sets each pair is compared. In large ones only pairs that share a bucket: the signs of 16 random projections
of the fine structure about their medians, which are the same for images that are nearly the same, in 12 tables. All
sums are of whole numbers, so that every machine finds the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

SIDE = 16
ALIKE = 0.995
_EXHAUSTIVE = 4096
"""Images up to which each pair is compared."""
_TABLES, _BITS = 12, 16
_LARGEST_BUCKET = 4096
_ROWS = 512
"""Images compared with a bucket at a time."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two images, by their places in the set, and their normalised cross-correlation."""

    first: int
    second: int
    similarity: float


def thumbnail(image: np.ndarray) -> np.ndarray:
    """An image [C H W], uint8 or uint16, reduced to uint8 [16 16] from 0 to 255; all 0 where it has one value."""
    height, width = image.shape[1:]
    rows, columns = (np.arange(SIDE) * length // SIDE for length in (height, width))
    sums = np.add.reduceat(image.sum(axis=0, dtype=np.int64), rows, axis=0)
    sums = np.add.reduceat(sums, columns, axis=1)
    counts = np.outer(
        *(np.maximum(1, np.diff(edges, append=length)) for edges, length in ((rows, height), (columns, width)))
    )
    means = sums * 256 // (counts * len(image))
    means -= means.min()
    return (means * 255 // max(1, int(means.max()))).astype(np.uint8)


def find_alike(thumbnails: np.ndarray, patients: np.ndarray) -> list[Pair]:
    """For each image its most similar one of another patient, where there is one that is alike.

    Args:
        thumbnails: uint8 [N 16 16] of ``thumbnail``.
        patients: int [N], equal for images of one patient.

    Returns:
        Pairs with ``first`` below ``second``, sorted, each once.
    """
    flat = thumbnails.reshape(len(thumbnails), SIDE * SIDE)
    told = np.flatnonzero(flat.any(axis=1))
    best = np.full(len(flat), -1.0)
    partner = np.full(len(flat), -1)
    for bucket in _buckets(flat, told):
        _compare(flat, patients, bucket, best, partner)
    found = {
        (min(one, other), max(one, other)): float(best[one])
        for one, other in enumerate(partner.tolist())
        if other >= 0 and best[one] >= ALIKE
    }
    return [Pair(first, second, round(found[first, second], 4)) for first, second in sorted(found)]


def _buckets(flat: np.ndarray, told: np.ndarray) -> Iterator[np.ndarray]:
    """Sets of images among which every pair is compared."""
    if len(told) <= _EXHAUSTIVE:
        yield told
        return
    projections = np.random.Generator(np.random.Philox(0)).integers(0, 2, (_TABLES, _BITS, SIDE * SIDE)) * 2 - 1
    weights = 1 << np.arange(_BITS)
    for table in projections:
        values = np.concatenate(
            [
                _fine(flat[told[first : first + 8192]]) @ table.T.astype(np.float64)
                for first in range(0, len(told), 8192)
            ]
        )
        codes = (values > np.median(values, axis=0)) @ weights
        order = np.argsort(codes, kind="stable")
        edges = np.flatnonzero(np.diff(codes[order])) + 1
        for bucket in np.split(told[order], edges):
            for first in range(0, len(bucket), _LARGEST_BUCKET):
                if len(part := bucket[first : first + _LARGEST_BUCKET]) > 1:
                    yield part


def _fine(flat: np.ndarray) -> np.ndarray:
    """What is left of thumbnails [n 256] without their smooth part, stretched alike: whole numbers, as float64."""
    pictures = np.pad(flat.reshape(-1, SIDE, SIDE).astype(np.float64), ((0, 0), (1, 1), (1, 1)), mode="edge")
    smooth = sum(pictures[:, y : y + SIDE, x : x + SIDE] for y in range(3) for x in range(3))
    return (9 * pictures[:, 1:-1, 1:-1] - smooth).reshape(len(flat), -1)


def _compare(flat: np.ndarray, patients: np.ndarray, bucket: np.ndarray, best: np.ndarray, partner: np.ndarray) -> None:
    """Note in ``best`` and ``partner`` the most similar image of another patient within a bucket."""
    values = flat[bucket].astype(np.float64)
    count, sums = values.shape[1], values.sum(axis=1)
    spread = np.sqrt(count * (values**2).sum(axis=1) - sums**2)
    whose = patients[bucket]
    for first in range(0, len(bucket), _ROWS):
        rows = slice(first, first + _ROWS)
        similar = (count * (values[rows] @ values.T) - np.outer(sums[rows], sums)) / np.outer(spread[rows], spread)
        similar[whose[rows, None] == whose] = -1.0
        nearest = similar.argmax(axis=1)
        highest = similar[np.arange(len(similar)), nearest]
        places, others = bucket[rows], bucket[nearest]
        # Of equally similar ones the first counts, whatever bucket it comes from.
        better = (highest > best[places]) | ((highest == best[places]) & (others < partner[places]))
        best[places[better]], partner[places[better]] = highest[better], others[better]
