"""Images that look alike though they are said to be of different patients, mirrored and turned ones as well.

Grey values do not tell: two eyes, or two breasts on black, correlate to 0.99. What tells is fine structure, each
place counted alike: an image is reduced to 16 x 16, and every value is taken relative to the mean and the spread of
its 3 x 3 neighbours. Pairs that correlate in this, over the eight turns and flips of one of them, are looked at again
at 32 x 32. There, no two of 322 mammograms and of 40 retinas reach 0.75, while copies after JPEG of quality 50, in
another size or a little brighter stay above 0.85. Cut or noisy copies can be missed, and so can quarter turns where the
images of a set are not square.

In small sets each pair is compared; in large ones those that share a bucket in one of 16 tables: the signs of 16
random projections, of what all turns of a picture have in common, about their medians. All sums are of whole numbers,
so that every machine finds the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

SIDE = 16
ALIKE = 0.8
"""Correlation of two prints at twice ``SIDE`` from which images are reported."""
_CANDIDATE = 0.92
"""Correlation at ``SIDE`` from which two images are looked at again."""
_LIKELY = 0.8
"""Correlation of what turns leave as it is, below which pairs are passed over without turning them."""
_DENSE = 1 / 16
"""Share of likely pairs from which it is faster to turn all of them than to pick these out."""
_EXHAUSTIVE = 4096
"""Images up to which each pair is compared; also the largest bucket."""
_TABLES, _BITS = 16, 16
_ROWS = 512
"""Images compared with a bucket at a time."""
_LEVELS = 4080
_NOISE = 16
"""Spread, of ``_LEVELS``, below which structure counts less: one grey value of 256."""


TURNS = {
    "": lambda picture: picture,
    "left to right": lambda picture: picture[..., ::-1],
    "top to bottom": lambda picture: picture[..., ::-1, :],
    "by half": lambda picture: picture[..., ::-1, ::-1],
    "along the diagonal": lambda picture: picture.swapaxes(-1, -2),
    "by a quarter": lambda picture: picture.swapaxes(-1, -2)[..., ::-1],
    "by three quarters": lambda picture: picture.swapaxes(-1, -2)[..., ::-1, :],
    "along the other diagonal": lambda picture: picture.swapaxes(-1, -2)[..., ::-1, ::-1],
}
"""What makes the eight turns and flips of a picture [... H W], by how it is mirrored or turned; "" = not at all."""
_PLACES = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
_ORDERS = np.stack([turn(_PLACES).ravel() for turn in TURNS.values()])  # [8 256]: a turned print as its places
_ORBITS, _SIZES = np.unique(_ORDERS.min(axis=0), return_counts=True)  # places that turns bring together, 4 or 8


@dataclass(frozen=True, slots=True)
class Pair:
    """Two images, by their places in the set, the first below the second."""

    first: int
    second: int


def fingerprint(image: np.ndarray, side: int = SIDE) -> np.ndarray:
    """The fine structure of an image [C H W], uint8 or uint16, as int8 [side side]; all 0 where it has one value."""
    height, width = image.shape[1:]
    rows, columns = (
        np.minimum((np.arange(side) * length + side // 2) // side, length - 1) for length in (height, width)
    )
    sums = np.add.reduceat(image.sum(axis=0, dtype=np.int64), rows, axis=0)
    sums = np.add.reduceat(sums, columns, axis=1)
    heights, widths = np.diff(rows, append=height).clip(1), np.diff(columns, append=width).clip(1)
    means = sums * 256 // (np.outer(heights, widths) * len(image))
    means -= means.min()
    levels = np.pad(means * _LEVELS // max(1, int(means.max())), 1, mode="edge")
    around = [levels[y : y + side, x : x + side] for y in range(3) for x in range(3)]
    total = sum(around)
    spread = 9 * sum(part**2 for part in around) - total**2 + 81 * _NOISE**2
    # No value of nine is further than sqrt(8) spreads from their mean.
    return np.rint((9 * levels[1:-1, 1:-1] - total) * (127 / 8**0.5) / np.sqrt(spread)).astype(np.int8)


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Of two fingerprints, -1 to 1; 0 where one has no structure."""
    first, second = (print_.astype(np.int64).ravel() for print_ in (one, other))
    size = int(first @ first) * int(second @ second)
    return int(first @ second) / size**0.5 if size else 0.0


def likeness(one: np.ndarray, other: np.ndarray) -> tuple[float, str]:
    """The highest correlation of a fingerprint with the eight turns of another, and the turn (of ``TURNS``)."""
    found = {name: correlation(one, turn(other)) for name, turn in TURNS.items()}
    name = max(found, key=lambda name: found[name])
    return found[name], name


def candidates(prints: np.ndarray, patients: np.ndarray) -> list[Pair]:
    """For each image the one of another patient that is most similar in any turn, where one is similar enough.

    Args:
        prints: int8 [N 16 16] of ``fingerprint``.
        patients: int [N], equal for images of one patient.

    Returns:
        Sorted, each pair once.
    """
    flat = prints.reshape(len(prints), SIDE * SIDE)
    told = np.flatnonzero(flat.any(axis=1))
    best = np.full(len(flat), -1.0, np.float32)
    partner = np.full(len(flat), -1)
    sums = _sums(flat)
    for buckets in _buckets(sums, told):
        _compare(flat, sums, patients, buckets, best, partner)
    places = np.flatnonzero(best >= _CANDIDATE)
    found = {(min(pair), max(pair)) for pair in zip(places.tolist(), partner[places].tolist(), strict=True)}
    return [Pair(*pair) for pair in sorted(found)]


def _sums(flat: np.ndarray) -> np.ndarray:
    """What turns leave as it is: sums over the places that they bring together, of prints [N 256]; int16 [N 36]."""
    places = _ORDERS[:, _ORBITS]
    parts = [flat[first : first + _EXHAUSTIVE] for first in range(0, len(flat), _EXHAUSTIVE)]
    return np.concatenate([np.sum([part[:, row] for row in places], axis=0, dtype=np.int16) for part in parts])


def _buckets(sums: np.ndarray, told: np.ndarray) -> Iterator[np.ndarray]:
    """Buckets of one size [B m], together not much above ``_EXHAUSTIVE`` images; in each, every pair is compared."""
    if len(told) <= _EXHAUSTIVE:
        yield told[None]
        return
    projections = np.random.Generator(np.random.Philox(0)).integers(0, 2, (_TABLES, sums.shape[1], _BITS)) * 2 - 1
    weights = 1 << np.arange(_BITS)
    for table in projections.astype(np.float64):
        parts = (told[first : first + _EXHAUSTIVE] for first in range(0, len(told), _EXHAUSTIVE))
        values = np.concatenate([(sums[part].astype(np.float64) @ table).astype(np.float32) for part in parts])
        codes = (values > np.median(values, axis=0)) @ weights
        order = np.argsort(codes, kind="stable")
        # A bucket ends where the code changes, and where it would grow too large.
        begins = np.concatenate([[True], np.diff(codes[order]) > 0])
        run = np.arange(len(order)) - np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))
        starts = np.flatnonzero(run % _EXHAUSTIVE == 0)
        sizes = np.diff(starts, append=len(order))
        for size in np.unique(sizes[sizes > 1]).tolist():
            alike = told[order[starts[sizes == size, None] + np.arange(size)]]
            together = max(1, _EXHAUSTIVE // size)
            yield from (alike[first : first + together] for first in range(0, len(alike), together))


def _compare(
    flat: np.ndarray,
    sums: np.ndarray,
    patients: np.ndarray,
    buckets: np.ndarray,
    best: np.ndarray,
    partner: np.ndarray,
) -> None:
    """Note in ``best`` and ``partner`` the most similar image of another patient within each of the buckets [B m]."""
    values = flat[buckets].astype(np.float32)  # [B m 256]; sums of its products stay exact, below 2**24
    length = np.sqrt((values**2).sum(axis=2))
    constant = sums[buckets].astype(np.float64)  # [B m 36]
    weighed = constant * _SIZES
    least = np.sqrt(_LIKELY * (weighed * constant).sum(axis=2))
    whose = patients[buckets]
    for first in range(0, buckets.shape[1], _ROWS):
        rows = slice(first, first + _ROWS)
        likely = weighed[:, rows] @ constant.transpose(0, 2, 1) >= least[:, rows, None] * least[:, None]
        likely &= whose[:, rows, None] != whose[:, None]
        similar = _turned(values, rows, likely)  # [B rows m]
        similar /= length[:, rows, None] * length[:, None]
        similar[~likely] = -1.0
        nearest = similar.argmax(axis=2)
        highest = np.take_along_axis(similar, nearest[..., None], axis=2).ravel()
        places, others = buckets[:, rows].ravel(), np.take_along_axis(buckets, nearest, axis=1).ravel()
        # Of equally similar ones the first counts, whatever bucket it comes from.
        better = (highest > best[places]) | ((highest == best[places]) & (others < partner[places]))
        best[places[better]], partner[places[better]] = highest[better], others[better]


def _turned(values: np.ndarray, rows: slice, likely: np.ndarray) -> np.ndarray:
    """The largest inner product over the turns, of the rows with all of their bucket [B rows m], where it is likely."""
    if likely.mean() > _DENSE:
        others = values.transpose(0, 2, 1)
        similar = values[:, rows] @ others
        for order in _ORDERS[1:]:
            np.maximum(similar, values[:, rows, order] @ others, out=similar)
        return similar
    similar = np.full(likely.shape, -1.0, np.float32)
    bucket, row, other = np.nonzero(likely)
    for first in range(0, len(bucket), _EXHAUSTIVE):
        part = slice(first, first + _EXHAUSTIVE)
        one, two = values[bucket[part], row[part] + rows.start], values[bucket[part], other[part]]
        products = [np.einsum("nc,nc->n", one[:, order], two) for order in _ORDERS]
        similar[bucket[part], row[part], other[part]] = np.max(products, axis=0)
    return similar
